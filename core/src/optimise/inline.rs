//! Inline: write small values into the tasks that read them, and resolve aliases.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::graph::Graph;
use crate::key::Key;
use crate::layer::Layer;
use crate::task::{Input, Task};

/// Values up to this size in bytes are written into their readers.
const SMALL: usize = 64;

/// The graph with small values written into the hand-built tasks that read them, and with aliases replaced by what they stand for. Tasks that
/// `keys` name stay; those that nobody reads any more go.
///
/// # Errors
/// [`Error::MissingKey`](crate::Error::MissingKey), [`Error::Cycle`](crate::Error::Cycle).
pub fn inline(graph: &Graph, keys: &[Key]) -> Result<Graph> {
    graph.check()?;
    let mut inlined = graph.clone();
    let mut small = Small::default();
    for layer in graph.layers() {
        let Layer::Table(table) = &**layer else { continue };
        let mut changed = None;
        for (position, (_, task)) in table.entries.iter().enumerate() {
            let Task::Call { func, inputs, block } = task else { continue };
            if !inputs.iter().any(|input| matches!(input, Input::Key(key) if resolve(graph, key, &mut small).is_some())) {
                continue;
            }
            let inputs = inputs
                .iter()
                .map(|input| match input {
                    Input::Key(key) => resolve(graph, key, &mut small).unwrap_or_else(|| input.clone()),
                    Input::Value(_) => input.clone(),
                })
                .collect();
            let table = changed.get_or_insert_with(|| table.clone());
            table.entries[position].1 = Task::Call { func: func.clone(), inputs, block: *block };
        }
        if let Some(table) = changed {
            inlined.replace_layer(Arc::new(Layer::Table(table)));
        }
    }
    super::cull(&inlined, keys)
}

/// Which values are small, by layer and place: finding out may cost a look at the whole value, and it may have many readers.
type Small = FxHashMap<(usize, u32), bool>;

/// What to write in place of a key, if anything: a small value, or the end of a row of aliases. The graph has no cycles.
fn resolve(graph: &Graph, key: &Key, small: &mut Small) -> Option<Input> {
    let (mut key, mut moved) = (key.clone(), false);
    loop {
        let (number, position) = graph.locate(&key)?;
        let layer = graph.layer_at(number);
        if let Some(value) = layer.value_at(position) {
            if *small.entry((number, position)).or_insert_with(|| value.nbytes() <= SMALL) {
                return Some(Input::Value(value.clone()));
            }
            break;
        }
        let Layer::Table(table) = &**layer else { break };
        let Task::Alias(target) = &table.entries[position as usize].1 else { break };
        (key, moved) = (target.clone(), true);
    }
    moved.then_some(Input::Key(key))
}
