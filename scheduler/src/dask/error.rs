//! What can go wrong with a Dask cluster.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arras_core::{Error, Key};

/// What can go wrong with a Dask cluster. Find it in an [`Error`] with [`find`](Error::find); a task of the user's that failed is an
/// [`Error::Task`] as on every other scheduler.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DaskError {
    /// There is no Python to talk to Dask with. Raised on connecting.
    #[error("Python was not found as {}: {source}; install Python 3.9 or later, or name one in the environment variable ARRAS_PYTHON", python.display())]
    PythonMissing {
        /// What was started.
        python: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// That Python has no Dask. Raised on connecting.
    #[error(
        "{python} has no package `distributed`: run `{python} -m pip install distributed`, or name a Python that has it in the environment variable ARRAS_PYTHON",
        python = python.display()
    )]
    DistributedMissing {
        /// The interpreter.
        python: PathBuf,
    },
    /// A Python environment could not be prepared. Raised by [`PythonEnvironment::prepare`](super::PythonEnvironment::prepare).
    #[error("a Python environment with Dask could not be prepared in {}: {why}", folder.display())]
    Environment {
        /// Where.
        folder: PathBuf,
        /// What went wrong, in the words of the tool that said so.
        why: String,
    },
    /// The processes of a local cluster did not start, or do not answer. Raised by [`LocalCluster`](super::LocalCluster).
    #[error("the local Dask cluster: {why}")]
    LocalCluster {
        /// What went wrong.
        why: String,
    },
    /// The cluster runs another release than the Python here. Raised on connecting, unless
    /// [`ClientOptions::any_version`](super::ClientOptions::any_version).
    #[error("releases of distributed differ: {why}; install the cluster's release here (`python -m pip install distributed==…`)")]
    Versions {
        /// Which release is where.
        why: String,
    },
    /// Nobody answers, or not as a Dask scheduler does. Raised on connecting.
    #[error("no Dask scheduler at {address}: {why}")]
    Refused {
        /// Where it was looked for.
        address: String,
        /// What Dask said.
        why: String,
    },
    /// The executable could not be started beside the workers. Raised on connecting.
    #[error("the workers cannot run this executable: {why}")]
    Install {
        /// What the first worker said.
        why: String,
    },
    /// The Python process on this side has ended, or its connection to the scheduler, and with it all that this client held on the
    /// cluster. Connect again.
    #[error("the connection to the Dask cluster was lost: {why}")]
    BridgeLost {
        /// How that came.
        why: String,
    },
    /// Every worker that ran these tasks was lost while it did: they abort, run out of memory, or are unlucky. As the source of an
    /// [`Error::Task`].
    #[error("every worker that ran {} was lost: {why}", some(.keys))]
    WorkerLost {
        /// The tasks that were running, in the order in which they run.
        keys: Vec<Key>,
        /// What Dask said.
        why: String,
    },
    /// A future was cancelled: by hand, by a restart of the cluster, or because data that only one lost worker held cannot be computed
    /// again.
    #[error("cancelled: {why}")]
    Cancelled {
        /// Dask's reason.
        why: String,
    },
    /// Something did not happen in time.
    #[error("{what}: timed out{}", waited.map(|waited| format!(" after {waited:?}")).unwrap_or_default())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// For how long, where that is known.
        waited: Option<Duration>,
    },
    /// A published dataset that is not there, is there already, or is not what it is taken for.
    #[error("dataset {name:?}: {why}")]
    Dataset {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A value could not be written or read on its way.
    #[error("a value could not be handed over: {why}")]
    Damaged {
        /// What is wrong.
        why: String,
    },
    /// Any other error of Dask's.
    #[error("{kind}: {message}")]
    Cluster {
        /// The Python type.
        kind: String,
        /// What it said.
        message: String,
        /// Where, as Python shows it.
        traceback: String,
    },
}

impl From<DaskError> for Error {
    fn from(error: DaskError) -> Error {
        Error::collection(error)
    }
}

fn some(keys: &[Key]) -> String {
    match keys {
        [] => "a task".to_owned(),
        [key] => format!("task {key}"),
        [key, .., last] => format!("tasks {key} … {last} ({} tasks)", keys.len()),
    }
}
