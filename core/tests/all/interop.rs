//! A graph as petgraph's has the same keys and edges, and says which key is missing.

use arras_core::{Error, Graph, Input, Task, alias, task, value};
use petgraph::visit::EdgeRef;

fn add(x: &i64, y: &i64) -> i64 {
    x + y
}

#[test]
fn nodes_are_the_keys_in_order_and_edges_go_from_input_to_reader_as_often_as_it_reads() {
    let graph = Graph::from_iter([("a", value(2i64)), ("twice", task(add, ("a", "a"))), ("again", alias("twice"))]);
    let petgraph = graph.to_petgraph().unwrap();
    assert_eq!(petgraph.node_weights().cloned().collect::<Vec<_>>(), graph.keys().collect::<Vec<_>>());
    let edges: Vec<_> = petgraph.edge_references().map(|edge| (edge.source().index(), edge.target().index())).collect();
    assert_eq!(edges, [(0, 1), (0, 1), (1, 2)]);
}

#[test]
fn literals_are_no_nodes_and_no_tasks_are_no_nodes() {
    let Task::Call { func, .. } = task(add, ("a", "b")) else { panic!("a call") };
    let literal = Input::Value(arras_core::Value::new(1i64));
    let graph = Graph::from_iter([("a", value(2i64)), ("sum", Task::call(func, [Input::Key("a".into()), literal]))]);
    let petgraph = graph.to_petgraph().unwrap();
    assert_eq!((petgraph.node_count(), petgraph.edge_count()), (2, 1));
    assert_eq!(Graph::new().to_petgraph().unwrap().node_count(), 0);
}

#[test]
fn a_cycle_is_kept_and_a_missing_key_is_an_error() {
    let cycle = Graph::from_iter([("a", alias("b")), ("b", alias("a"))]);
    assert!(petgraph::algo::is_cyclic_directed(&cycle.to_petgraph().unwrap()));
    let missing = Graph::from_iter([("a", alias("b"))]);
    assert!(matches!(missing.to_petgraph(), Err(Error::MissingKey { .. })));
}
