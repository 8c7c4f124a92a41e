//! Observers: whoever wants to see a run happen.

use std::time::Duration;

use arras_core::{Error, Plan};

/// What happens in a run. Workers are numbered from 0; a thread keeps its number while it works for the run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins.
    RunStarted,
    /// A worker starts a task.
    Started {
        /// The task.
        task: u32,
        /// The worker.
        worker: usize,
    },
    /// A task's function has returned its value.
    Finished {
        /// The task.
        task: u32,
        /// The worker.
        worker: usize,
        /// The size of the value in bytes.
        nbytes: usize,
        /// How long the function ran.
        duration: Duration,
    },
    /// A value was dropped, as nobody will read it again.
    Freed {
        /// The task whose value it was.
        task: u32,
        /// Its size in bytes.
        nbytes: usize,
    },
    /// A value was written to disk and dropped, for want of memory.
    Spilled {
        /// The task whose value it is.
        task: u32,
        /// Its size in bytes.
        nbytes: usize,
    },
    /// A value was read back from disk.
    Restored {
        /// The task whose value it is.
        task: u32,
        /// Its size in bytes.
        nbytes: usize,
    },
    /// A task's function returned an error or panicked. The run ends.
    Failed {
        /// The task.
        task: u32,
        /// The error that the caller will get, unless another task failed before.
        error: &'a Error,
    },
    /// The run has ended, well or not.
    RunFinished,
}

/// Receives the [`Event`]s of a run, from the threads they happen on and while they wait: it should be quick. Runs without observers read no clock and pay nothing.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, plan: &Plan, event: &Event<'_>);
}
