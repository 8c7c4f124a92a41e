//! The numbers by which a layer's tasks refer to the layers that they read.

use arras_core::{GridBuilder, Name};
use rustc_hash::FxHashMap;

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
