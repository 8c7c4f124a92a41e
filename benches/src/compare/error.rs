//! What can go wrong while comparing.

use std::path::PathBuf;

/// What can go wrong while comparing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no Python to run the peers with.
    #[error("there is no {program} to run the Python peers with ({source}): install CPython 3.11 or newer, or name it in ARRAS_PYTHON")]
    NoPython {
        /// What was called.
        program: String,
        /// Why it did not start.
        source: std::io::Error,
    },
    /// A step of preparing the peers' environment failed.
    #[error("preparing the Python peers failed at `{step}`:\n{output}")]
    Environment {
        /// The command.
        step: String,
        /// What it wrote last.
        output: String,
    },
    /// A peer's process did not start.
    #[error("the peer `{program}` did not start: {source}")]
    PeerStart {
        /// What was called.
        program: String,
        /// Why it did not start.
        source: std::io::Error,
    },
    /// A peer's process ended, or answered something else than an answer.
    #[error("the peer was lost at `{request}`: {why}")]
    PeerLost {
        /// What it was asked.
        request: String,
        /// What happened.
        why: String,
    },
    /// A peer says that its run failed.
    #[error("{message}")]
    PeerFailed {
        /// In its own words.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was wrong with it.
        source: std::io::Error,
    },
    /// The threads of a native peer did not start.
    #[error("the native peer's threads did not start: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Ours failed.
    #[error(transparent)]
    Ours(#[from] arras_core::Error),
}

impl Error {
    /// What makes an error of a file's.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, source }
    }
}

/// What comparing gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;
