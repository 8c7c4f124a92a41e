//! Fuse: make one task of a chain.
//!
//! ```text
//!     x ── load ── square ── sum        x ── load → square → sum
//!                    │           ⇒
//!                    y                  y ──╯
//! ```
//! A task whose value only one other task reads, and nobody wants, moves into its reader. A reader takes in one such input at most, so that
//! independent inputs can still run at once. Engines pay for each task, so there fused graphs are faster; the schedulers of this process run a chain on one
//! thread anyway.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::chain::{Argument, Chain, Step};
use crate::error::Result;
use crate::flat::Flat;
use crate::func::Func;
use crate::graph::Graph;
use crate::key::Key;
use crate::layer::Layer;
use crate::order::Readers;
use crate::task::{Input, InputList, Task};

/// The graph with chains of calls fused, each under the key of its last task. Tasks that `keys` name keep their own.
///
/// # Errors
/// [`Error::MissingKey`](crate::Error::MissingKey), [`Error::Cycle`](crate::Error::Cycle).
pub fn fuse(graph: &Graph, keys: &[Key]) -> Result<Graph> {
    let flat = Flat::new(graph)?;
    let edges = flat.edges()?;
    let order = flat.topological_order(&edges, 0..flat.len() as u32)?;
    let readers = Readers::new(flat.len(), &edges, &order);
    let mut wanted = vec![false; flat.len()];
    for id in flat.wanted(keys)? {
        wanted[id as usize] = true;
    }
    let is_call = |id: u32| {
        let (layer, position) = flat.place(id);
        graph.layer_at(layer).func_at(position).is_some()
    };
    // The input that each task takes in.
    let takes_in = |id: u32| -> Option<u32> {
        let mut single = edges.tasks(id).filter(|&input| !wanted[input as usize] && readers.of(input).len() == 1 && is_call(input));
        let first = single.next()?;
        (is_call(id) && single.next().is_none()).then_some(first)
    };
    let mut taken = vec![false; flat.len()];
    let mut inner: Vec<Option<u32>> = vec![None; flat.len()];
    for &id in &order {
        inner[id as usize] = takes_in(id);
        if let Some(input) = inner[id as usize] {
            taken[input as usize] = true;
        }
    }
    if !taken.contains(&true) {
        return Ok(graph.clone());
    }

    let mut fused = Graph::new();
    for (number, layer) in graph.layers().enumerate() {
        let range = flat.range(number);
        if range.clone().all(|id| !taken[id as usize] && inner[id as usize].is_none()) {
            fused.insert_shared(Arc::clone(layer));
            continue;
        }
        // A table that stays open to references by flat position.
        let mut table = layer.emptied();
        for id in range.filter(|&id| !taken[id as usize]) {
            let (_, position) = flat.place(id);
            let task = if inner[id as usize].is_some() { chain(graph, &flat, &inner, id) } else { task_at(graph, &flat, id) };
            table.insert(layer.index_at(position), task);
        }
        if !table.entries.is_empty() {
            fused.insert_shared(Arc::new(Layer::Table(table)));
        }
    }
    Ok(fused)
}

fn task_at(graph: &Graph, flat: &Flat<'_>, id: u32) -> Task {
    let (layer, position) = flat.place(id);
    graph.layer_at(layer).task_at(position, |name| graph.layer(name))
}

/// The chain that ends in task `id`.
fn chain(graph: &Graph, flat: &Flat<'_>, inner: &[Option<u32>], id: u32) -> Task {
    let mut ids = vec![id];
    while let Some(input) = inner[*ids.last().expect("starts with id") as usize] {
        ids.push(input);
    }
    let mut chain = Builder { steps: Vec::new(), inputs: InputList::new() };
    let mut before: Option<Key> = None;
    for &id in ids.iter().rev() {
        let Task::Call { func, inputs, block } = task_at(graph, flat, id) else { unreachable!("only calls are fused") };
        chain.push(&func, inputs, block, before.as_ref());
        before = Some(flat.key(id));
    }
    Task::Call { func: Func::chain(chain.steps), inputs: chain.inputs, block: 0 }
}

struct Builder {
    steps: Vec<Step>,
    inputs: InputList,
}

impl Builder {
    /// Adds a call, in which the key `before` stands for the last step. A call that is a chain itself adds its steps.
    fn push(&mut self, func: &Func, inputs: InputList, block: u32, before: Option<&Key>) {
        let arguments: SmallVec<[Argument; 4]> = inputs
            .into_iter()
            .map(|input| match &input {
                Input::Key(key) if Some(key) == before => Argument::Step(self.steps.len() as u32 - 1),
                _ => {
                    self.inputs.push(input);
                    Argument::Input(self.inputs.len() as u32 - 1)
                }
            })
            .collect();
        let Some(chain) = func.environment::<Chain>() else {
            self.steps.push(Step { func: func.clone(), block, arguments });
            return;
        };
        let base = self.steps.len() as u32;
        for step in &chain.steps {
            let arguments = step
                .arguments
                .iter()
                .map(|argument| match *argument {
                    Argument::Input(i) => arguments[i as usize],
                    Argument::Step(i) => Argument::Step(base + i),
                })
                .collect();
            self.steps.push(Step { func: step.func.clone(), block: step.block, arguments });
        }
    }
}
