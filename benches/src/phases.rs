//! What a graph costs from its first task to its values, phase by phase.
//!
//! ```text
//!     build ──► cull ──► freeze (order, then dense ids) ──► run ──► values        drop the plan, afterwards
//! ```

use std::sync::Arc;
use std::time::Instant;

use arras_core::{Plan, Result, optimise};
use arras_scheduler::{RunOptions, Scheduler};

use crate::graphs::Shape;
use crate::memory;

/// Seconds for each phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phases {
    /// Making the keyed map.
    pub build: f64,
    /// Leaving out what is not wanted.
    pub cull: f64,
    /// Ordering and freezing into a plan, and letting go of the graphs and keys before it, as `compute` does.
    pub freeze: f64,
    /// Running the plan, until the wanted values are there.
    pub run: f64,
    /// Dropping the plan and the values: no part of [`total`](Phases::total).
    pub drop: f64,
}

impl Phases {
    /// From nothing to the values.
    pub fn total(&self) -> f64 {
        self.build + self.cull + self.freeze + self.run
    }

    /// The best of each phase.
    #[must_use]
    pub fn min(self, other: Phases) -> Phases {
        Phases {
            build: self.build.min(other.build),
            cull: self.cull.min(other.cull),
            freeze: self.freeze.min(other.freeze),
            run: self.run.min(other.run),
            drop: self.drop.min(other.drop),
        }
    }
}

/// Builds a graph and runs it, timing each phase.
///
/// # Errors
/// What the optimiser, the plan or the scheduler finds wrong.
pub fn measure<S: Scheduler>(shape: Shape, scheduler: &S) -> Result<Phases> {
    let mut since = Instant::now();
    let mut lap = || std::mem::replace(&mut since, Instant::now()).elapsed().as_secs_f64();
    let (graph, keys) = shape.build();
    let build = lap();
    let culled = optimise::cull(&graph, &keys)?;
    let cull = lap();
    let plan = Arc::new(Plan::new(&culled, &keys)?);
    let n_wanted = keys.len();
    drop((graph, keys, culled));
    let freeze = lap();
    let values = scheduler.run(&plan, &RunOptions::default())?;
    let run = lap();
    assert_eq!((plan.len(), values.len()), (shape.n_tasks() as usize, n_wanted), "every task is run and every wanted value is there");
    drop((plan, values));
    Ok(Phases { build, cull, freeze, run, drop: lap() })
}

/// The most bytes that building and running a graph held at once, by [`memory::peak_nbytes`].
///
/// # Errors
/// As for [`measure`].
pub fn peak_nbytes<S: Scheduler>(shape: Shape, scheduler: &S) -> Result<usize> {
    let (done, nbytes) = memory::peak_nbytes(|| measure(shape, scheduler));
    done.map(|_| nbytes)
}
