//! What can go wrong with worker processes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What can go wrong with worker processes. Find it in an [`Error`](arras_core::Error) with [`find`](arras_core::Error::find).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The program does not call [`init`](crate::init), so its worker processes would run the program instead of serving.
    #[error("worker processes are this program started again: add `arras::init();` as the first line of `main`")]
    NotInitialised,
    /// A worker process could not be started.
    #[error("a worker process could not be started: {source}")]
    Start {
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// A worker refused to serve.
    #[error("a worker process refused: {why}")]
    Refused {
        /// Why.
        why: String,
    },
    /// A worker process ended, or stopped answering.
    #[error("worker process {pid} was lost: {why}")]
    Lost {
        /// The process.
        pid: u32,
        /// How it ended, or what its connection said.
        why: String,
    },
    /// A worker process did not answer in time.
    #[error("worker process {pid} did not answer within {waited:?}")]
    Silent {
        /// The process.
        pid: u32,
        /// How long it had.
        waited: Duration,
    },
    /// Every worker that ran a task was lost.
    #[error("{attempts} worker processes in a row were lost while they ran it, the last one: {why}")]
    TaskKillsWorkers {
        /// How often it was tried.
        attempts: u32,
        /// How the last worker ended.
        why: String,
    },
    /// A value that a worker was to hold is not there.
    #[error("worker process {pid} does not hold value {id}")]
    Missing {
        /// The process.
        pid: u32,
        /// The value's number.
        id: u64,
    },
    /// A value could not be written or read on its way.
    #[error("a value could not be handed over: {why}")]
    Damaged {
        /// What is wrong.
        why: String,
    },
    /// A task failed in a worker: its own words.
    #[error("{message}")]
    Failed {
        /// What the task's error said.
        message: String,
    },
}

impl WorkerError {
    pub(crate) fn start(error: impl Into<io::Error>) -> WorkerError {
        WorkerError::Start { source: Arc::new(error.into()) }
    }
}
