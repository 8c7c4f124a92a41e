//! The optimiser: pure functions from graph to graph, and the cut of a plan into bundles. None of them runs a task.
//!
//! ```text
//!     graph ── cull ──────► only what the wanted keys need
//!           ── inline ────► small values written into their readers, aliases resolved
//!           ── fuse ──────► a chain of tasks becomes one
//!     plan  ── Bundles ───► sub-graphs, for engines that pay for each
//! ```

mod bundle;
mod cull;
mod fuse;
mod inline;

pub use bundle::{BundleOptions, Bundles, Costs};
pub use cull::cull;
pub use fuse::fuse;
pub use inline::inline;

use crate::error::Result;
use crate::graph::Graph;
use crate::key::Key;

/// All passes in turn. In debug builds the graph is checked between them.
///
/// # Errors
/// [`Error::MissingKey`](crate::Error::MissingKey), [`Error::Cycle`](crate::Error::Cycle).
///
/// ```
/// use arras_core::{Graph, optimise, task, value};
/// let mut graph = Graph::new();
/// graph.insert("x", value(1i64));
/// graph.insert("y", task(|x: &i64| x + 1, ("x",)));
/// graph.insert("z", task(|y: &i64| y * 2, ("y",)));
/// graph.insert("unused", task(|x: &i64| x - 1, ("x",)));
/// let optimised = optimise::optimise(&graph, &["z".into()])?;
/// assert_eq!(optimised.len(), 1);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn optimise(graph: &Graph, keys: &[Key]) -> Result<Graph> {
    let checked = |graph: Graph| -> Result<Graph> {
        if cfg!(debug_assertions) {
            graph.check()?;
        }
        Ok(graph)
    };
    let graph = checked(cull(graph, keys)?)?;
    let graph = checked(inline(&graph, keys)?)?;
    checked(fuse(&graph, keys)?)
}
