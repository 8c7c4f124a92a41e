//! A plan in bundles, as the run sees it: values by number, and the messages that carry bundles to workers.
//!
//! ```text
//!     Plan ── Bundles ──► values between bundles   ┐
//!          └─ large constants                      ┴──► Shape ──► the coordinator
//! ```
//! A large constant is a value that is there before the run: it is handed to each worker that reads it once. Small ones travel inside the
//! bundles that read them.

use arras_core::optimise::Bundles;
use arras_core::{BoxError, Error, Plan, Source, SubPlan};
use rustc_hash::FxHashMap;

use super::coordinator::Assignment;
use super::shape::Shape;
use crate::guard::guarded;

/// Constants from this size on are handed over once.
const LARGE: usize = 64 << 10;

/// Which values pass between the bundles of a plan.
#[derive(Debug)]
pub(super) struct Parts<'p> {
    plan: &'p Plan,
    pub(super) bundles: &'p Bundles,
    /// What each value is; the first are what bundles hand to each other or the plan wants.
    sources: Vec<Source>,
    /// The value of each task that is one.
    values: FxHashMap<u32, u32>,
    /// Sizes of the large constants.
    pub(super) given_nbytes: Vec<u64>,
}

impl<'p> Parts<'p> {
    pub(super) fn new(plan: &'p Plan, bundles: &'p Bundles) -> (Parts<'p>, Shape) {
        let all = || 0..bundles.len() as u32;
        let mut sources: Vec<Source> = all().flat_map(|bundle| bundles.exports(bundle)).map(|&task| Source::Task(task)).collect();
        let tasks = all().flat_map(|bundle| bundles.exports(bundle)).enumerate();
        let values: FxHashMap<u32, u32> = tasks.map(|(value, &task)| (task, value as u32)).collect();

        // The value of each constant that was looked at, if it is large.
        let mut large: FxHashMap<u32, Option<u32>> = FxHashMap::default();
        let mut given_nbytes = Vec::new();
        let mut reads: Vec<Vec<u32>> = Vec::with_capacity(bundles.len());
        for bundle in all() {
            let mut row: Vec<u32> = bundles.inputs(bundle).iter().map(|task| values[task]).collect();
            let between = row.len();
            for input in bundles.tasks(bundle).iter().flat_map(|&task| plan.inputs(task)) {
                let Source::Constant(index) = input else { continue };
                let value = *large.entry(index).or_insert_with(|| {
                    // A size may be found by the user's own code. If that panics, so it does when the constant is written, which is then
                    // told with a key.
                    let nbytes = guarded(|| Ok(plan.constant(index).nbytes())).unwrap_or(0);
                    (nbytes >= LARGE).then(|| {
                        sources.push(input);
                        given_nbytes.push(nbytes as u64);
                        sources.len() as u32 - 1
                    })
                });
                row.extend(value);
            }
            row[between..].sort_unstable();
            row.dedup();
            reads.push(row);
        }
        let wanted = plan.outputs().filter_map(|output| match output {
            Source::Task(task) => Some(values[&task]),
            Source::Constant(_) => None,
        });
        let shape = Shape::new(all().map(|bundle| bundles.exports(bundle).len()), reads.into_iter(), given_nbytes.len(), wanted);
        (Parts { plan, bundles, sources, values, given_nbytes }, shape)
    }

    /// What a value is.
    pub(super) fn source(&self, value: u32) -> Source {
        self.sources[value as usize]
    }

    /// The value of a task that bundles hand over or the plan wants.
    pub(super) fn value_of(&self, task: u32) -> u32 {
        self.values[&task]
    }

    /// The message that carries a bundle to a worker.
    ///
    /// # Errors
    /// [`Error::Task`] of the task that cannot be written.
    pub(super) fn message(&self, shape: &Shape, assignment: &Assignment) -> Result<Vec<u8>, Error> {
        let tasks = self.bundles.tasks(assignment.bundle);
        let arguments = self.arguments(shape, assignment.bundle);
        let results: Vec<u32> = assignment.results.iter().map(|&(value, _)| self.task_of(value)).collect();
        guarded(|| self.plan.part(tasks, &arguments, &results).to_bytes()).map_err(|error| {
            let (task, error) = self.culprit(tasks, &arguments).unwrap_or((tasks[0], error));
            self.plan.failure(task, error)
        })
    }

    /// What a bundle reads from outside.
    pub(super) fn arguments(&self, shape: &Shape, bundle: u32) -> Vec<Source> {
        shape.inputs(bundle).iter().map(|&value| self.source(value)).collect()
    }

    fn task_of(&self, value: u32) -> u32 {
        match self.source(value) {
            Source::Task(task) => task,
            Source::Constant(_) => unreachable!("a constant is nobody's result"),
        }
    }

    /// Which task of a bundle cannot be written, or read back, and why. Asked after the whole bundle could not.
    pub(super) fn culprit(&self, tasks: &[u32], arguments: &[Source]) -> Option<(u32, BoxError)> {
        tasks.iter().find_map(|&task| {
            let others = self.plan.inputs(task).filter(|input| matches!(input, Source::Task(_)));
            let arguments: Vec<Source> = arguments.iter().copied().chain(others).collect();
            let travel = || Ok(SubPlan::from_bytes(&self.plan.part(&[task], &arguments, &[]).to_bytes()?)?);
            guarded(travel).err().map(|error| (task, error))
        })
    }
}
