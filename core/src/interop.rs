//! Graphs as petgraph's, for algorithms that arras does not have.

use petgraph::graph::{DiGraph, NodeIndex};

use crate::error::Result;
use crate::flat::Flat;
use crate::graph::Graph;
use crate::key::Key;

impl Graph {
    /// The keys as a petgraph graph of the same order: node `i` is the `i`-th of [`keys`](Graph::keys), and an edge goes from each input to its reader, one for each
    /// time that it is read. A cycle is no error here, as finding out about it may be what the graph is wanted for.
    ///
    /// Work: the number of tasks and edges. Nothing is computed.
    ///
    /// # Errors
    /// [`Error::MissingKey`](crate::Error::MissingKey) if a task reads a key that is not there, [`Error::TooManyTasks`](crate::Error::TooManyTasks).
    ///
    /// # Examples
    /// ```
    /// use arras_core::{Graph, task, value};
    /// use petgraph::Direction::Incoming;
    ///
    /// let graph = Graph::from_iter([
    ///     ("a", value(2i64)),
    ///     ("b", value(2i64)),
    ///     ("result", task(|x: &i64, y: &i64| x + y, ("a", "b"))),
    /// ]);
    /// let petgraph = graph.to_petgraph()?;
    /// let order = petgraph::algo::toposort(&petgraph, None).unwrap();
    /// assert_eq!(petgraph[order[2]].to_string(), "\"result\"");
    /// assert_eq!(petgraph.neighbors_directed(order[2], Incoming).count(), 2);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn to_petgraph(&self) -> Result<DiGraph<Key, ()>> {
        let flat = Flat::new(self)?;
        let edges = flat.edges()?;
        let mut graph = DiGraph::with_capacity(flat.len(), flat.len());
        for key in self.keys() {
            graph.add_node(key);
        }
        for reader in 0..flat.len() as u32 {
            for input in edges.tasks(reader) {
                graph.add_edge(NodeIndex::new(input as usize), NodeIndex::new(reader as usize), ());
            }
        }
        Ok(graph)
    }
}
