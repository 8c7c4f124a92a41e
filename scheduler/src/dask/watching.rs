//! The events of a run, from what Dask tells of whole bundles.
//!
//! A bundle's tasks are told as started and finished when it has run: one after another, each with its share of the bundle's duration, as
//! nobody outside the worker saw them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use arras_core::optimise::Bundles;
use arras_core::{Error, Plan, Source};

use crate::observer::Event;
use crate::scheduler::RunOptions;

/// Tells observers, and counts.
pub(crate) struct Watching<'r> {
    plan: &'r Plan,
    bundles: &'r Bundles,
    options: &'r RunOptions,
    ran: Vec<bool>,
    finished: usize,
    /// The number of each worker's address.
    workers: HashMap<String, usize>,
    /// The bundles that have yet to read each task's value, and its size; for observed runs.
    held: HashMap<u32, (usize, usize)>,
    /// What the plan wants, which nobody frees; for observed runs.
    wanted: HashSet<u32>,
}

impl<'r> Watching<'r> {
    pub(crate) fn new(plan: &'r Plan, bundles: &'r Bundles, options: &'r RunOptions) -> Watching<'r> {
        let task = |source| if let Source::Task(task) = source { Some(task) } else { None };
        let wanted = if options.is_observed() { plan.outputs().filter_map(task).collect() } else { HashSet::new() };
        let (ran, workers, held) = (vec![false; bundles.len()], HashMap::new(), HashMap::new());
        Watching { plan, bundles, options, ran, finished: 0, workers, held, wanted }
    }

    /// Tasks that have finished.
    pub(crate) fn finished(&self) -> usize {
        self.finished
    }

    /// A bundle ran. A second time, after its results were lost, is not told.
    pub(crate) fn ran(&mut self, bundle: u32, worker: &str, took: Duration, nbytes: u64) {
        if std::mem::replace(&mut self.ran[bundle as usize], true) {
            return;
        }
        let tasks = self.bundles.tasks(bundle);
        self.finished += tasks.len();
        if !self.options.is_observed() {
            return;
        }
        let number = self.workers.len();
        let worker = *self.workers.entry(worker.to_owned()).or_insert(number);
        let exports = self.bundles.exports(bundle);
        let duration = took / u32::try_from(tasks.len()).unwrap_or(u32::MAX).max(1);
        for &task in tasks {
            self.options.emit(self.plan, &Event::Started { task, worker });
            let is_export = exports.binary_search(&task).is_ok();
            let nbytes = if is_export { nbytes as usize / exports.len() } else { 0 };
            self.options.emit(self.plan, &Event::Finished { task, worker, nbytes, duration });
            if is_export {
                self.held.insert(task, (self.readers(task), nbytes));
            } else {
                self.options.emit(self.plan, &Event::Freed { task, nbytes });
            }
        }
        for &input in self.bundles.inputs(bundle) {
            if let Some((readers, nbytes)) = self.held.get_mut(&input) {
                *readers = readers.saturating_sub(1);
                if *readers == 0 {
                    let nbytes = *nbytes;
                    self.held.remove(&input);
                    self.options.emit(self.plan, &Event::Freed { task: input, nbytes });
                }
            }
        }
    }

    /// The bundles that read a task's value, and one more if the plan wants it.
    fn readers(&self, task: u32) -> usize {
        let own = self.bundles.bundle_of(task);
        let bundles: HashSet<u32> = self.plan.readers(task).iter().map(|&reader| self.bundles.bundle_of(reader)).collect();
        bundles.iter().filter(|&&bundle| bundle != own).count() + usize::from(self.wanted.contains(&task))
    }

    /// The run ends with this error.
    pub(crate) fn failed(&self, error: &Error) {
        let Error::Task { key, .. } = error else { return };
        if self.options.is_observed()
            && let Some(task) = (0..self.plan.len() as u32).find(|&task| &self.plan.key(task) == key)
        {
            self.options.emit(self.plan, &Event::Failed { task, error });
        }
    }
}
