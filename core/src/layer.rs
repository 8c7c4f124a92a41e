//! Layers: the tasks that share a name.
//!
//! ```text
//!     GridLayer    "add-9f2c…"  grid (4, 3)          a collection's: the position of a task is computed from its index,
//!                                                    inputs are pairs of u32 (which layer, which position); 21 ns a task to build
//!     TableLayer   "x"  {(0), (7), …}                inserted by hand: any indices, inputs by key
//! ```
//! Both are a keyed map from block index to [`Task`]; a grid layer makes its tasks when they are asked for.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::func::Func;
use crate::key::{BlockIndex, Key, Name};
use crate::task::{Input, Task};
use crate::value::Value;

/// The tasks that share a name: a keyed map from block index to task.
#[derive(Debug, Clone)]
pub enum Layer {
    /// A collection's dense layer.
    Grid(GridLayer),
    /// A hand-built layer.
    Table(TableLayer),
}

impl Layer {
    /// The name that the keys of its tasks share.
    pub fn name(&self) -> &Name {
        match self {
            Layer::Grid(layer) => &layer.name,
            Layer::Table(layer) => &layer.name,
        }
    }

    /// The number of its tasks.
    pub fn len(&self) -> usize {
        match self {
            Layer::Grid(layer) => layer.len(),
            Layer::Table(layer) => layer.entries.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it holds values that are there, and no calls.
    pub fn is_values(&self) -> bool {
        match self {
            Layer::Grid(layer) => matches!(layer.rows, Rows::Values(_)),
            Layer::Table(layer) => layer.entries.iter().all(|(_, task)| matches!(task, Task::Value(_))),
        }
    }

    /// The place of a task in the layer's own order, by its block index.
    pub(crate) fn position(&self, index: &[u32]) -> Option<u32> {
        match self {
            Layer::Grid(layer) => layer.flat(index).and_then(|flat| layer.position_of_flat(flat)),
            Layer::Table(layer) => layer.position(index),
        }
    }

    /// The block index of the task at a place.
    pub(crate) fn index_at(&self, position: u32) -> BlockIndex {
        match self {
            Layer::Grid(layer) => layer.index_of_flat(layer.flat_at(position)),
            Layer::Table(layer) => layer.entries[position as usize].0.clone(),
        }
    }

    pub(crate) fn key_at(&self, position: u32) -> Key {
        Key::new(self.name().clone(), self.index_at(position))
    }

    /// The place of the task that another layer refers to by its flat position in this layer's grid.
    pub(crate) fn position_of_flat(&self, flat: u32) -> Option<u32> {
        match self {
            Layer::Grid(layer) => layer.position_of_flat(flat),
            Layer::Table(layer) => layer.position(&layer.index_of_flat(flat)),
        }
    }

    /// The block index that a flat position stands for.
    fn index_of_flat(&self, flat: u32) -> BlockIndex {
        match self {
            Layer::Grid(layer) => layer.index_of_flat(flat),
            Layer::Table(layer) => layer.index_of_flat(flat),
        }
    }

    /// The task at a place. `layer_of` finds the layers that it reads, to spell out their block indices.
    pub(crate) fn task_at<'g>(&self, position: u32, layer_of: impl Fn(&Name) -> Option<&'g Layer>) -> Task {
        match self {
            Layer::Table(layer) => layer.entries[position as usize].1.clone(),
            Layer::Grid(layer) => match &layer.rows {
                Rows::Values(values) => Task::Value(values[position as usize].clone()),
                Rows::Calls(calls) => Task::Call {
                    func: calls.funcs[calls.func_of(position) as usize].clone(),
                    inputs: calls
                        .inputs_of(position)
                        .iter()
                        .map(|r| {
                            let name = &layer.dependencies[r.dependency as usize];
                            let index = layer_of(name).map_or_else(|| SmallVec::from_slice(&[r.flat]), |layer| layer.index_of_flat(r.flat));
                            Input::Key(Key::new(name.clone(), index))
                        })
                        .collect(),
                    block: layer.flat_at(position),
                },
            },
        }
    }

    /// The function of the task at a place, if it calls one.
    pub(crate) fn func_at(&self, position: u32) -> Option<&Func> {
        match self {
            Layer::Grid(layer) => match &layer.rows {
                Rows::Values(_) => None,
                Rows::Calls(calls) => Some(&calls.funcs[calls.func_of(position) as usize]),
            },
            Layer::Table(layer) => match &layer.entries[position as usize].1 {
                Task::Call { func, .. } => Some(func),
                _ => None,
            },
        }
    }

    /// The value of the task at a place, if it holds one.
    pub(crate) fn value_at(&self, position: u32) -> Option<&Value> {
        match self {
            Layer::Grid(layer) => match &layer.rows {
                Rows::Values(values) => Some(&values[position as usize]),
                Rows::Calls(_) => None,
            },
            Layer::Table(layer) => match &layer.entries[position as usize].1 {
                Task::Value(value) => Some(value),
                _ => None,
            },
        }
    }

    /// The names of the layers that its tasks read, each once, in order of first mention.
    pub fn dependencies(&self) -> Vec<Name> {
        let mut names: indexmap::IndexSet<Name, rustc_hash::FxBuildHasher> = Default::default();
        match self {
            Layer::Grid(layer) => names.extend(layer.dependencies.iter().cloned()),
            Layer::Table(layer) => {
                for (_, task) in &layer.entries {
                    names.extend(task.dependencies().map(|key| key.name().clone()));
                }
            }
        }
        names.into_iter().collect()
    }

    /// The estimated size in bytes of the value of the task at a place, where known.
    pub(crate) fn nbytes_at(&self, position: u32) -> Option<u64> {
        match self {
            Layer::Grid(layer) => layer.nbytes.of(|| layer.flat_at(position)),
            Layer::Table(layer) => {
                let flat = ravel(&layer.entries[position as usize].0, layer.grid.as_ref()?)?;
                layer.nbytes.of(|| flat)
            }
        }
    }

    /// No tasks yet, under the same name and open to the same references by flat position.
    pub(crate) fn emptied(&self) -> TableLayer {
        let (grid, nbytes) = match self {
            Layer::Grid(layer) => (Some(layer.grid.clone()), layer.nbytes.clone()),
            Layer::Table(layer) => (layer.grid.clone(), layer.nbytes.clone()),
        };
        TableLayer { grid, nbytes, ..TableLayer::new(self.name().clone()) }
    }

    /// The same tasks as a layer that can be edited.
    pub(crate) fn to_table<'g>(&self, layer_of: impl Fn(&Name) -> Option<&'g Layer>) -> TableLayer {
        match self {
            Layer::Grid(layer) => {
                let mut table = self.emptied();
                for position in 0..layer.len() as u32 {
                    table.insert(self.index_at(position), self.task_at(position, &layer_of));
                }
                table
            }
            Layer::Table(layer) => layer.clone(),
        }
    }

    /// The layer with only the tasks at these places, which are in ascending order.
    pub(crate) fn select(&self, positions: &[u32]) -> Layer {
        match self {
            Layer::Grid(layer) => Layer::Grid(layer.select(positions)),
            Layer::Table(layer) => {
                let mut table = self.emptied();
                for &position in positions {
                    let (index, task) = layer.entries[position as usize].clone();
                    table.insert(index, task);
                }
                Layer::Table(table)
            }
        }
    }
}

/// Sizes in bytes of the values of a layer's tasks, where a collection knows them before the run.
#[derive(Debug, Clone, Default)]
pub enum Sizes {
    /// Nothing is known.
    #[default]
    Unknown,
    /// All have this size.
    Uniform(u64),
    /// One size a block, in row-major order of the grid.
    Each(std::sync::Arc<[u64]>),
}

impl Sizes {
    fn of(&self, flat: impl FnOnce() -> u32) -> Option<u64> {
        match self {
            Sizes::Unknown => None,
            Sizes::Uniform(size) => Some(*size),
            Sizes::Each(sizes) => sizes.get(flat() as usize).copied(),
        }
    }
}

/// A reference to a task of another layer: which of the layer's dependencies, and the flat position in its grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ref {
    pub(crate) dependency: u32,
    pub(crate) flat: u32,
}

/// A layer over a grid of blocks. Built by [`GridBuilder`].
#[derive(Debug, Clone)]
pub struct GridLayer {
    pub(crate) name: Name,
    pub(crate) grid: SmallVec<[u32; 4]>,
    /// The flat positions that are left after culling, ascending; none if all are.
    pub(crate) kept: Option<Vec<u32>>,
    pub(crate) dependencies: Vec<Name>,
    pub(crate) rows: Rows,
    pub(crate) nbytes: Sizes,
}

/// The tasks of a grid layer: all values or all calls.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    Values(Vec<Value>),
    Calls(Calls),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    pub(crate) funcs: Vec<Func>,
    /// Which function each task calls; empty if all call the first.
    pub(crate) func_of: Vec<u32>,
    /// Where each task's inputs start, and the end of the last.
    pub(crate) offsets: Vec<u32>,
    pub(crate) inputs: Vec<Ref>,
}

impl Calls {
    pub(crate) fn func_of(&self, position: u32) -> u32 {
        self.func_of.get(position as usize).copied().unwrap_or(0)
    }
    pub(crate) fn inputs_of(&self, position: u32) -> &[Ref] {
        &self.inputs[self.offsets[position as usize] as usize..self.offsets[position as usize + 1] as usize]
    }
}

impl GridLayer {
    pub(crate) fn len(&self) -> usize {
        match &self.rows {
            Rows::Values(values) => values.len(),
            Rows::Calls(calls) => calls.offsets.len() - 1,
        }
    }

    /// The number of blocks along each axis.
    pub fn grid(&self) -> &[u32] {
        &self.grid
    }

    fn flat(&self, index: &[u32]) -> Option<u32> {
        ravel(index, &self.grid)
    }

    pub(crate) fn position_of_flat(&self, flat: u32) -> Option<u32> {
        match &self.kept {
            None => ((flat as usize) < self.len()).then_some(flat),
            Some(kept) => kept.binary_search(&flat).ok().map(|position| position as u32),
        }
    }

    pub(crate) fn flat_at(&self, position: u32) -> u32 {
        self.kept.as_ref().map_or(position, |kept| kept[position as usize])
    }

    pub(crate) fn index_of_flat(&self, flat: u32) -> BlockIndex {
        unravel(flat, &self.grid)
    }

    fn select(&self, positions: &[u32]) -> GridLayer {
        let mut dependencies = Vec::new();
        let rows = match &self.rows {
            Rows::Values(values) => Rows::Values(positions.iter().map(|&p| values[p as usize].clone()).collect()),
            Rows::Calls(calls) => {
                let mut selected = Calls { funcs: calls.funcs.clone(), offsets: vec![0], ..Calls::default() };
                // Layers that the selected tasks do not read are left out.
                let mut numbers: Vec<Option<u32>> = vec![None; self.dependencies.len()];
                let mut number = |dependency: u32| {
                    *numbers[dependency as usize].get_or_insert_with(|| {
                        dependencies.push(self.dependencies[dependency as usize].clone());
                        dependencies.len() as u32 - 1
                    })
                };
                for &p in positions {
                    if !calls.func_of.is_empty() {
                        selected.func_of.push(calls.func_of(p));
                    }
                    selected.inputs.extend(calls.inputs_of(p).iter().map(|r| Ref { dependency: number(r.dependency), flat: r.flat }));
                    selected.offsets.push(selected.inputs.len() as u32);
                }
                Rows::Calls(selected)
            }
        };
        let kept = Some(positions.iter().map(|&p| self.flat_at(p)).collect());
        GridLayer { kept, rows, dependencies, name: self.name.clone(), grid: self.grid.clone(), nbytes: self.nbytes.clone() }
    }
}

/// Row-major flat position of a block index in a grid.
fn ravel(index: &[u32], grid: &[u32]) -> Option<u32> {
    let inside = index.len() == grid.len() && index.iter().zip(grid).all(|(i, n)| i < n);
    inside.then(|| index.iter().zip(grid).fold(0, |flat, (i, n)| flat * n + i))
}

/// Row-major block index of a flat position in a grid. A position outside gives an index outside.
fn unravel(flat: u32, grid: &[u32]) -> BlockIndex {
    if flat as usize >= n_blocks(grid) {
        return std::iter::once(flat).chain(grid.iter().skip(1).map(|_| 0)).collect();
    }
    let mut rest = flat;
    let mut index: BlockIndex = SmallVec::from_elem(0, grid.len());
    for axis in (0..grid.len()).rev() {
        index[axis] = rest % grid[axis];
        rest /= grid[axis];
    }
    index
}

/// Builds a [`GridLayer`] of calls: one [`call`](GridBuilder::call) for each block, in row-major order.
///
/// ```
/// use arras_core::{Func, Graph, GridBuilder, Layer, Name, Value, get};
/// let mut graph = Graph::new();
/// graph.insert_layer(Layer::values(Name::new("x"), &[3], (0..3i64).map(Value::new).collect()));
/// let mut double = GridBuilder::new(Name::new("double"), &[3]);
/// let x = double.depends_on(Name::new("x"));
/// let func = double.func(Func::new(|x: &i64| x * 2));
/// for i in 0..3 {
///     double.call(func, [(x, i)]);
/// }
/// graph.insert_layer(double.build());
/// assert_eq!(get::<i64>(&graph, ("double", 2))?, 4);
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug)]
pub struct GridBuilder {
    layer: GridLayer,
    calls: Calls,
}

impl GridBuilder {
    /// A layer over a grid of this many blocks along each axis; one block for an empty grid.
    pub fn new(name: Name, grid: &[u32]) -> GridBuilder {
        let n_blocks = n_blocks(grid);
        GridBuilder {
            layer: GridLayer {
                name,
                grid: SmallVec::from_slice(grid),
                kept: None,
                dependencies: Vec::new(),
                rows: Rows::Values(Vec::new()),
                nbytes: Sizes::Unknown,
            },
            calls: Calls {
                offsets: {
                    let mut offsets = Vec::with_capacity(n_blocks + 1);
                    offsets.push(0);
                    offsets
                },
                ..Calls::default()
            },
        }
    }

    /// Declares that tasks read this layer. Returns the number by which [`call`](GridBuilder::call) refers to it.
    pub fn depends_on(&mut self, name: Name) -> u32 {
        self.layer.dependencies.push(name);
        self.layer.dependencies.len() as u32 - 1
    }

    /// Adds a function. Returns the number by which [`call`](GridBuilder::call) refers to it.
    pub fn func(&mut self, func: Func) -> u32 {
        self.calls.funcs.push(func);
        self.calls.funcs.len() as u32 - 1
    }

    /// Adds the next block's task: a function, and for each of its inputs the dependency and the flat position in the dependency's grid. Of a layer
    /// that was inserted by hand, position `i` is the task of index `(i)`, and 0 that of the plain key, if it has one.
    pub fn call(&mut self, func: u32, inputs: impl IntoIterator<Item = (u32, u32)>) {
        if func != 0 && self.calls.func_of.is_empty() {
            self.calls.func_of = vec![0; self.calls.offsets.len() - 1];
        }
        if func != 0 || !self.calls.func_of.is_empty() {
            self.calls.func_of.push(func);
        }
        self.calls.inputs.extend(inputs.into_iter().map(|(dependency, flat)| Ref { dependency, flat }));
        self.calls.offsets.push(self.calls.inputs.len() as u32);
    }

    /// Reserves room for this many inputs in all.
    pub fn reserve_inputs(&mut self, n_inputs: usize) {
        self.calls.inputs.reserve(n_inputs);
    }

    /// States the sizes of the values.
    pub fn sizes(&mut self, nbytes: Sizes) {
        self.layer.nbytes = nbytes;
    }

    /// The layer.
    ///
    /// # Panics
    /// If the number of calls is not the number of blocks of the grid: a defect of the collection that builds it.
    pub fn build(self) -> Layer {
        let GridBuilder { mut layer, calls } = self;
        assert_eq!(calls.offsets.len() - 1, n_blocks(&layer.grid), "{}: one call for each block of the grid {:?}", layer.name, layer.grid);
        layer.rows = Rows::Calls(calls);
        Layer::Grid(layer)
    }
}

fn n_blocks(grid: &[u32]) -> usize {
    grid.iter().map(|&n| n as usize).product()
}

impl Layer {
    /// A grid layer of values that are already there, in row-major order.
    ///
    /// # Panics
    /// If the number of values is not the number of blocks of the grid.
    pub fn values(name: Name, grid: &[u32], values: Vec<Value>) -> Layer {
        assert_eq!(values.len(), n_blocks(grid), "{name}: one value for each block of the grid {grid:?}");
        Layer::Grid(GridLayer {
            name,
            grid: SmallVec::from_slice(grid),
            kept: None,
            dependencies: Vec::new(),
            rows: Rows::Values(values),
            nbytes: Sizes::Unknown,
        })
    }
}

/// A layer with any block indices, in order of insertion.
#[derive(Debug, Clone)]
pub struct TableLayer {
    pub(crate) name: Name,
    pub(crate) entries: SmallVec<[(BlockIndex, Task); 1]>,
    /// The grid that flat references count in, if this was a grid layer before it was edited.
    pub(crate) grid: Option<SmallVec<[u32; 4]>>,
    /// The sizes that were stated for that grid.
    pub(crate) nbytes: Sizes,
    /// Where each index is, kept once there are more than a few.
    positions: FxHashMap<BlockIndex, u32>,
}

/// Up to so many entries are searched one by one.
const FEW: usize = 4;

impl TableLayer {
    pub(crate) fn new(name: Name) -> TableLayer {
        TableLayer { name, entries: SmallVec::new(), grid: None, nbytes: Sizes::Unknown, positions: FxHashMap::default() }
    }

    /// The block index that a flat reference means. It does not depend on what was inserted first or was left out, so that culling, merging
    /// and editing keep it.
    fn index_of_flat(&self, flat: u32) -> BlockIndex {
        match &self.grid {
            Some(grid) => unravel(flat, grid),
            None if flat == 0 && self.position(&[]).is_some() => BlockIndex::new(),
            None => SmallVec::from_slice(&[flat]),
        }
    }

    fn position(&self, index: &[u32]) -> Option<u32> {
        if self.entries.len() <= FEW {
            return self.entries.iter().position(|(i, _)| i.as_slice() == index).map(|position| position as u32);
        }
        self.positions.get(index).copied()
    }

    /// Inserts a task. Returns the one it replaces, whose place it takes.
    pub(crate) fn insert(&mut self, index: BlockIndex, task: Task) -> Option<Task> {
        if let Some(position) = self.position(&index) {
            return Some(std::mem::replace(&mut self.entries[position as usize].1, task));
        }
        self.entries.push((index, task));
        let n = self.entries.len();
        if n == FEW + 1 {
            self.positions = self.entries.iter().enumerate().map(|(i, (index, _))| (index.clone(), i as u32)).collect();
        } else if n > FEW {
            self.positions.insert(self.entries[n - 1].0.clone(), n as u32 - 1);
        }
        None
    }

    /// Removes a task; the others keep their order. Work: the number of entries.
    pub(crate) fn remove(&mut self, index: &[u32]) -> Option<Task> {
        let position = self.position(index)?;
        let (_, task) = self.entries.remove(position as usize);
        self.positions.clear();
        if self.entries.len() > FEW {
            self.positions = self.entries.iter().enumerate().map(|(i, (index, _))| (index.clone(), i as u32)).collect();
        }
        Some(task)
    }
}
