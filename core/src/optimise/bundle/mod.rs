//! Bundles: a plan cut into coarse sub-graphs, for engines to whom a task of their own costs as much as thousands of ours.
//!
//! ```text
//!     a sum of 16 leaves                     for one slot: four bundles that can start at once, and a small one after them
//!
//!                  o                                           ┌─────────┐
//!            ╱   ╱   ╲   ╲                                     │    o    │
//!          o    o     o    o                                   └─────────┘
//!        ╱╱╲╲  ╱╱╲╲ ╱╱╲╲  ╱╱╲╲               ┌─────────┐┌─────────┐┌─────────┐┌─────────┐
//!        oooo  oooo oooo  oooo               │ oooo, o ││ oooo, o ││ oooo, o ││ oooo, o │
//!                                            └─────────┘└─────────┘└─────────┘└─────────┘
//! ```
//! They are made in rounds. Each starts with what is ready, in groups of about equal cost, and each group takes along what needs nothing else.
//! Bundles of one round never read each other, and read earlier rounds only, so no cycle can arise. See [`grow`] for the rounds, [`cut`] for where groups end, [`follow`] for how
//! far they go, [`estimate`] for costs, [`quotient`] for what bundles hand to each other. Work: the number of tasks and edges, and a sort of what is ready in each round.

mod cut;
mod estimate;
mod follow;
mod grow;
mod quotient;

use std::time::Duration;

pub use estimate::Costs;

use crate::plan::Plan;
use estimate::Estimates;
use quotient::{Lists, Quotient};

/// What a plan is cut for.
#[derive(Debug, Clone, Copy)]
pub struct BundleOptions<'c> {
    /// Bundles that the engine runs at once. About four times as many are made, so that who is done early finds more.
    pub slots: usize,
    /// The engine's own cost of a bundle. Work that is known to be cheap is not cut finer than about ten times that.
    pub per_bundle: Duration,
    /// Durations that were observed before.
    pub costs: Option<&'c Costs>,
}

/// A plan cut into sub-graphs: each task is in one, and each comes after those whose values it reads. Equal plans and options give equal bundles.
/// A bundle is known by its number; methods panic at the number of a bundle or task that is not there.
///
/// ```
/// use arras_core::optimise::{BundleOptions, Bundles};
/// use arras_core::{Graph, Plan, task, task_of_many};
/// use std::time::Duration;
/// let mut graph = Graph::new();
/// for i in 0..1000u32 {
///     graph.insert(("leaf", i), task(move || i64::from(i), ()));
/// }
/// graph.insert("sum", task_of_many(|xs: &[&i64]| xs.iter().copied().sum::<i64>(), (0..1000).map(|i| ("leaf", i))));
/// let plan = Plan::new(&graph, &["sum".into()])?;
/// let bundles = Bundles::new(&plan, &BundleOptions { slots: 2, per_bundle: Duration::from_micros(50), costs: None });
/// assert_eq!(bundles.len(), 9);
/// assert_eq!(bundles.predecessors(8), [0, 1, 2, 3, 4, 5, 6, 7]);
/// assert_eq!(bundles.tasks(8), [1000]);
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bundles {
    bundle_of: Vec<u32>,
    tasks: Lists,
    inputs: Lists,
    exports: Lists,
    predecessors: Lists,
    successors: Lists,
    nanoseconds: Vec<u64>,
}

impl Bundles {
    /// Cuts a plan. Work: about 100 ns a task.
    pub fn new(plan: &Plan, options: &BundleOptions<'_>) -> Bundles {
        let estimates = Estimates::new(plan, options.costs);
        let bundle_of = grow::grow(plan, &estimates, options);
        let Quotient { bundle_of, n_bundles } = quotient::joined_chains(plan, bundle_of);
        let tasks = Lists::of_tasks(&bundle_of, n_bundles);
        let (inputs, exports) = quotient::values_between(plan, &bundle_of, &tasks);
        let (predecessors, successors) = quotient::neighbours(&bundle_of, &inputs);
        let mut nanoseconds = vec![0u64; n_bundles];
        for (&bundle, &cost) in bundle_of.iter().zip(&estimates.costs) {
            let sum = &mut nanoseconds[bundle as usize];
            *sum = sum.saturating_add(cost);
        }
        Bundles { bundle_of, tasks, inputs, exports, predecessors, successors, nanoseconds }
    }

    /// The number of bundles.
    pub fn len(&self) -> usize {
        self.nanoseconds.len()
    }

    /// Whether there are none, as the plan has no tasks.
    pub fn is_empty(&self) -> bool {
        self.nanoseconds.is_empty()
    }

    /// The tasks of a bundle, ascending.
    pub fn tasks(&self, bundle: u32) -> &[u32] {
        self.tasks.of(bundle)
    }

    /// The bundle that a task is in.
    pub fn bundle_of(&self, task: u32) -> u32 {
        self.bundle_of[task as usize]
    }

    /// The tasks of other bundles whose values a bundle reads, ascending.
    pub fn inputs(&self, bundle: u32) -> &[u32] {
        self.inputs.of(bundle)
    }

    /// The tasks of a bundle whose values other bundles read or the plan wants, ascending.
    pub fn exports(&self, bundle: u32) -> &[u32] {
        self.exports.of(bundle)
    }

    /// The bundles whose values a bundle reads, ascending; all come before it.
    pub fn predecessors(&self, bundle: u32) -> &[u32] {
        self.predecessors.of(bundle)
    }

    /// The bundles that read values of a bundle, ascending; all come after it.
    pub fn successors(&self, bundle: u32) -> &[u32] {
        self.successors.of(bundle)
    }

    /// How long the tasks of a bundle are thought to take, one after another.
    pub fn cost(&self, bundle: u32) -> Duration {
        Duration::from_nanos(self.nanoseconds[bundle as usize])
    }
}
