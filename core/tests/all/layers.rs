//! Small grid layers that tests share.

use arras_core::{Func, Graph, GridBuilder, Layer, Name, Value};

/// A layer of numbers: block `i` is `10 i`.
pub(super) fn numbers(name: &str, grid: &[u32]) -> Layer {
    let n = grid.iter().product::<u32>();
    Layer::values(Name::new(name), grid, (0..n).map(|i| Value::new(i64::from(i) * 10)).collect())
}

/// A layer that adds 1 to each block of another.
pub(super) fn plus_one(name: &str, of: &str, grid: &[u32]) -> Layer {
    let mut layer = GridBuilder::new(Name::new(name), grid);
    let below = layer.depends_on(Name::new(of));
    let func = layer.func(Func::new(|x: &i64| x + 1));
    (0..grid.iter().product()).for_each(|i| layer.call(func, [(below, i)]));
    layer.build()
}

/// `numbers` as "x", and `plus_one` of them as "y".
pub(super) fn grids(grid: &[u32]) -> Graph {
    let mut graph = Graph::new();
    graph.insert_layer(numbers("x", grid));
    graph.insert_layer(plus_one("y", "x", grid));
    graph
}
