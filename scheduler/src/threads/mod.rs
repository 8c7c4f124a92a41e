//! All cores: worker threads of our own, work stealing, nested runs.
//!
//! ```text
//!     Threads ── Pool ── workers (n - 1, and spares)         pool.rs    who works for which run; slots, parking, lending
//!                 │
//!                 └── runs, the innermost first              run.rs     one plan being driven: deques, roots, bookkeeping, slots
//! ```
//! The thread that calls `compute` works for its own run, so a pool of one needs no thread at all, and a run always has somebody to finish it: nothing a
//! task waits for, rayon included, can starve it. Workers join runs while fewer than n threads run tasks. A thread whose run has nothing left for it, because the last tasks
//! are running elsewhere, parks and lends its slot; it never works for a stranger's run meanwhile, so no task waits below another that it has nothing
//! to do with, and a lock held across an inner run cannot meet itself.

mod admission;
mod pool;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use arras_core::{Plan, Result, Value};

use crate::scheduler::{RunOptions, Scheduler};
use pool::{Pool, Shared};

/// Runs tasks on `n` threads: the caller's and `n - 1` workers, which are started when first needed and park when idle.
///
/// Clones share the pool; it ends with the last of them. A task may itself call `compute` or use rayon. Threads that call `compute` at the same time share the workers, and each
/// works for its own run.
///
/// ```
/// use arras_core::delayed;
/// use arras_scheduler::{Compute, Threads};
/// let threads = Threads::new(2);
/// let parts: Vec<_> = (1..=10u64).map(|i| delayed(|i: u64| i * i, (i,))).collect();
/// let sum = delayed(|parts: &Vec<u64>| parts.iter().sum::<u64>(), (parts,));
/// assert_eq!(sum.compute_with(&threads)?, 385);
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Threads {
    pool: Arc<Pool>,
    memory: Option<MemoryLimit>,
}

/// How much values may take, and where they go beyond it.
#[derive(Debug, Clone)]
pub(crate) struct MemoryLimit {
    pub(crate) nbytes: u64,
    pub(crate) spill_directory: PathBuf,
}

impl Threads {
    /// Threads that run `n` tasks at the same time; 0 counts as 1.
    pub fn new(n: usize) -> Threads {
        Threads { pool: Arc::new(Pool::new(n.max(1))), memory: None }
    }

    /// The same threads, for runs whose values take at most so many bytes.
    ///
    /// A task starts only if its value, besides what the tasks before it in rank order need, fits; so a limit above what [`explain`](crate::Compute::explain) projects for one thread is
    /// kept by any number of threads. If the work needs more than the limit at once, values go to disk, those first that are read last, and come back when they are read
    /// ([`RunReport::spilled`](crate::RunReport::spilled) counts them). Counted are the values of tasks, by their sizes: not what a task's function takes while it runs, nor values that
    /// were there before, nor the runs inside tasks. A task that by itself reads and makes more than the limit runs all the same, and so does one whose inputs no disk takes.
    ///
    /// ```
    /// use arras_core::delayed;
    /// use arras_scheduler::{Compute, Recorder, Scheduler, Threads};
    /// let blocks: Vec<_> = (0..100u8).map(|i| delayed(|i: u8| vec![i; 10_000], (i,)).map(|block| block.len())).collect();
    /// let recorder = Recorder::new();
    /// blocks.compute_with(&Threads::new(4).memory_limit(35_000).observed_by(recorder.clone()))?;
    /// assert!(recorder.report().peak_live_nbytes <= 50_000);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[must_use]
    pub fn memory_limit(mut self, nbytes: u64) -> Threads {
        let spill_directory = self.memory.map_or_else(std::env::temp_dir, |memory| memory.spill_directory);
        self.memory = Some(MemoryLimit { nbytes, spill_directory });
        self
    }

    /// The folder that values beyond the [`memory_limit`](Threads::memory_limit) go to: the system's for temporary files, unless told otherwise. Their files have no names there, and end
    /// with the run.
    #[must_use]
    pub fn spill_directory(mut self, directory: impl Into<PathBuf>) -> Threads {
        let nbytes = self.memory.map_or(u64::MAX, |memory| memory.nbytes);
        self.memory = Some(MemoryLimit { nbytes, spill_directory: directory.into() });
        self
    }
}

impl Default for Threads {
    /// As many as the process may use CPUs: see [`cpu_count`].
    fn default() -> Threads {
        Threads::new(cpu_count())
    }
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Threads({})", self.n_workers())
    }
}

impl Scheduler for Threads {
    fn name(&self) -> String {
        "threads".to_owned()
    }
    fn n_workers(&self) -> usize {
        self.pool.shared().n_slots()
    }
    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        pool::run(self.pool.shared(), &plan.localised()?, options, self.memory.as_ref())
    }
}

/// The pool as tasks see it: it does not keep the pool alive, which would wait for itself.
impl Scheduler for Shared {
    fn name(&self) -> String {
        "threads".to_owned()
    }
    fn n_workers(&self) -> usize {
        self.n_slots()
    }
    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        pool::run(&self.this(), &plan.localised()?, options, None)
    }
}

/// The number of CPUs that this process may use: the machine's, less what its affinity mask and its cgroup's quota take away. At least 1.
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
