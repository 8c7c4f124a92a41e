//! The graphs of the benches: shapes of tasks that do next to nothing, and blocks that want to die young.
//!
//! ```text
//!     independent    tree         chain        stencil
//!      o o o o      o o o o       o─o─o─o      o o o o
//!                    \| |/                     │╳│╳│╳│
//!                     o o                      o o o o
//!                      o
//! ```

use arras_core::{Delayed, Func, Graph, GridBuilder, Input, Inputs, Key, Name, Task, Value, task_of_many};

/// A graph, and the keys that are wanted of it.
pub type Wanted = (Graph, Vec<Key>);

/// One of the shapes and its size.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// [`independent`] of this many tasks.
    Independent(u32),
    /// [`tree`] of this many levels.
    Tree(u32),
    /// [`chain`] of this length.
    Chain(u32),
    /// [`stencil`] of this width and this many steps.
    Stencil(u32, u32),
    /// [`hand_built_tree`] of this many levels.
    HandBuiltTree(u32),
}

impl Shape {
    /// The graph. Work: proportional to its tasks.
    pub fn build(self) -> Wanted {
        match self {
            Shape::Independent(n) => independent(n),
            Shape::Tree(levels) => tree(levels),
            Shape::Chain(length) => chain(length),
            Shape::Stencil(width, steps) => stencil(width, steps),
            Shape::HandBuiltTree(levels) => hand_built_tree(levels),
        }
    }

    /// How many tasks the graph has.
    pub fn n_tasks(self) -> u32 {
        match self {
            Shape::Independent(n) | Shape::Chain(n) => n,
            Shape::Tree(levels) | Shape::HandBuiltTree(levels) => (1 << (levels + 1)) - 1,
            Shape::Stencil(width, steps) => width * steps,
        }
    }
}

/// A task that hands on a counter: the least that a task can do.
fn no_op() -> Func {
    Func::erased::<Graph, _>(|inputs: &Inputs<'_>| Ok(Value::new(u64::from(inputs.block()))))
}

/// Tasks that know nothing of each other, all wanted.
pub fn independent(n: u32) -> Wanted {
    let name = Name::new("independent");
    let mut layer = GridBuilder::new(name.clone(), &[n]);
    let func = layer.func(no_op());
    for _ in 0..n {
        layer.call(func, []);
    }
    let mut graph = Graph::new();
    graph.insert_layer(layer.build());
    (graph, (0..n).map(|i| Key::from((&name, i))).collect())
}

/// A binary tree over `2^levels` leaves: `2^(levels + 1) - 1` tasks.
pub fn tree(levels: u32) -> Wanted {
    let mut graph = Graph::new();
    let name = |level: u32| Name::new(format!("level{level}"));
    for level in 0..=levels {
        let width = 1 << (levels - level);
        let mut layer = GridBuilder::new(name(level), &[width]);
        let func = layer.func(no_op());
        if level == 0 {
            (0..width).for_each(|_| layer.call(func, []));
        } else {
            let below = layer.depends_on(name(level - 1));
            layer.reserve_inputs(2 * width as usize);
            (0..width).for_each(|x| layer.call(func, [(below, 2 * x), (below, 2 * x + 1)]));
        }
        graph.insert_layer(layer.build());
    }
    (graph, vec![Key::from((&name(levels), 0))])
}

/// One task after another.
pub fn chain(length: u32) -> Wanted {
    let name = Name::new("chain");
    let mut layer = GridBuilder::new(name.clone(), &[length]);
    let func = layer.func(no_op());
    let before = layer.depends_on(name.clone());
    layer.call(func, []);
    for i in 1..length {
        layer.call(func, [(before, i - 1)]);
    }
    let mut graph = Graph::new();
    graph.insert_layer(layer.build());
    (graph, vec![Key::from((&name, length - 1))])
}

/// `steps` rows of `width` cells, each reading its neighbours in the row before; the last row is wanted.
pub fn stencil(width: u32, steps: u32) -> Wanted {
    let mut graph = Graph::new();
    let name = |t: u32| Name::new(format!("row{t}"));
    for t in 0..steps {
        let mut row = GridBuilder::new(name(t), &[width]);
        let func = row.func(no_op());
        let before = (t > 0).then(|| row.depends_on(name(t - 1)));
        for x in 0..width {
            match before {
                None => row.call(func, []),
                Some(b) => row.call(func, (x.saturating_sub(1)..=(x + 1).min(width - 1)).map(|i| (b, i))),
            }
        }
        graph.insert_layer(row.build());
    }
    (graph, (0..width).map(|x| Key::from((&name(steps - 1), x))).collect())
}

/// The binary tree, inserted task by task under keys such as `("t", 5)`, as a person would.
pub fn hand_built_tree(levels: u32) -> Wanted {
    let name = Name::new("t");
    let mut graph = Graph::new();
    let func = no_op();
    let n = (1u32 << (levels + 1)) - 1;
    // A heap: task i reads 2 i + 1 and 2 i + 2.
    for i in (0..n).rev() {
        let inputs = [2 * i + 1, 2 * i + 2].into_iter().filter(|&child| child < n);
        graph.insert((&name, i), Task::call(func.clone(), inputs.map(|child| Input::Key(Key::from((&name, child))))));
    }
    (graph, vec![Key::from((&name, 0))])
}

/// `load → add → sum` over blocks of `block_nbytes` bytes, and the sum of the sums: `3 n_blocks + 1` tasks.
pub fn map_map_sum(n_blocks: u32, block_nbytes: usize) -> Delayed<u64> {
    let mut graph = Graph::new();
    let mut load = GridBuilder::new(Name::new("load"), &[n_blocks]);
    let func = load.func(Func::erased::<Graph, _>(move |inputs: &Inputs<'_>| Ok(Value::new(vec![inputs.block() as u8; block_nbytes]))));
    (0..n_blocks).for_each(|_| load.call(func, []));
    graph.insert_layer(load.build());
    let add = Func::new(|block: &Vec<u8>| block.iter().map(|x| x.wrapping_add(1)).collect::<Vec<u8>>());
    let sum = Func::new(|block: &Vec<u8>| block.iter().map(|&x| u64::from(x)).sum::<u64>());
    for (name, before, func) in [("add", "load", add), ("sum", "add", sum)] {
        let mut layer = GridBuilder::new(Name::new(name), &[n_blocks]);
        let func = layer.func(func);
        let before = layer.depends_on(Name::new(before));
        (0..n_blocks).for_each(|i| layer.call(func, [(before, i)]));
        graph.insert_layer(layer.build());
    }
    graph.insert("total", task_of_many(|sums: &[&u64]| sums.iter().copied().sum::<u64>(), (0..n_blocks).map(|i| ("sum", i))));
    Delayed::from_graph(graph, "total")
}
