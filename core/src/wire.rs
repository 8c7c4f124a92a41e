//! Parts of a plan, for another process: some of its tasks, the values they read from elsewhere as numbered arguments.
//!
//! ```text
//!     plan     a ── b ── c ── d          part [b, c], arguments [a], results [c]
//!
//!     wire     functions · calls · inputs · constants · outputs       tasks are numbers: positions in the part; keys stay at home
//!     there    SubPlan ── bind(values of the arguments) ──► Plan      which any scheduler runs
//! ```

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::{BoxError, Error, Result};
use crate::func::Func;
use crate::plan::{CONSTANT, Plan, Source};
use crate::portable::{FuncWire, WireError};
use crate::value::Value;

/// Some tasks of a plan, to be run in another process.
#[derive(Debug, Clone, Copy)]
pub struct Part<'p> {
    plan: &'p Plan,
    tasks: &'p [u32],
    arguments: &'p [Source],
    results: &'p [u32],
}

impl Plan {
    /// The part of the plan that runs `tasks`, ascending ids, and hands back the values of `results`, which are among them. It takes the values of `arguments` from whoever
    /// runs it: tasks outside the part, and constants that are not to be inside the message.
    ///
    /// ```
    /// use arras_core::{Graph, Plan, Source, SubPlan, Value, get_values, task};
    /// let mut graph = Graph::new();
    /// graph.insert("a", task(|| 1i64, ()));
    /// graph.insert("b", task(|x: &i64| x + 1, ("a",)));
    /// let plan = Plan::new(&graph, &["b".into()])?;
    /// let bytes = plan.part(&[1], &[Source::Task(0)], &[1]).to_bytes()?;
    /// // In another process of the same executable:
    /// let part = SubPlan::from_bytes(&bytes)?.bind(vec![Value::new(41i64)])?;
    /// let b = part.call(0, |_| unreachable!())?;
    /// assert_eq!(b.get::<i64>()?, &42);
    /// # Ok::<(), arras_core::BoxError>(())
    /// ```
    pub fn part<'p>(&'p self, tasks: &'p [u32], arguments: &'p [Source], results: &'p [u32]) -> Part<'p> {
        Part { plan: self, tasks, arguments, results }
    }
}

/// A part as it travels. Inputs and outputs are packed as a plan's: the top bit says constant, and the arguments are the first constants.
#[derive(Serialize, Deserialize)]
struct PartWire {
    n_arguments: u32,
    funcs: Vec<FuncWire>,
    calls: Vec<(u32, u32)>,
    input_counts: Vec<u32>,
    inputs: Vec<u32>,
    constants: Vec<ByteBuf>,
    outputs: Vec<u32>,
}

impl Part<'_> {
    /// The part for another process of the same executable. Work: some ten nanoseconds a task and input; each function once; the constants that are inside.
    ///
    /// # Errors
    /// What cannot travel (see [`Plan::check_portable`], which says it with the task's key), or what a `Serialize` reports; a task or result that reads what is neither inside nor an
    /// argument.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BoxError> {
        let plan = self.plan;
        // Where each input comes from: tasks inside by their number, tasks and constants outside by the argument.
        let mut places: FxHashMap<Source, u32> = FxHashMap::default();
        places.reserve(self.tasks.len() + self.arguments.len());
        for (number, &source) in self.arguments.iter().enumerate() {
            places.insert(source, CONSTANT | number as u32);
        }
        for (number, &task) in self.tasks.iter().enumerate() {
            places.insert(Source::Task(task), number as u32);
        }
        let n_arguments = self.arguments.len() as u32;
        let mut wire = PartWire {
            n_arguments,
            funcs: Vec::new(),
            calls: Vec::with_capacity(self.tasks.len()),
            input_counts: Vec::with_capacity(self.tasks.len()),
            inputs: Vec::with_capacity(self.tasks.len()),
            constants: Vec::new(),
            outputs: Vec::with_capacity(self.results.len()),
        };
        let mut funcs: FxHashMap<u32, u32> = FxHashMap::default();
        let mut last = None;
        for &task in self.tasks {
            let (func, block) = plan.calls[task as usize];
            // Neighbours mostly call the same function.
            let number = match last {
                Some((same, number)) if same == func => number,
                _ => match funcs.get(&func) {
                    Some(&number) => number,
                    None => {
                        let number = wire.funcs.len() as u32;
                        wire.funcs.push(plan.funcs[func as usize].to_wire()?);
                        funcs.insert(func, number);
                        number
                    }
                },
            };
            last = Some((func, number));
            wire.calls.push((number, block));
            let inputs = plan.inputs_of(task);
            wire.input_counts.push(inputs.len() as u32);
            for &packed in inputs {
                let source = Source::unpack(packed);
                let place = match (places.get(&source), source) {
                    (Some(&place), _) => place,
                    (None, Source::Constant(index)) => {
                        let mut bytes = Vec::new();
                        plan.constant(index).to_wire(&mut bytes)?;
                        let place = CONSTANT | (n_arguments + wire.constants.len() as u32);
                        wire.constants.push(ByteBuf::from(bytes));
                        places.insert(source, place);
                        place
                    }
                    (None, Source::Task(input)) => {
                        return Err(format!("task {task} reads task {input}, which is neither in the part nor an argument of it").into());
                    }
                };
                wire.inputs.push(place);
            }
        }
        for &result in self.results {
            let place = places.get(&Source::Task(result)).copied().filter(|place| place & CONSTANT == 0);
            wire.outputs.push(place.ok_or_else(|| format!("task {result} is to be a result of a part that it is not in"))?);
        }
        Ok(rmp_serde::to_vec(&wire)?)
    }
}

/// A part of a plan that arrived from another process of the same executable.
#[derive(Debug)]
pub struct SubPlan {
    plan: Plan,
    n_arguments: u32,
}

impl SubPlan {
    /// Reads a part. The caller must know that the sender runs the same build; damage on the way is found and refused.
    ///
    /// # Errors
    /// [`WireError`]: a function, a type or a number that cannot be.
    pub fn from_bytes(bytes: &[u8]) -> Result<SubPlan, WireError> {
        let damaged = |why: &str| WireError::Damaged { why: why.to_owned() };
        let wire: PartWire = rmp_serde::from_slice(bytes).map_err(|error| WireError::Damaged { why: format!("a sub-plan: {error}") })?;
        let n_tasks = wire.calls.len();
        let n_constants = wire.n_arguments as usize + wire.constants.len();
        if n_tasks >= CONSTANT as usize || n_constants >= CONSTANT as usize || wire.inputs.len() >= u32::MAX as usize {
            return Err(damaged("more tasks or values than can be numbered"));
        }
        if wire.input_counts.len() != n_tasks {
            return Err(damaged("tasks and their inputs are not as many"));
        }
        if wire.calls.iter().any(|&(func, _)| func as usize >= wire.funcs.len()) {
            return Err(damaged("a task calls a function that is not there"));
        }
        let mut plan = Plan {
            funcs: wire.funcs.iter().map(Func::from_wire).collect::<Result<_, _>>()?,
            calls: wire.calls,
            input_offsets: Vec::with_capacity(n_tasks + 1),
            ..Plan::default()
        };
        plan.input_offsets.push(0);
        let mut end = 0usize;
        for (task, &count) in wire.input_counts.iter().enumerate() {
            let start = end;
            end = end.saturating_add(count as usize);
            let inputs = wire.inputs.get(start..end).ok_or_else(|| damaged("a task without its inputs"))?;
            let mut is_root = true;
            for &packed in inputs {
                let known = match Source::unpack(packed) {
                    Source::Task(input) => {
                        is_root = false;
                        (input as usize) < task
                    }
                    Source::Constant(index) => (index as usize) < n_constants,
                };
                if !known {
                    return Err(damaged("a task reads what is not there before it"));
                }
            }
            if is_root {
                plan.roots.push(task as u32);
            }
            plan.input_offsets.push(end as u32);
        }
        if end != wire.inputs.len() {
            return Err(damaged("inputs that no task reads"));
        }
        if wire.outputs.iter().any(|&output| output as usize >= n_tasks) {
            return Err(damaged("a result of a task that is not there"));
        }
        plan.inputs = wire.inputs;
        plan.outputs = wire.outputs;
        plan.constants = wire.constants.iter().map(|bytes| Value::from_wire(bytes)).collect::<Result<_, _>>()?;
        plan.find_readers();
        Ok(SubPlan { plan, n_arguments: wire.n_arguments })
    }

    /// The number of values that it takes.
    pub fn n_arguments(&self) -> usize {
        self.n_arguments as usize
    }

    /// The number of values that it hands back.
    pub fn n_results(&self) -> usize {
        self.plan.outputs.len()
    }

    /// The plan, on these values. Its outputs are the part's results, its task ids the positions in the part.
    ///
    /// # Errors
    /// [`Error::WrongInputs`] unless there is a value for each argument.
    pub fn bind(self, arguments: Vec<Value>) -> Result<Plan> {
        if arguments.len() != self.n_arguments() {
            return Err(Error::WrongInputs { expected: self.n_arguments(), found: arguments.len() });
        }
        let mut plan = self.plan;
        plan.constants.splice(0..0, arguments);
        Ok(plan)
    }
}
