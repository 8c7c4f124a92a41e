//! Cull: leave out what nobody needs.

use std::sync::Arc;

use petgraph::graph::DiGraph;
use petgraph::visit::Dfs;

use crate::error::Result;
use crate::flat::{Flat, LITERAL, MISSING};
use crate::graph::Graph;
use crate::key::Key;

/// The graph with only the tasks that `keys` need; what they do not need may be broken. Layers that are needed whole are shared. Work: the tasks of the layers that are reachable.
///
/// # Errors
/// [`Error::MissingKey`](crate::Error::MissingKey).
pub fn cull(graph: &Graph, keys: &[Key]) -> Result<Graph> {
    let graph = reachable_layers(graph, keys);
    let flat = Flat::new(&graph)?;
    let wanted = flat.wanted(keys)?;
    let edges = flat.open_edges()?;
    let mut needed = vec![false; flat.len()];
    let mut stack = wanted;
    while let Some(id) = stack.pop() {
        if std::mem::replace(&mut needed[id as usize], true) {
            continue;
        }
        let inputs = edges.of(id);
        if inputs.contains(&MISSING) {
            return Err(flat.missing_input(&edges, id));
        }
        stack.extend(inputs.iter().filter(|&&input| input & LITERAL == 0 && !needed[input as usize]));
    }

    let mut culled = Graph::new();
    for (number, layer) in graph.layers().enumerate() {
        let range = flat.range(number);
        let needed = &needed[range.start as usize..range.end as usize];
        let n_needed = needed.iter().filter(|&&needed| needed).count();
        if n_needed > 0 && n_needed == needed.len() {
            culled.insert_shared(Arc::clone(layer));
        } else if n_needed > 0 {
            let positions: Vec<u32> = (0..layer.len() as u32).filter(|&position| needed[position as usize]).collect();
            culled.insert_shared(Arc::new(layer.select(&positions)));
        }
    }
    Ok(culled)
}

/// The layers that the wanted keys' layers reach.
fn reachable_layers(graph: &Graph, keys: &[Key]) -> Graph {
    let mut layers = DiGraph::<(), (), u32>::with_capacity(graph.layers().len(), graph.layers().len());
    let nodes: Vec<_> = graph.layers().map(|_| layers.add_node(())).collect();
    for (number, layer) in graph.layers().enumerate() {
        for name in layer.dependencies() {
            if let Some(dependency) = graph.layer_number(&name) {
                layers.add_edge(nodes[number], nodes[dependency], ());
            }
        }
    }
    let mut dfs = Dfs::empty(&layers);
    for key in keys {
        if let Some(number) = graph.layer_number(key.name()) {
            dfs.move_to(nodes[number]);
            while dfs.next(&layers).is_some() {}
        }
    }
    let mut reachable = Graph::new();
    for (number, layer) in graph.layers().enumerate() {
        if dfs.discovered.contains(nodes[number].index()) {
            reachable.insert_shared(Arc::clone(layer));
        }
    }
    reachable
}
