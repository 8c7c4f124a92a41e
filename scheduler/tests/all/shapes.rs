//! Graphs that benches and tests share: independent tasks, a tree, a chain, a stencil.

use arras_core::{Func, Graph, GridBuilder, Inputs, Key, Name, Value};

/// A task that adds up its inputs and its own position.
pub(super) fn sum_func() -> Func {
    Func::erased::<Graph, _>(|inputs: &Inputs<'_>| {
        let mut sum = u64::from(inputs.block());
        for i in 0..inputs.len() {
            sum = sum.wrapping_add(*inputs.get::<u64>(i)?);
        }
        Ok(Value::new(sum))
    })
}

/// `steps` rows of `width` cells, each reading its neighbours in the row before; the last row is wanted.
pub(super) fn stencil(width: u32, steps: u32) -> (Graph, Vec<Key>) {
    let mut graph = Graph::new();
    let name = |t: u32| Name::new(format!("row{t}"));
    for t in 0..steps {
        let mut row = GridBuilder::new(name(t), &[width]);
        let func = row.func(sum_func());
        let before = (t > 0).then(|| row.depends_on(name(t - 1)));
        for x in 0..width {
            let inputs = before.into_iter().flat_map(|b| (x.saturating_sub(1)..=(x + 1).min(width - 1)).map(move |i| (b, i)));
            row.call(func, inputs);
        }
        graph.insert_layer(row.build());
    }
    let keys = (0..width).map(|x| Key::from((&name(steps - 1), x))).collect();
    (graph, keys)
}

/// A binary tree over `2^levels` leaves.
pub(super) fn tree(levels: u32) -> (Graph, Vec<Key>) {
    let mut graph = Graph::new();
    let name = |level: u32| Name::new(format!("level{level}"));
    for level in 0..=levels {
        let width = 1 << (levels - level);
        let mut layer = GridBuilder::new(name(level), &[width]);
        let func = layer.func(sum_func());
        let below = (level > 0).then(|| layer.depends_on(name(level - 1)));
        for x in 0..width {
            layer.call(func, below.into_iter().flat_map(|b| [(b, 2 * x), (b, 2 * x + 1)]));
        }
        graph.insert_layer(layer.build());
    }
    (graph, vec![Key::from((&name(levels), 0))])
}

/// One task after another.
pub(super) fn chain(length: u32) -> (Graph, Vec<Key>) {
    let name = Name::new("chain");
    let mut layer = GridBuilder::new(name.clone(), &[length]);
    let func = layer.func(sum_func());
    let before = layer.depends_on(name.clone());
    for i in 0..length {
        layer.call(func, (i > 0).then(|| (before, i - 1)));
    }
    let mut graph = Graph::new();
    graph.insert_layer(layer.build());
    (graph, vec![Key::from((&name, length - 1))])
}

/// Tasks that know nothing of each other, all wanted.
pub(super) fn independent(n: u32) -> (Graph, Vec<Key>) {
    let name = Name::new("independent");
    let mut layer = GridBuilder::new(name.clone(), &[n]);
    let func = layer.func(sum_func());
    for _ in 0..n {
        layer.call(func, []);
    }
    let mut graph = Graph::new();
    graph.insert_layer(layer.build());
    (graph, (0..n).map(|i| Key::from((&name, i))).collect())
}
