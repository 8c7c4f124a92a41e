//! What the tests compare with: an evaluator that recurses over the keyed map, and random graphs of hand-built and grid layers.

use std::collections::{BTreeMap, BTreeSet};

use arras_core::{Func, Graph, GridBuilder, Input, Inputs, Key, Layer, Name, Task, Value, alias, task, value};
use proptest::prelude::*;

/// The value of a key, by recursion over the keyed map alone: no plan, no order, no flat numbers.
pub(super) fn evaluate(graph: &Graph, key: &Key, memo: &mut BTreeMap<Key, Value>) -> Value {
    if let Some(value) = memo.get(key) {
        return value.clone();
    }
    let value = match graph.get(key).unwrap_or_else(|| panic!("{key} is not there")) {
        Task::Value(value) => value,
        Task::Alias(target) => evaluate(graph, &target, memo),
        Task::Call { func, inputs, block } => {
            let values: Vec<Value> = inputs
                .iter()
                .map(|input| match input {
                    Input::Value(value) => value.clone(),
                    Input::Key(key) => evaluate(graph, key, memo),
                })
                .collect();
            func.call(&Inputs::new(&values.iter().collect::<Vec<_>>(), block)).unwrap()
        }
    };
    memo.insert(key.clone(), value.clone());
    value
}

pub(super) fn integers(graph: &Graph, keys: &[Key]) -> Vec<i64> {
    let mut memo = BTreeMap::new();
    keys.iter().map(|key| *evaluate(graph, key, &mut memo).get::<i64>().unwrap()).collect()
}

/// The keys that `keys` stand on, themselves included.
pub(super) fn ancestors(graph: &Graph, keys: &[Key]) -> BTreeSet<Key> {
    let mut found = BTreeSet::new();
    let mut stack = keys.to_vec();
    while let Some(key) = stack.pop() {
        if found.insert(key.clone()) {
            stack.extend(graph.get(&key).unwrap().dependencies().cloned());
        }
    }
    found
}

/// A function whose result tells its inputs, their order and its block.
pub(super) fn mix() -> Func {
    Func::erased::<Graph, _>(|inputs: &Inputs<'_>| {
        let mut sum = i64::from(inputs.block()) + 1;
        for i in 0..inputs.len() {
            sum = sum.wrapping_mul(31).wrapping_add(*inputs.get::<i64>(i)?);
        }
        Ok(Value::new(sum))
    })
}

/// A graph, and the keys wanted of it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) graph: Graph,
    pub(super) wanted: Vec<Key>,
}

/// Up to 8 layers, each reading those before it: by name, by number, or as grids of rank 0 to 2.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    let layer = (0u32..6, 1u32..6, prop::collection::vec(any::<u32>(), 24));
    (prop::collection::vec(layer, 1..8), prop::collection::vec(any::<prop::sample::Index>(), 1..4)).prop_map(|(layers, wanted)| {
        let mut graph = Graph::new();
        for (number, (kind, size, picks)) in layers.into_iter().enumerate() {
            add_layer(&mut graph, number, kind, size, &picks);
        }
        let keys: Vec<Key> = graph.keys().collect();
        let wanted = wanted.iter().map(|index| index.get(&keys).clone()).collect();
        Case { graph, wanted }
    })
}

fn add_layer(graph: &mut Graph, number: usize, kind: u32, size: u32, picks: &[u32]) {
    let name = Name::new(format!("layer{number}"));
    let before: Vec<Key> = graph.keys().collect();
    let mut picks = picks.iter().cycle().copied();
    let mut pick = move |n: usize| picks.next().unwrap() as usize % n;
    let grid = &[size, 2][..pick(3)];
    let n_blocks = grid.iter().product::<u32>();
    if kind == 0 || before.is_empty() {
        let values = (0..i64::from(n_blocks)).map(|i| Value::new(i * 100 + number as i64)).collect();
        graph.insert_layer(Layer::values(name, grid, values));
    } else if kind <= 2 {
        // Inserted by hand, from the last block to the first.
        for i in (0..size).rev() {
            let (x, y) = (before[pick(before.len())].clone(), before[pick(before.len())].clone());
            let task = match pick(6) {
                0 => value(i64::from(i)),
                1 => alias(x),
                2 => task(|x: &i64| x.wrapping_mul(3), (x,)),
                3 => task(|x: i64, y: &i64| x.wrapping_sub(*y), (x, y)),
                4 => Task::call(mix(), [Input::Key(x), Input::Value(Value::new(7i64)), Input::Key(y)]),
                _ => Task::call(mix(), (0..pick(6)).map(|_| Input::Key(before[pick(before.len())].clone()))),
            };
            graph.insert((&name, i), task);
        }
    } else {
        // A grid, whose blocks read blocks of one layer before it at their own place, or of any at any place.
        let mut layer = GridBuilder::new(name.clone(), grid);
        let funcs = [layer.func(mix()), layer.func(mix())];
        let below = graph.layers().nth(pick(graph.layers().len())).unwrap();
        let mut numbers = BTreeMap::new();
        for block in 0..n_blocks {
            let n_inputs = if kind == 3 { 1 } else { pick(4) };
            let inputs: Vec<(u32, u32)> = (0..n_inputs)
                .map(|_| {
                    let other = if kind == 5 { graph.layers().nth(pick(graph.layers().len())).unwrap() } else { below };
                    let number = *numbers.entry(other.name().clone()).or_insert_with(|| layer.depends_on(other.name().clone()));
                    let flat = if kind == 3 { block as usize % other.len() } else { pick(other.len()) };
                    (number, flat as u32)
                })
                .collect();
            layer.call(funcs[pick(2)], inputs);
        }
        graph.insert_layer(layer.build());
    }
}
