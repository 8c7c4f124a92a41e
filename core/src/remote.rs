//! Remote values: what stays where it was computed, in the worker of an engine.
//!
//! ```text
//!     x.persist_with(&client)  ──► values stay on the workers; the graph holds a handle for each
//!         run by the same client ──► the handle becomes an edge to what is there
//!         run by anything else   ──► Plan::localised() fetches the value first
//! ```

use std::any::Any;
use std::fmt;

use crate::error::Result;
use crate::token::Token;
use crate::value::{Measure, Value};

/// A value that lives in an engine. The last handle to be dropped lets the engine free it.
pub trait Remote: Send + Sync + 'static {
    /// Brings the value here.
    ///
    /// # Errors
    /// What the engine says: the value's task failed, its worker is gone for good, the engine cannot be reached.
    fn fetch(&self) -> Result<Value>;

    /// Its size in bytes where it is, 0 if that is not known yet.
    fn nbytes(&self) -> usize;

    /// The token of what was computed: equal work gives equal tokens.
    fn token(&self) -> Token;

    /// The engine's own type, for the engine.
    fn as_any(&self) -> &dyn Any;

    /// What it is and where, in a few words, for errors.
    fn describe(&self) -> String;
}

/// The content of a [`Value`] that stands for a remote one.
pub(crate) struct RemoteHandle(pub(crate) std::sync::Arc<dyn Remote>);

impl Measure for RemoteHandle {
    fn nbytes(&self) -> usize {
        self.0.nbytes()
    }
}

impl fmt::Debug for RemoteHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.0.describe())
    }
}
