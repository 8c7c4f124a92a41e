//! `Parallel`: run calls, collect results.

use std::io::stderr;
use std::sync::{Arc, OnceLock};

use arras_core::{Collection, Data, Delayed, Error, Graph, Input, Key, Name, Plan, Result, Task, Token};
use arras_scheduler::{RunOptions, Scheduler, Synchronous, Threads, enclosing_scheduler};

use crate::jobs::effective_n_jobs;
use crate::progress::{Counted, Progress};

/// Runs many calls, several at a time, and gives their results in the order of the calls.
///
/// ```
/// use arras_parallel::{Parallel, delayed};
/// let parallel = Parallel::new().n_jobs(2);
/// let squares = parallel.map(1..=4u64, |i| i * i)?;
/// assert_eq!(squares, [1, 4, 9, 16]);
/// let powers = parallel.run((0..4).map(|i| delayed(i32::pow, (2, i))))?;
/// assert_eq!(powers, [1, 2, 4, 8]);
/// # Ok::<(), arras_core::Error>(())
/// ```
///
/// A call may run another `Parallel`, or compute a collection: inner runs share the workers of the outer one. Workers are started at the first run and kept for the next,
/// until the `Parallel` is dropped.
#[derive(Debug, Default)]
pub struct Parallel {
    n_jobs: Option<i32>,
    verbose: u32,
    threads: OnceLock<Threads>,
}

impl Parallel {
    /// One call at a time, quietly; inside [`with_scheduler`](arras_scheduler::with_scheduler) as many as that scheduler runs.
    pub fn new() -> Parallel {
        Parallel::default()
    }

    /// How many calls run at the same time: a positive number, -1 for all CPUs that the process may use, -2 for all but one, and so on. 1 runs the calls one after another on the
    /// calling thread. Inside a task the workers of the run around it are used, whatever the number.
    #[must_use]
    pub fn n_jobs(mut self, n_jobs: i32) -> Parallel {
        self.n_jobs = Some(n_jobs);
        self.threads = OnceLock::new();
        self
    }

    /// How much progress is told on standard error: nothing at 0, about so many lines, a line a call from 50 on for up to 50 calls.
    #[must_use]
    pub fn verbose(mut self, verbose: u32) -> Parallel {
        self.verbose = verbose;
        self
    }

    /// Runs the calls. A call may stand on other delayed values; what several calls share runs once, but equal calls run each for itself.
    ///
    /// # Errors
    /// [`Error::Setting`] if `n_jobs` is 0; [`Error::Task`] of the first call that failed or panicked, its key holding the call's position; the others are
    /// not started any more.
    pub fn run<T: Data + Clone>(&self, calls: impl IntoIterator<Item = Delayed<T>>) -> Result<Vec<T>> {
        let scheduler = self.scheduler()?;
        self.run_on(&*scheduler, calls)
    }

    /// `function` of each item.
    ///
    /// # Errors
    /// As for [`run`](Parallel::run).
    pub fn map<A, T, F>(&self, items: impl IntoIterator<Item = A>, function: F) -> Result<Vec<T>>
    where
        A: Clone + Send + Sync + 'static,
        T: Data + Clone,
        F: Fn(A) -> T + Send + Sync + 'static,
    {
        let function = Arc::new(function);
        self.run(items.into_iter().map(|item| {
            let function = Arc::clone(&function);
            arras_core::delayed(move || function(item.clone()), ())
        }))
    }

    /// Runs the calls on this scheduler.
    ///
    /// # Errors
    /// As for [`run`](Parallel::run).
    pub fn run_with<S: Scheduler, T: Data + Clone>(&self, scheduler: &S, calls: impl IntoIterator<Item = Delayed<T>>) -> Result<Vec<T>> {
        self.run_on(scheduler, calls)
    }

    fn run_on<T: Data + Clone>(&self, scheduler: &dyn Scheduler, calls: impl IntoIterator<Item = Delayed<T>>) -> Result<Vec<T>> {
        let name = Name::from_token("parallel", Token::unique());
        let mut graph = Graph::new();
        let mut keys = Vec::new();
        for (i, call) in calls.into_iter().enumerate() {
            let index = u32::try_from(i).map_err(|_| Error::TooManyTasks { tasks: i, limit: u32::MAX as usize })?;
            let key = Key::from((&name, index));
            let task = match call.as_call() {
                Some((func, arguments)) => Task::call(func, arguments.into_iter().map(Input::Value)),
                // The call's own graph, its last task moved here so that it has a place in the order of calls.
                None => {
                    let inner = call.graph()?;
                    graph.merge(&inner);
                    match inner.get(call.key()) {
                        Some(task) => task,
                        None => Task::Alias(call.key()),
                    }
                }
            };
            graph.insert(key.clone(), task);
            keys.push(key);
        }
        let plan = Arc::new(Plan::new(&graph, &keys)?);
        let options = RunOptions::default();
        let values = if self.verbose > 0 {
            let progress = Progress::new(scheduler.n_workers(), self.verbose, keys.len(), stderr());
            progress.begin(&scheduler.name());
            scheduler.run(&plan, &options.observe(Arc::new(Counted { progress, layer: name })))?
        } else {
            scheduler.run(&plan, &options)?
        };
        // The plan may hold values too, and what only one holds is moved.
        drop((plan, graph));
        values.into_iter().map(|value| value.into_inner()).collect()
    }

    fn scheduler(&self) -> Result<Arc<dyn Scheduler>> {
        match (enclosing_scheduler(), self.n_jobs) {
            (Some((running, true)), n_jobs) => {
                n_jobs.map(effective_n_jobs).transpose()?;
                Ok(running)
            }
            (Some((scoped, false)), None) => Ok(scoped),
            (_, n_jobs) => Ok(match effective_n_jobs(n_jobs.unwrap_or(1))? {
                1 => Arc::new(Synchronous),
                n => Arc::new(self.threads.get_or_init(|| Threads::new(n)).clone()),
            }),
        }
    }
}
