//! What users call: compute, persist, look.

use std::path::Path;
use std::sync::Arc;

use arras_core::{Collection, DrawOptions, Persist, Plan, Result, draw, explain, optimise};

use crate::current::current_scheduler;
use crate::report::{Recorder, RunReport};
use crate::scheduler::{RunOptions, Scheduler};

/// The plan of what a collection wants: its graph, culled and frozen.
///
/// # Errors
/// What was wrong when the collection was built; [`Error::MissingKey`](arras_core::Error::MissingKey), [`Error::Cycle`](arras_core::Error::Cycle).
pub fn prepare<C: Collection + ?Sized>(collection: &C) -> Result<Arc<Plan>> {
    let graph = collection.graph()?;
    let keys = collection.keys();
    let graph = optimise::cull(&graph, &keys)?;
    Ok(Arc::new(Plan::new(&graph, &keys)?))
}

/// Every collection's way to its result.
///
/// ```
/// use arras_core::delayed;
/// use arras_scheduler::{Compute, Synchronous, Threads};
/// let x = delayed(f64::sqrt, (2.0,));
/// let y = x.map(|x| x * x);
/// let a = y.compute()?;
/// let b = y.compute_with(&Synchronous)?;
/// let (c, report) = y.compute_with_report(&Threads::new(2))?;
/// assert!(a.to_bits() == b.to_bits() && b.to_bits() == c.to_bits());
/// assert_eq!(report.tasks, 2);
/// assert_eq!((x, y).compute()?.0, 2f64.sqrt());
/// # Ok::<(), arras_core::Error>(())
/// ```
pub trait Compute: Collection {
    /// Computes the result with the [current scheduler](current_scheduler).
    ///
    /// # Errors
    /// What was wrong when the collection was built, before anything runs; [`Error::Task`](arras_core::Error::Task) of the first task that failed, with its key and
    /// function.
    fn compute(&self) -> Result<Self::Output> {
        self.compute_with(&current_scheduler()?)
    }

    /// Computes the result with this scheduler. All schedulers give the same bits.
    ///
    /// # Errors
    /// As for [`compute`](Compute::compute).
    fn compute_with<S: Scheduler>(&self, scheduler: &S) -> Result<Self::Output> {
        let plan = prepare(self)?;
        let values = scheduler.run(&plan, &RunOptions::default()).inspect_err(|_| plan.abandoned())?;
        self.finish(values)
    }

    /// Computes the result and says what it cost.
    ///
    /// # Errors
    /// As for [`compute`](Compute::compute).
    fn compute_with_report<S: Scheduler>(&self, scheduler: &S) -> Result<(Self::Output, RunReport)> {
        let recorder = Recorder::new();
        let value = self.compute_with(&scheduler.observed_by(recorder.clone()))?;
        Ok((value, recorder.report()))
    }

    /// Computes the values now and returns the collection standing on them: what is built on it does not compute them again.
    ///
    /// # Errors
    /// As for [`compute`](Compute::compute).
    fn persist(&self) -> Result<Self>
    where
        Self: Persist,
    {
        self.persist_with(&current_scheduler()?)
    }

    /// As [`persist`](Compute::persist), with this scheduler.
    ///
    /// # Errors
    /// As for [`compute`](Compute::compute).
    fn persist_with<S: Scheduler>(&self, scheduler: &S) -> Result<Self>
    where
        Self: Persist,
    {
        let plan = prepare(self)?;
        let values = scheduler.persist(&plan, &RunOptions::default()).inspect_err(|_| plan.abandoned())?;
        self.persisted(values)
    }

    /// Draws the task graph to a file: `.svg`, or `.dot` for Graphviz. Circles are tasks, boxes data.
    ///
    /// # Errors
    /// [`Error::TooLargeToDraw`](arras_core::Error::TooLargeToDraw) for more than 10,000 tasks: [`visualize_with`](Compute::visualize_with) can force it;
    /// [`Error::Io`](arras_core::Error::Io); [`Error::Setting`](arras_core::Error::Setting) for another extension.
    fn visualize(&self, path: impl AsRef<Path>) -> Result<()> {
        self.visualize_with(path, &DrawOptions::default())
    }

    /// As [`visualize`](Compute::visualize), with options.
    ///
    /// # Errors
    /// As for [`visualize`](Compute::visualize).
    fn visualize_with(&self, path: impl AsRef<Path>, options: &DrawOptions) -> Result<()> {
        let graph = optimise::cull(&self.graph()?, &self.keys())?;
        draw(&graph, path, options)
    }

    /// What computing would do, as text: the collection's own view, then the graph layer by layer. Runs nothing.
    ///
    /// # Errors
    /// What was wrong when the collection was built.
    fn explain(&self) -> Result<String> {
        explain(self)
    }
}

impl<C: Collection + ?Sized> Compute for C {}
