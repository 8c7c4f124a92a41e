//! What can go wrong, with the keys and values it went wrong at.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::key::Key;

/// Any error of user code, on its way into [`Error::Task`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Any error, shared: errors are cloned into every handle that was built on a failed one.
pub type SharedError = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// The result of building or running a graph.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when a graph is built, checked, submitted or run.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A task or the caller asks for a key that the graph does not hold. Raised when the graph is checked or frozen.
    #[error("key {key} is not in the graph{}", wanted(.wanted_by))]
    MissingKey {
        /// The key that was asked for.
        key: Key,
        /// The task that reads it, or none if the caller asked.
        wanted_by: Option<Key>,
    },
    /// Tasks that wait for each other. Raised when the graph is checked or frozen.
    #[error("the graph has a cycle: {}", arrows(.keys))]
    Cycle {
        /// The tasks of the cycle, each reading the next; the last reads the first.
        keys: Vec<Key>,
    },
    /// A value of another type than the one asked for.
    #[error("expected a value of type {expected}, found {found}")]
    WrongType {
        /// The type asked for.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// A task that was built by hand passes its function more or fewer inputs than it has parameters.
    #[error("a function of {expected} {} was called with {found} {}: give its task one key for each parameter", plural(*.expected, "parameter"), plural(*.found, "input"))]
    WrongInputs {
        /// The number of the function's parameters.
        expected: usize,
        /// The number of inputs.
        found: usize,
    },
    /// A task's function returned an error or panicked. Raised at run; nothing that was not yet running was started after it.
    #[error("task {key} failed in {func}: {source}")]
    Task {
        /// The task.
        key: Key,
        /// The function's name.
        func: String,
        /// What it returned, or a [`Panic`].
        source: SharedError,
    },
    /// A task that must travel to another process cannot. Raised when a graph is submitted, before anything runs.
    #[error(
        "task {key} cannot leave this process: {function}: {why}; capture nothing, or spell the captured values out with `with(env, f)`"
    )]
    NotPortable {
        /// The task.
        key: Key,
        /// The function's name, or the type's for a value.
        function: String,
        /// The reason.
        why: String,
    },
    /// The run was stopped by its cancel token.
    #[error("the run was cancelled after {finished} of {total} tasks")]
    Cancelled {
        /// Tasks that had finished.
        finished: usize,
        /// Tasks of the plan.
        total: usize,
    },
    /// A drawing that nobody could read. Raised by `visualize`.
    #[error(
        "a drawing of {tasks} tasks is not readable (the limit is {limit}): draw a smaller problem, look at `explain()`, or force it with `DrawOptions::forced`"
    )]
    TooLargeToDraw {
        /// Tasks of the graph.
        tasks: usize,
        /// The limit.
        limit: usize,
    },
    /// More tasks than a plan can number.
    #[error("a graph of {tasks} tasks is too large, the limit is {limit}: use larger blocks or fewer partitions")]
    TooManyTasks {
        /// Tasks of the graph.
        tasks: usize,
        /// The limit.
        limit: usize,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<std::io::Error>,
    },
    /// A setting that names no such thing, such as a scheduler.
    #[error("{what}: {value:?} is not one of {expected}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// An error of a collection (array, bag, frame), typed as that crate's own error.
    #[error("{0}")]
    Collection(SharedError),
}

impl Error {
    /// Wraps the error of a collection crate.
    pub fn collection(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Collection(Arc::new(error))
    }

    /// Wraps an error of the file system.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { path: path.into(), source: Arc::new(source) }
    }

    /// The error inside, however deep, if one is of this type: a collection's own error, what a task's function returned, or an error of the file system.
    ///
    /// ```
    /// # use arras_core::{Error, Panic};
    /// let error = Error::collection(Panic::new("out of range"));
    /// assert_eq!(error.find::<Panic>().unwrap().message(), "out of range");
    /// ```
    pub fn find<E: std::error::Error + 'static>(&self) -> Option<&E> {
        let mut error: &(dyn std::error::Error + 'static) = self.inner()?;
        loop {
            if let Some(found) = error.downcast_ref::<E>() {
                return Some(found);
            }
            // What is behind a shared pointer is of the pointer's type until it is asked for.
            error = match (error.downcast_ref::<Error>(), error.downcast_ref::<SharedError>()) {
                (Some(error), _) => error.inner()?,
                (_, Some(shared)) => &**shared,
                _ => error.source()?,
            };
        }
    }

    /// The error that this one is around.
    fn inner(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Task { source, .. } | Error::Collection(source) => Some(&**source),
            Error::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

pub(crate) fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

fn wanted(by: &Option<Key>) -> String {
    by.as_ref().map(|key| format!(", but task {key} reads it")).unwrap_or_default()
}

fn arrows(keys: &[Key]) -> String {
    keys.iter().chain(keys.first()).map(Key::to_string).collect::<Vec<_>>().join(" → ")
}

/// A caught panic of a task's function, as an error.
#[derive(Debug, Clone)]
pub struct Panic(String);

impl Panic {
    /// A panic with this message.
    pub fn new(message: impl Into<String>) -> Panic {
        Panic(message.into())
    }

    /// The panic that `std::panic::catch_unwind` returned.
    pub fn caught(payload: Box<dyn std::any::Any + Send>) -> Panic {
        match payload.downcast::<String>() {
            Ok(message) => Panic(*message),
            Err(payload) => match payload.downcast::<&'static str>() {
                Ok(message) => Panic((*message).to_owned()),
                Err(_) => Panic("a value that is no text".to_owned()),
            },
        }
    }

    /// What the panic said.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

impl std::error::Error for Panic {}
