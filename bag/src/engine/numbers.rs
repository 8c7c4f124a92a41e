//! The numbers by which a layer's tasks refer to the layers that they read.

use arras_core::{Func, Graph, GridBuilder, Name};
use rustc_hash::FxHashMap;

use crate::bag::Place;

/// Declares each layer once, however often its values are read.
#[derive(Default)]
pub(crate) struct Numbers {
    last: Option<(Name, u32)>,
    all: FxHashMap<Name, u32>,
}

impl Numbers {
    /// The number of a layer.
    pub(crate) fn of(&mut self, builder: &mut GridBuilder, name: &Name) -> u32 {
        if let Some((last, number)) = &self.last
            && last == name
        {
            return *number;
        }
        let number = *self.all.entry(name.clone()).or_insert_with(|| builder.depends_on(name.clone()));
        self.last = Some((name.clone(), number));
        number
    }
}

/// Adds a layer of calls of one function, a task a list of what it reads.
pub(crate) fn add_layer(graph: &mut Graph, name: Name, func: Func, lists: &[impl AsRef<[Place]>]) {
    let mut builder = GridBuilder::new(name, &[lists.len() as u32]);
    let func = builder.func(func);
    let mut numbers = Numbers::default();
    for list in lists {
        let inputs: Vec<(u32, u32)> = list.as_ref().iter().map(|(name, i)| (numbers.of(&mut builder, name), *i)).collect();
        builder.call(func, inputs);
    }
    graph.insert_layer(builder.build());
}
