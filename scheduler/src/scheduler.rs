//! What a scheduler is.

use std::sync::Arc;

use arras_core::{Plan, Result, Value};

use crate::cancel::CancelToken;
use crate::observer::{Event, Observer};

/// Drives plans: runs each task after its inputs and hands back the wanted values.
///
/// Every scheduler gives the same bits for the same plan.
pub trait Scheduler: Send + Sync {
    /// The name, as `ARRAS_SCHEDULER` and reports spell it.
    fn name(&self) -> String;

    /// Runs a plan. Returns the wanted values, in the order of the keys that the plan was made for.
    ///
    /// # Errors
    /// [`Error::Task`](arras_core::Error::Task) of the first task that failed or panicked, [`Error::Cancelled`](arras_core::Error::Cancelled). Tasks that run at
    /// that time finish; nothing else starts.
    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>>;

    /// As [`run`](Scheduler::run), for values that are to be built on: an engine leaves them where they are and returns [remote](Value::remote) ones, which it reads there in later
    /// runs.
    ///
    /// # Errors
    /// As for [`run`](Scheduler::run).
    fn persist(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        self.run(plan, options)
    }

    /// How many tasks it runs at the same time.
    fn n_workers(&self) -> usize;

    /// This scheduler, its runs seen by an observer.
    fn observed_by(&self, observer: Arc<dyn Observer>) -> Configured<'_, Self>
    where
        Self: Sized,
    {
        Configured::new(self).observed_by(observer)
    }

    /// This scheduler, its runs stopped by a token.
    fn cancelled_by(&self, token: &CancelToken) -> Configured<'_, Self>
    where
        Self: Sized,
    {
        Configured::new(self).cancelled_by(token)
    }
}

/// What a run is to heed.
#[derive(Clone, Default)]
pub struct RunOptions {
    pub(crate) cancel: Vec<CancelToken>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
}

impl RunOptions {
    /// Whether the run was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.iter().any(CancelToken::is_cancelled)
    }

    /// Whether anybody watches.
    pub fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }

    /// These options and one observer more.
    #[must_use]
    pub fn observe(mut self, observer: Arc<dyn Observer>) -> RunOptions {
        self.observers.push(observer);
        self
    }

    /// Tells all observers.
    pub fn emit(&self, plan: &Plan, event: &Event<'_>) {
        for observer in &self.observers {
            observer.event(plan, event);
        }
    }

    fn and(&self, other: &RunOptions) -> RunOptions {
        RunOptions {
            cancel: self.cancel.iter().chain(&other.cancel).cloned().collect(),
            observers: self.observers.iter().chain(&other.observers).cloned().collect(),
        }
    }
}

/// A scheduler with options for its runs.
pub struct Configured<'s, S> {
    scheduler: &'s S,
    options: RunOptions,
}

impl<'s, S: Scheduler> Configured<'s, S> {
    fn new(scheduler: &'s S) -> Configured<'s, S> {
        Configured { scheduler, options: RunOptions::default() }
    }

    /// Adds an observer.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.options.observers.push(observer);
        self
    }

    /// Adds a token that stops the run.
    #[must_use]
    pub fn cancelled_by(mut self, token: &CancelToken) -> Self {
        self.options.cancel.push(token.clone());
        self
    }
}

impl<S: Scheduler> Scheduler for Configured<'_, S> {
    fn name(&self) -> String {
        self.scheduler.name()
    }
    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        self.scheduler.run(plan, &self.options.and(options))
    }
    fn persist(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        self.scheduler.persist(plan, &self.options.and(options))
    }
    fn n_workers(&self) -> usize {
        self.scheduler.n_workers()
    }
}

impl<S: Scheduler + ?Sized> Scheduler for Arc<S> {
    fn name(&self) -> String {
        (**self).name()
    }
    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        (**self).run(plan, options)
    }
    fn persist(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        (**self).persist(plan, options)
    }
    fn n_workers(&self) -> usize {
        (**self).n_workers()
    }
}
