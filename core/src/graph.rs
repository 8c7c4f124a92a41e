//! Graphs: keyed maps from key to task, grouped in layers.
//!
//! ```text
//!     Graph ─┬─ "x"        Layer ── (0): value, (1): value, …
//!            ├─ "add-9f2c" Layer ── (0): add(x 0, y 0), (1): add(x 1, y 1), …
//!            └─ "result"   Layer ── (): sum(add 0, add 1, …)
//! ```
//! A graph can be built by hand, looked into, edited and run, as Dask's dict. Iteration follows insertion. Cloning and merging share layers.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::error::{Error, Result};
use crate::flat::Flat;
use crate::key::{Key, Name};
use crate::layer::{Layer, TableLayer};
use crate::task::Task;

/// A keyed map from [`Key`] to [`Task`].
///
/// ```
/// use arras_core::{Graph, get, task, value};
/// let mut graph = Graph::new();
/// graph.insert("a", value(2i64));
/// graph.insert("b", value(2i64));
/// graph.insert("result", task(|x: &i64, y: &i64| x + y, ("a", "b")));
/// assert_eq!(graph.len(), 3);
/// assert_eq!(graph.keys().map(|key| key.to_string()).collect::<Vec<_>>(), ["\"a\"", "\"b\"", "\"result\""]);
/// assert_eq!(get::<i64>(&graph, "result")?, 4);
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Graph {
    layers: IndexMap<Name, Arc<Layer>, FxBuildHasher>,
}

impl Graph {
    /// No tasks.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// Inserts a task. Returns the one it replaces.
    pub fn insert(&mut self, key: impl Into<Key>, task: Task) -> Option<Task> {
        let key = key.into();
        let table = self.table_mut(key.name());
        table.insert(key.index().into(), task)
    }

    /// Removes a task. Returns it. Tasks that read it are left as they are: [`check`](Graph::check) finds them. Work: the number of tasks in its
    /// layer, and of layers.
    pub fn remove(&mut self, key: impl Into<Key>) -> Option<Task> {
        let key = key.into();
        self.locate(&key)?;
        let table = self.table_mut(key.name());
        let removed = table.remove(key.index());
        // What is left of a grid layer stays, even if it is nothing: the layers that read it count in its grid.
        if table.entries.is_empty() && table.grid.is_none() {
            self.layers.shift_remove(key.name());
        }
        removed
    }

    /// The layer of this name, made editable, or a new one.
    fn table_mut(&mut self, name: &Name) -> &mut TableLayer {
        if let Some(layer) = self.layers.get(name)
            && matches!(**layer, Layer::Grid(_))
        {
            let table = Layer::Table(layer.to_table(|name| self.layer(name)));
            self.layers.insert(name.clone(), Arc::new(table));
        }
        let layer = self.layers.entry(name.clone()).or_insert_with(|| Arc::new(Layer::Table(TableLayer::new(name.clone()))));
        match Arc::make_mut(layer) {
            Layer::Table(table) => table,
            Layer::Grid(_) => unreachable!("grid layers were turned into tables above"),
        }
    }

    /// Inserts a layer of a collection. A layer of the same name is the same work, so it is kept.
    pub fn insert_layer(&mut self, layer: Layer) {
        self.insert_shared(Arc::new(layer));
    }

    pub(crate) fn insert_shared(&mut self, layer: Arc<Layer>) {
        self.layers.entry(layer.name().clone()).or_insert(layer);
    }

    /// Puts a layer in place of the one of the same name.
    pub(crate) fn replace_layer(&mut self, layer: Arc<Layer>) {
        self.layers.insert(layer.name().clone(), layer);
    }

    /// The task of a key.
    pub fn get(&self, key: impl Into<Key>) -> Option<Task> {
        let key = key.into();
        let (layer, position) = self.locate(&key)?;
        Some(self.layers[layer].task_at(position, |name| self.layer(name)))
    }

    /// Whether there is a task of this key.
    pub fn contains(&self, key: impl Into<Key>) -> bool {
        self.locate(&key.into()).is_some()
    }

    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.layers.values().map(|layer| layer.len()).sum()
    }

    /// Whether there are no tasks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All keys, in order of insertion.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.layers.values().flat_map(|layer| (0..layer.len() as u32).map(|position| layer.key_at(position)))
    }

    /// All keys and tasks, in order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Task)> + '_ {
        self.layers.values().flat_map(move |layer| {
            (0..layer.len() as u32).map(move |position| (layer.key_at(position), layer.task_at(position, |name| self.layer(name))))
        })
    }

    /// The layers, in order of insertion.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = &Arc<Layer>> {
        self.layers.values()
    }

    /// The layer of this name.
    pub fn layer(&self, name: &Name) -> Option<&Layer> {
        self.layers.get(name).map(|layer| &**layer)
    }

    /// Takes in the tasks of another graph. Layers are shared, not copied. A layer that both have is taken once, as equal names are equal
    /// work; of two hand-built layers of one name the union is taken, the other's task winning where both have a key, as when Python dicts are
    /// updated.
    pub fn merge(&mut self, other: &Graph) {
        for layer in other.layers.values() {
            let Some(mine) = self.layers.get(layer.name()) else {
                self.layers.insert(layer.name().clone(), Arc::clone(layer));
                continue;
            };
            if Arc::ptr_eq(mine, layer) {
                continue;
            }
            match (&**mine, &**layer) {
                (Layer::Grid(mine), Layer::Grid(theirs)) if mine.kept.is_none() || mine.kept == theirs.kept => {}
                (Layer::Grid(_), Layer::Grid(theirs)) if theirs.kept.is_none() => {
                    self.layers.insert(layer.name().clone(), Arc::clone(layer));
                }
                _ => {
                    let theirs = layer.to_table(|name| other.layer(name));
                    let table = self.table_mut(layer.name());
                    if table.grid.is_none() {
                        (table.grid, table.nbytes) = (theirs.grid, theirs.nbytes);
                    }
                    for (index, task) in theirs.entries {
                        table.insert(index, task);
                    }
                }
            }
        }
    }

    /// Checks that every key that is read is there and that no task waits for itself.
    ///
    /// # Errors
    /// [`Error::MissingKey`], [`Error::Cycle`] with the tasks of one cycle by name, [`Error::TooManyTasks`].
    pub fn check(&self) -> Result<()> {
        let flat = Flat::new(self)?;
        let edges = flat.edges()?;
        flat.topological_order(&edges, 0..flat.len() as u32).map(drop)
    }

    pub(crate) fn locate(&self, key: &Key) -> Option<(usize, u32)> {
        let (layer, _, found) = self.layers.get_full(key.name())?;
        Some((layer, found.position(key.index())?))
    }

    pub(crate) fn layer_number(&self, name: &Name) -> Option<usize> {
        self.layers.get_index_of(name)
    }

    pub(crate) fn layer_at(&self, number: usize) -> &Arc<Layer> {
        &self.layers[number]
    }

    pub(crate) fn missing(&self, key: Key, wanted_by: Option<Key>) -> Error {
        Error::MissingKey { key, wanted_by }
    }
}

impl<K: Into<Key>> FromIterator<(K, Task)> for Graph {
    fn from_iter<I: IntoIterator<Item = (K, Task)>>(tasks: I) -> Graph {
        let mut graph = Graph::new();
        graph.extend(tasks);
        graph
    }
}

impl<K: Into<Key>> Extend<(K, Task)> for Graph {
    fn extend<I: IntoIterator<Item = (K, Task)>>(&mut self, tasks: I) {
        for (key, task) in tasks {
            self.insert(key, task);
        }
    }
}
