//! Processes: worker processes of this machine, which are this program started again.
//!
//! ```text
//!     Processes ── fleet.rs   the worker processes, their lives and connections;  pulse.rs   who does not answer is replaced
//!         │
//!         └─ run(plan) ──► bundles ──► parts.rs, shape.rs    what passes between them
//!                                          │
//!                    drivers ◄── orders ── coordinator.rs    which bundle where, what is fetched, dropped, done again; ready.rs
//!                    driver.rs ── events ──►
//! ```
//! A plan is cut into bundles, and a worker runs a whole bundle on its own threads scheduler; what other bundles read stays in its store. A
//! worker that ends in whatever way, or does not answer any more, is replaced, and what only it held and somebody still needs is computed
//! again.

mod coordinator;
mod driver;
mod events;
mod fleet;
mod parts;
mod payloads;
mod pulse;
mod ready;
mod run;
mod shape;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arras_core::{Error, Plan, Result, Value};

use crate::scheduler::{RunOptions, Scheduler};
use crate::worker::message::Stats;
use crate::worker::require_init;
use fleet::{Fleet, Settings};

/// Runs tasks in `n` worker processes of one thread each: for code that must not share a process, as it crashes, leaks, or is not
/// thread-safe.
///
/// The workers are this program, started again; so [`init`](crate::init) must stand first in `main`. They are started by the first run,
/// kept for the next, and ended when the last clone is dropped, or when this process ends in whatever way. All functions and values must be
/// portable. Where that is fine, [`Threads`](crate::Threads) is faster: nothing is copied.
///
/// A worker that ends, or does not answer for ten seconds, is replaced, and what was lost with it is computed again. A task whose workers
/// are lost three times ends the run with an [`Error::Task`] that holds
/// [`WorkerError::TaskKillsWorkers`](crate::WorkerError::TaskKillsWorkers). A task may itself call `compute`, which runs on its worker's
/// threads.
///
/// ```no_run
/// use arras_core::delayed;
/// use arras_scheduler::{Compute, Processes};
///
/// fn main() -> arras_core::Result<()> {
///     arras_scheduler::init();
///     let processes = Processes::new(2)?;
///     let parts: Vec<_> = (1..=10u64).map(|i| delayed(|i: u64| i * i, (i,))).collect();
///     let sum = delayed(|parts: &Vec<u64>| parts.iter().sum::<u64>(), (parts,));
///     assert_eq!(sum.compute_with(&processes)?, 385);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Processes {
    owner: Arc<Owner>,
}

/// Ends the workers with the last clone.
struct Owner {
    fleet: Arc<Fleet>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.fleet.close();
    }
}

impl Processes {
    /// `n` worker processes of one thread each; 0 counts as 1.
    ///
    /// # Errors
    /// [`WorkerError::NotInitialised`](crate::WorkerError::NotInitialised) unless [`init`](crate::init) was called, with the line to add.
    pub fn new(n: usize) -> Result<Processes> {
        Processes::builder(n).build()
    }

    /// `n` worker processes, with options.
    ///
    /// ```no_run
    /// # use arras_scheduler::Processes;
    /// let processes = Processes::builder(4).threads(2).memory_limit(1 << 30).build()?;
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn builder(n: usize) -> ProcessesBuilder {
        ProcessesBuilder {
            settings: Settings {
                n_workers: n.max(1),
                threads: 1,
                memory_limit: None,
                spill_directory: None,
                heartbeat: Duration::from_secs(10),
                attempts: 3,
            },
        }
    }

    /// The process numbers of the workers that run at present.
    pub fn pids(&self) -> Vec<u32> {
        self.owner.fleet.pids()
    }

    /// What the workers that run at present hold and have done.
    #[doc(hidden)]
    pub fn stats(&self) -> Result<Vec<Stats>> {
        self.owner.fleet.stats().map_err(Error::collection)
    }
}

impl std::fmt::Debug for Processes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Settings { n_workers, threads, .. } = self.owner.fleet.settings;
        write!(f, "Processes({n_workers} of {threads} threads)")
    }
}

impl Scheduler for Processes {
    fn name(&self) -> String {
        "processes".to_owned()
    }
    fn n_workers(&self) -> usize {
        self.owner.fleet.settings.n_workers * self.owner.fleet.settings.threads
    }
    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        run::run(&self.owner.fleet, plan, options)
    }
}

/// Options of [`Processes`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ProcessesBuilder {
    settings: Settings,
}

impl ProcessesBuilder {
    /// Tasks that each worker runs at once; 0 counts as 1.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = threads.max(1);
        self
    }

    /// Bytes of values that each worker holds in memory between bundles. What is more goes to disk and comes back.
    pub fn memory_limit(mut self, nbytes: u64) -> Self {
        self.settings.memory_limit = Some(nbytes);
        self
    }

    /// The folder for what goes to disk, in files without a name. The temporary folder unless it is set.
    pub fn spill_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.settings.spill_directory = Some(directory.into());
        self
    }

    /// How long a worker may be silent before it is killed and replaced: ten seconds unless it is set. A worker answers while its tasks
    /// run.
    pub fn heartbeat(mut self, limit: Duration) -> Self {
        self.settings.heartbeat = limit.max(Duration::from_millis(1));
        self
    }

    /// How many workers may be lost to the same task before the run ends: three unless it is set; 0 counts as 1. At the last attempt a
    /// worker runs the tasks one by one and says which one starts, which costs some microseconds a task: if there is but one attempt,
    /// always.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.settings.attempts = attempts.max(1);
        self
    }

    /// The scheduler. No process is started yet.
    ///
    /// # Errors
    /// As for [`Processes::new`]; [`Error::Io`] if the folder to spill to is none, or its path is no UTF-8.
    pub fn build(mut self) -> Result<Processes> {
        require_init()?;
        if let Some(directory) = &mut self.settings.spill_directory {
            // Workers that are started later must not look for it elsewhere.
            let is_there = || {
                std::fs::read_dir(&directory)?;
                let absolute = std::path::absolute(&directory)?;
                absolute.to_str().ok_or(std::io::ErrorKind::InvalidInput)?;
                Ok(absolute)
            };
            let absolute = is_there().map_err(|error| Error::io(&directory, error))?;
            *directory = absolute;
        }
        Ok(Processes { owner: Arc::new(Owner { fleet: Arc::new(Fleet::new(self.settings)) }) })
    }
}
