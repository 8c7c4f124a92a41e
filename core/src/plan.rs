//! Plans: graphs frozen for a run. Tasks are dense ids, and an id is a rank: running 0, 1, 2, … is the order of [`crate::order`].
//!
//! ```text
//!     id            0        1        2        3        4
//!     inputs        –        0        –        2        1 3            flat vectors: offsets and ids
//!     readers       1        4        3        4        –
//! ```
//! Values that are already there and aliases are no tasks of a plan: their readers refer to the value, or to what the alias stands for.

use std::sync::Arc;

use crate::error::{BoxError, Error, Result};
use crate::flat::{Flat, LITERAL};
use crate::func::{Func, Inputs};
use crate::graph::Graph;
use crate::key::{Key, Name};
use crate::layer::Layer;
use crate::order::order;
use crate::task::Task;
use crate::value::Value;

use smallvec::SmallVec;

/// Where a task's input, or a wanted value, comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The task of this id.
    Task(u32),
    /// A value that was there before the run: [`Plan::constant`].
    Constant(u32),
}

/// The packed form of a [`Source`]: the top bit says constant.
pub(crate) const CONSTANT: u32 = LITERAL;

impl Source {
    pub(crate) fn unpack(packed: u32) -> Source {
        if packed & CONSTANT == 0 { Source::Task(packed) } else { Source::Constant(packed & !CONSTANT) }
    }
}

/// A graph frozen for a run: what a scheduler drives.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub(crate) graph: Graph,
    /// The layer and the place in it of each task's key; nothing for a sub-plan, whose tasks have numbers only.
    pub(crate) origins: Vec<(u32, u32)>,
    pub(crate) funcs: Vec<Func>,
    /// Which function each task calls, and the block it tells it.
    pub(crate) calls: Vec<(u32, u32)>,
    pub(crate) constants: Vec<Value>,
    pub(crate) input_offsets: Vec<u32>,
    pub(crate) inputs: Vec<u32>,
    pub(crate) reader_offsets: Vec<u32>,
    pub(crate) readers: Vec<u32>,
    pub(crate) roots: Vec<u32>,
    pub(crate) outputs: Vec<u32>,
}

impl Plan {
    /// Freezes what `keys` need of a graph; what they do not need may be missing or a cycle. Work: one look-up a hand-built key, some tens of nanoseconds a task besides.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::Cycle`], [`Error::TooManyTasks`].
    pub fn new(graph: &Graph, keys: &[Key]) -> Result<Plan> {
        let flat = Flat::new(graph)?;
        let wanted = flat.wanted(keys)?;
        let edges = flat.open_edges()?;
        let order = order(&flat, &edges, &wanted)?;

        // What the readers of each task refer to, packed. Inputs come before their readers, so an alias finds its target done.
        let mut refer = vec![u32::MAX; flat.len()];
        let mut constants: Vec<Value> = edges.literals.iter().map(|&value| value.clone()).collect();
        let mut plan = Plan {
            graph: graph.clone(),
            origins: Vec::with_capacity(order.len()),
            calls: Vec::with_capacity(order.len()),
            input_offsets: Vec::with_capacity(order.len() + 1),
            inputs: Vec::with_capacity(order.len()),
            ..Plan::default()
        };
        plan.input_offsets.push(0);
        // The functions of each grid layer are taken once; the last hand-built one is remembered.
        let mut func_bases: Vec<Option<u32>> = vec![None; graph.layers().len()];
        let mut place = Place::new(&flat);
        for &id in &order {
            let (layer_number, position) = place.of(id);
            let layer: &Layer = graph.layer_at(layer_number);
            if let Some(value) = layer.value_at(position) {
                refer[id as usize] = CONSTANT | constants.len() as u32;
                constants.push(value.clone());
                continue;
            }
            let (func, block) = match layer {
                Layer::Grid(grid) => {
                    let crate::layer::Rows::Calls(calls) = &grid.rows else { unreachable!("values were taken above") };
                    let base = *func_bases[layer_number].get_or_insert_with(|| {
                        plan.funcs.extend(calls.funcs.iter().cloned());
                        (plan.funcs.len() - calls.funcs.len()) as u32
                    });
                    (base + calls.func_of(position), grid.flat_at(position))
                }
                Layer::Table(table) => match &table.entries[position as usize].1 {
                    Task::Call { func, block, .. } => {
                        if !plan.funcs.last().is_some_and(|last| last.same(func)) {
                            plan.funcs.push(func.clone());
                        }
                        (plan.funcs.len() as u32 - 1, *block)
                    }
                    Task::Alias(_) => {
                        let target = edges.of(id)[0];
                        refer[id as usize] = refer[target as usize];
                        continue;
                    }
                    Task::Value(_) => unreachable!("values were taken above"),
                },
            };
            let rank = plan.calls.len() as u32;
            refer[id as usize] = rank;
            plan.calls.push((func, block));
            plan.origins.push((layer_number as u32, position));
            let mut is_root = true;
            for &input in edges.of(id) {
                // A literal's index is that of its constant.
                let packed = if input & LITERAL == 0 { refer[input as usize] } else { input };
                is_root &= packed & CONSTANT != 0;
                plan.inputs.push(packed);
            }
            if is_root {
                plan.roots.push(rank);
            }
            plan.input_offsets.push(plan.inputs.len() as u32);
        }
        plan.constants = constants;
        plan.outputs = wanted.iter().map(|&id| refer[id as usize]).collect();
        plan.find_readers();
        Ok(plan)
    }

    pub(crate) fn find_readers(&mut self) {
        let n = self.len();
        let mut offsets = vec![0u32; n + 1];
        for &input in self.inputs.iter().filter(|&&input| input & CONSTANT == 0) {
            offsets[input as usize + 1] += 1;
        }
        for i in 0..n {
            offsets[i + 1] += offsets[i];
        }
        let mut readers = vec![0u32; offsets[n] as usize];
        // Filled from the back, each offset moves down to where its readers start, in ascending order.
        for id in (0..n as u32).rev() {
            for &input in self.inputs_of(id).iter().rev().filter(|&&input| input & CONSTANT == 0) {
                let end = &mut offsets[input as usize + 1];
                *end -= 1;
                readers[*end as usize] = id;
            }
        }
        // Now offsets[i + 1] is where the readers of i start.
        offsets.remove(0);
        offsets.push(readers.len() as u32);
        self.reader_offsets = offsets;
        self.readers = readers;
    }

    pub(crate) fn inputs_of(&self, id: u32) -> &[u32] {
        &self.inputs[self.input_offsets[id as usize] as usize..self.input_offsets[id as usize + 1] as usize]
    }

    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether everything that is wanted was there before the run.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// What a task reads, in the order of its function's parameters.
    pub fn inputs(&self, id: u32) -> impl ExactSizeIterator<Item = Source> + '_ {
        self.inputs_of(id).iter().map(|&packed| Source::unpack(packed))
    }

    /// The tasks that a task reads, once for each time it reads them.
    pub fn task_inputs(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        self.inputs_of(id).iter().copied().filter(|packed| packed & CONSTANT == 0)
    }

    /// The tasks that read a task, ascending, once for each time they read it.
    pub fn readers(&self, id: u32) -> &[u32] {
        &self.readers[self.reader_offsets[id as usize] as usize..self.reader_offsets[id as usize + 1] as usize]
    }

    /// The tasks that read no other, ascending.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// Where the wanted values come from, in the order of the keys that were asked for.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = Source> + '_ {
        self.outputs.iter().map(|&packed| Source::unpack(packed))
    }

    /// A value that was there before the run.
    pub fn constant(&self, index: u32) -> &Value {
        &self.constants[index as usize]
    }

    /// The function that a task calls.
    pub fn func(&self, id: u32) -> &Func {
        &self.funcs[self.calls[id as usize].0 as usize]
    }

    /// The position of a task in its layer, as its function is told.
    pub fn block(&self, id: u32) -> u32 {
        self.calls[id as usize].1
    }

    /// The key of a task; in a sub-plan, which holds no keys, `("task", id)`.
    pub fn key(&self, id: u32) -> Key {
        match self.origins.get(id as usize) {
            Some(&(layer, position)) => self.graph.layer_at(layer as usize).key_at(position),
            None => Key::from(("task", id)),
        }
    }

    /// The name of a task's layer, by reference: what [`key`](Plan::key) starts with. None in a sub-plan.
    pub fn layer_name(&self, id: u32) -> Option<&Name> {
        let &(layer, _) = self.origins.get(id as usize)?;
        Some(self.graph.layer_at(layer as usize).name())
    }

    /// The size in bytes of a task's value, where its collection stated it.
    pub fn nbytes(&self, id: u32) -> Option<u64> {
        let &(layer, position) = self.origins.get(id as usize)?;
        self.graph.layer_at(layer as usize).nbytes_at(position)
    }

    /// The number of values that were there before the run.
    pub fn n_constants(&self) -> u32 {
        self.constants.len() as u32
    }

    /// The plan with all values here: those that live in an engine are fetched. The same plan, if there are none.
    ///
    /// # Errors
    /// What the engine says.
    pub fn localised(self: &Arc<Plan>) -> Result<Arc<Plan>> {
        if self.constants.iter().all(|value| value.as_remote().is_none()) {
            return Ok(Arc::clone(self));
        }
        let mut plan = Plan::clone(self);
        for value in &mut plan.constants {
            if let Some(remote) = value.as_remote() {
                *value = remote.fetch()?;
            }
        }
        Ok(Arc::new(plan))
    }

    /// Runs a task on values that `lookup` finds by task id.
    ///
    /// # Errors
    /// What the function returns. Panics are not caught here.
    #[inline]
    pub fn call<'v>(&'v self, id: u32, lookup: impl FnMut(u32) -> &'v Value) -> Result<Value, BoxError> {
        self.call_with(id, lookup, |_| false)
    }

    /// As [`call`](Plan::call), telling the function which of its inputs nobody will read after it: `is_last` says so by task id. Values that were there before the run stay.
    ///
    /// # Errors
    /// What the function returns. Panics are not caught here.
    #[inline]
    pub fn call_with<'v>(
        &'v self,
        id: u32,
        mut lookup: impl FnMut(u32) -> &'v Value,
        is_last: impl Fn(u32) -> bool + Sync,
    ) -> Result<Value, BoxError> {
        let (func, block) = self.calls[id as usize];
        let values: SmallVec<[&Value; 8]> = self
            .inputs_of(id)
            .iter()
            .map(|&packed| if packed & CONSTANT == 0 { lookup(packed) } else { &self.constants[(packed & !CONSTANT) as usize] })
            .collect();
        let is_last = |i: usize| self.inputs_of(id).get(i).is_some_and(|&packed| packed & CONSTANT == 0 && is_last(packed));
        self.funcs[func as usize].call(&Inputs::new(&values, block).with_last(&is_last))
    }

    /// Tells all functions that the run has failed: see [`Kernel::abandoned`](crate::Kernel::abandoned). For what starts runs.
    pub fn abandoned(&self) {
        self.funcs.iter().for_each(Func::abandoned);
    }

    /// The error of a task, with its key and function.
    pub fn failure(&self, id: u32, source: BoxError) -> Error {
        Error::Task { key: self.key(id), func: self.func(id).name().into_owned(), source: Arc::from(source) }
    }

    /// Checks that every function and constant can travel to another process.
    ///
    /// # Errors
    /// [`Error::NotPortable`] for the first that cannot.
    pub fn check_portable(&self) -> Result<()> {
        // Most tasks of a layer share a function, so each is asked once.
        let mut asked = vec![false; self.funcs.len()];
        for id in 0..self.len() as u32 {
            let func = self.calls[id as usize].0 as usize;
            if !std::mem::replace(&mut asked[func], true)
                && let Err(why) = self.funcs[func].portability()
            {
                return Err(Error::NotPortable { key: self.key(id), function: self.funcs[func].name().into_owned(), why });
            }
            for input in self.inputs(id) {
                if let Source::Constant(index) = input
                    && !self.constant(index).is_portable()
                    && self.constant(index).as_remote().is_none()
                {
                    let value = self.constant(index);
                    let why = "it has no serde derives, or is held in Opaque".to_owned();
                    return Err(Error::NotPortable { key: self.key(id), function: value.type_name().to_owned(), why });
                }
            }
        }
        Ok(())
    }

    /// Bytes that the plan itself holds, the functions' environments and the constants aside.
    pub fn overhead_nbytes(&self) -> usize {
        size_of_val(&self.origins[..])
            + size_of_val(&self.calls[..])
            + size_of_val(&self.inputs[..])
            + size_of_val(&self.input_offsets[..])
            + size_of_val(&self.readers[..])
            + size_of_val(&self.reader_offsets[..])
            + size_of_val(&self.roots[..])
            + size_of_val(&self.outputs[..])
            + size_of_val(&self.constants[..])
            + size_of_val(&self.funcs[..])
    }
}

/// Finds the layer of a task, remembering the last one: neighbours in the order are often of one layer.
struct Place<'f, 'g> {
    flat: &'f Flat<'g>,
    layer: usize,
    range: std::ops::Range<u32>,
}

impl<'f, 'g> Place<'f, 'g> {
    fn new(flat: &'f Flat<'g>) -> Self {
        Place { flat, layer: 0, range: 0..0 }
    }
    fn of(&mut self, id: u32) -> (usize, u32) {
        if !self.range.contains(&id) {
            self.layer = self.flat.place(id).0;
            self.range = self.flat.range(self.layer);
        }
        (self.layer, id - self.range.start)
    }
}
