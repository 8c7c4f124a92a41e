//! A graph with its tasks numbered: what passes over all tasks work on. Keys are looked up once, here; after that everything is `u32`.

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::key::Key;
use crate::layer::{Layer, Rows};
use crate::task::{Input, Task};
use crate::value::Value;

/// The largest number of tasks: the top bit of an id says that it is a value without a task of its own.
pub(crate) const MAX_TASKS: usize = LITERAL as usize;

/// Marks an input that is a value written into the task itself.
pub(crate) const LITERAL: u32 = 1 << 31;

/// Marks an input whose key is not in the graph.
pub(crate) const MISSING: u32 = u32::MAX;

/// The tasks of a graph, numbered layer by layer.
pub(crate) struct Flat<'g> {
    pub(crate) graph: &'g Graph,
    /// The number of each layer's first task, and the number of tasks.
    bases: Vec<u32>,
}

/// What each task reads, in flat adjacency.
pub(crate) struct Edges<'g> {
    /// Where each task's inputs start, and the end of the last.
    offsets: Vec<u32>,
    /// Task numbers, [`LITERAL`] and an index, or [`MISSING`].
    inputs: Vec<u32>,
    pub(crate) literals: Vec<&'g Value>,
}

impl Edges<'_> {
    /// What a task reads: task numbers, [`LITERAL`] and an index, or [`MISSING`].
    pub(crate) fn of(&self, id: u32) -> &[u32] {
        &self.inputs[self.offsets[id as usize] as usize..self.offsets[id as usize + 1] as usize]
    }

    /// The tasks that a task reads.
    pub(crate) fn tasks(&self, id: u32) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.of(id).iter().copied().filter(|input| input & LITERAL == 0)
    }
}

impl<'g> Flat<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Result<Flat<'g>> {
        let tasks = graph.len();
        if tasks >= MAX_TASKS {
            return Err(Error::TooManyTasks { tasks, limit: MAX_TASKS });
        }
        let mut bases = Vec::with_capacity(graph.layers().len() + 1);
        let mut base = 0;
        for layer in graph.layers() {
            bases.push(base);
            base += layer.len() as u32;
        }
        bases.push(base);
        Ok(Flat { graph, bases })
    }

    /// The number of tasks.
    pub(crate) fn len(&self) -> usize {
        *self.bases.last().expect("there is always an end") as usize
    }

    /// The layer of a task, and its place there.
    pub(crate) fn place(&self, id: u32) -> (usize, u32) {
        let layer = self.bases.partition_point(|&base| base <= id) - 1;
        (layer, id - self.bases[layer])
    }

    pub(crate) fn key(&self, id: u32) -> Key {
        let (layer, position) = self.place(id);
        self.graph.layer_at(layer).key_at(position)
    }

    /// The numbers of a layer's tasks.
    pub(crate) fn range(&self, layer: usize) -> std::ops::Range<u32> {
        self.bases[layer]..self.bases[layer + 1]
    }

    pub(crate) fn id(&self, key: &Key) -> Option<u32> {
        self.graph.locate(key).map(|(layer, position)| self.bases[layer] + position)
    }

    /// The numbers of the keys that a caller asks for.
    pub(crate) fn wanted(&self, keys: &[Key]) -> Result<Vec<u32>> {
        keys.iter().map(|key| self.id(key).ok_or_else(|| self.graph.missing(key.clone(), None))).collect()
    }

    /// Looks up what every task reads.
    ///
    /// # Errors
    /// [`Error::MissingKey`] if any task reads a key that is not there.
    pub(crate) fn edges(&self) -> Result<Edges<'g>> {
        let edges = self.open_edges()?;
        match edges.inputs.iter().position(|&input| input == MISSING) {
            None => Ok(edges),
            Some(nth) => {
                let reader = edges.offsets.partition_point(|&offset| offset as usize <= nth) - 1;
                Err(self.missing_input(&edges, reader as u32))
            }
        }
    }

    /// The error of a task that reads a key that is not there.
    pub(crate) fn missing_input(&self, edges: &Edges<'_>, reader: u32) -> Error {
        let (layer, position) = self.place(reader);
        let task = self.graph.layer_at(layer).task_at(position, |name| self.graph.layer(name));
        let nth = edges.of(reader).iter().position(|&input| input == MISSING).expect("asked for a task that misses an input");
        let key = match task {
            Task::Alias(key) => key,
            Task::Call { inputs, .. } => match &inputs[nth] {
                Input::Key(key) => key.clone(),
                Input::Value(_) => unreachable!("a value is not missing"),
            },
            Task::Value(_) => unreachable!("a value reads nothing"),
        };
        self.graph.missing(key, Some(self.key(reader)))
    }

    /// Looks up what every task reads. Keys that are not there are [`MISSING`], for those to report who need them.
    pub(crate) fn open_edges(&self) -> Result<Edges<'g>> {
        let n = self.len();
        let mut edges = Edges { offsets: Vec::with_capacity(n + 1), inputs: Vec::with_capacity(n), literals: Vec::new() };
        edges.offsets.push(0);
        for layer in self.graph.layers() {
            match &**layer {
                Layer::Grid(grid) => match &grid.rows {
                    Rows::Values(values) => edges.offsets.extend(std::iter::repeat_n(edges.inputs.len() as u32, values.len())),
                    Rows::Calls(calls) => {
                        let dependencies: Vec<Option<(u32, &Layer)>> = grid
                            .dependencies
                            .iter()
                            .map(|name| self.graph.layer_number(name).map(|number| (self.bases[number], &**self.graph.layer_at(number))))
                            .collect();
                        // A layer that is whole keeps its tasks in grid order, so a reference is an addition.
                        let whole: Vec<Option<(u32, u32)>> = dependencies
                            .iter()
                            .map(|dependency| match dependency {
                                Some((base, Layer::Grid(grid))) if grid.kept.is_none() => Some((*base, grid.len() as u32)),
                                _ => None,
                            })
                            .collect();
                        for position in 0..grid.len() as u32 {
                            for r in calls.inputs_of(position) {
                                let id = match whole[r.dependency as usize] {
                                    Some((base, len)) if r.flat < len => Some(base + r.flat),
                                    Some(_) => None,
                                    None => dependencies[r.dependency as usize]
                                        .and_then(|(base, layer)| layer.position_of_flat(r.flat).map(|position| base + position)),
                                };
                                edges.inputs.push(id.unwrap_or(MISSING));
                            }
                            edges.offsets.push(edges.inputs.len() as u32);
                        }
                    }
                },
                Layer::Table(table) => {
                    let find = |key: &Key| self.id(key).unwrap_or(MISSING);
                    for (_, task) in &table.entries {
                        match task {
                            Task::Value(_) => {}
                            Task::Alias(key) => edges.inputs.push(find(key)),
                            Task::Call { inputs, .. } => {
                                for input in inputs {
                                    match input {
                                        Input::Key(key) => edges.inputs.push(find(key)),
                                        Input::Value(value) => {
                                            edges.inputs.push(LITERAL | edges.literals.len() as u32);
                                            edges.literals.push(value);
                                        }
                                    }
                                }
                            }
                        }
                        edges.offsets.push(edges.inputs.len() as u32);
                    }
                }
            }
            if edges.inputs.len() >= u32::MAX as usize || edges.literals.len() >= MAX_TASKS - 1 {
                return Err(Error::TooManyTasks { tasks: edges.inputs.len(), limit: u32::MAX as usize });
            }
        }
        Ok(edges)
    }

    /// The tasks that `from` needs, inputs before their readers.
    ///
    /// # Errors
    /// [`Error::Cycle`], [`Error::MissingKey`].
    pub(crate) fn topological_order(&self, edges: &Edges<'_>, from: impl IntoIterator<Item = u32>) -> Result<Vec<u32>> {
        const UNSEEN: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![UNSEEN; self.len()];
        let mut order = Vec::with_capacity(self.len());
        // A task, and which of its inputs comes next.
        let mut stack: Vec<(u32, u32)> = Vec::new();
        for start in from {
            if state[start as usize] != UNSEEN {
                continue;
            }
            state[start as usize] = OPEN;
            stack.push((start, 0));
            while let Some((id, next)) = stack.last_mut() {
                let id = *id;
                let Some(&input) = edges.of(id).get(*next as usize) else {
                    state[id as usize] = DONE;
                    order.push(id);
                    stack.pop();
                    continue;
                };
                *next += 1;
                if input & LITERAL != 0 {
                    if input == MISSING {
                        return Err(self.missing_input(edges, id));
                    }
                    continue;
                }
                match state[input as usize] {
                    UNSEEN => {
                        state[input as usize] = OPEN;
                        stack.push((input, 0));
                    }
                    OPEN => {
                        let start = stack.iter().position(|&(id, _)| id == input).expect("an open task is on the stack");
                        let keys = stack[start..].iter().map(|&(id, _)| self.key(id)).collect();
                        return Err(Error::Cycle { keys });
                    }
                    _ => {}
                }
            }
        }
        Ok(order)
    }
}
