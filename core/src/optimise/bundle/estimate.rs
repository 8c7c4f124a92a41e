//! How long tasks take, as far as anybody knows before they run.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::Bundles;
use crate::key::Name;
use crate::plan::{Plan, Source};

/// What the user's code counts as while nobody has measured it: long enough to be worth a bundle of its own on any engine.
const UNKNOWN: u64 = 10_000_000;

/// What a kernel takes without touching a byte.
const KERNEL: u64 = 1_000;

/// More readers than this are taken to read a piece each, as those of a shuffle do.
const MANY: u64 = 8;

/// What is known of a task's duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A kernel: by what it says or its bytes, or measured.
    Kernel,
    /// The user's code, measured.
    Measured,
    /// The user's code: it may take anything.
    Unknown,
}

/// Observed durations: the mean of each layer's tasks. An engine that runs a plan again, or one that shares layers with it, cuts by what they took.
///
/// ```
/// use arras_core::optimise::{BundleOptions, Bundles, Costs};
/// use arras_core::{Graph, Plan, task};
/// use std::time::Duration;
/// let mut graph = Graph::new();
/// graph.insert("slow", task(|| 1i64, ()));
/// let plan = Plan::new(&graph, &["slow".into()])?;
/// let options = BundleOptions { slots: 4, per_bundle: Duration::from_micros(50), costs: None };
/// let mut costs = Costs::default();
/// costs.observe(&plan, &Bundles::new(&plan, &options), 0, Duration::from_secs(3));
/// let bundles = Bundles::new(&plan, &BundleOptions { costs: Some(&costs), ..options });
/// assert_eq!(bundles.cost(0), Duration::from_secs(3));
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Costs {
    layers: FxHashMap<Name, Observed>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Observed {
    nanoseconds: u128,
    tasks: u64,
}

impl Observed {
    fn mean(self) -> u64 {
        u64::try_from(self.nanoseconds / u128::from(self.tasks.max(1))).unwrap_or(u64::MAX)
    }
}

impl Costs {
    /// Takes in how long a bundle took: its tasks share the duration by what they were thought to take. Tasks without a layer, those of sub-plans, leave no trace. Where the threads
    /// of a slot share a bundle, their time together says more than the time on the clock.
    ///
    /// # Panics
    /// If the plan has no such bundle.
    pub fn observe(&mut self, plan: &Plan, bundles: &Bundles, bundle: u32, took: Duration) {
        let tasks = bundles.tasks(bundle);
        let expected: Vec<u64> =
            tasks.iter().map(|&id| estimate(plan, id, Some(self), |id| plan.nbytes(id), |index| constant_nbytes(plan, index)).0).collect();
        let all = expected.iter().map(|&nanoseconds| u128::from(nanoseconds)).sum::<u128>().max(1);
        for (&id, &nanoseconds) in tasks.iter().zip(&expected) {
            let Some(name) = plan.layer_name(id) else { continue };
            // Most tasks are of a layer that is there.
            let observed = match self.layers.get_mut(name) {
                Some(observed) => observed,
                None => self.layers.entry(name.clone()).or_default(),
            };
            observed.nanoseconds = observed.nanoseconds.saturating_add(took.as_nanos().saturating_mul(u128::from(nanoseconds)) / all);
            observed.tasks += 1;
        }
    }

    /// The mean duration of a layer's tasks, if any were observed.
    pub fn mean(&self, layer: &Name) -> Option<Duration> {
        self.layers.get(layer).map(|observed| Duration::from_nanos(observed.mean()))
    }
}

/// The nanoseconds that a task is thought to take, at least 1, and how that is known.
fn estimate(
    plan: &Plan,
    id: u32,
    costs: Option<&Costs>,
    nbytes: impl Fn(u32) -> Option<u64>,
    mut constant_nbytes: impl FnMut(u32) -> u64,
) -> (u64, Kind) {
    let is_users = plan.func(id).runs_user_code();
    if let Some(costs) = costs
        && let Some(observed) = plan.layer_name(id).and_then(|name| costs.layers.get(name))
    {
        return (observed.mean().max(1), if is_users { Kind::Measured } else { Kind::Kernel });
    }
    if is_users {
        return (UNKNOWN, Kind::Unknown);
    }
    if let Some(nanoseconds) = plan.func(id).nanoseconds(plan.block(id)) {
        return (KERNEL.saturating_add(nanoseconds), Kind::Kernel);
    }
    let inputs = plan.inputs(id).map(|input| match input {
        Source::Task(input) => {
            let (nbytes, n_readers) = (nbytes(input).unwrap_or(0), plan.readers(input).len() as u64);
            if n_readers > MANY { nbytes / n_readers } else { nbytes }
        }
        Source::Constant(index) => constant_nbytes(index),
    });
    // A nanosecond a byte.
    let bytes = inputs.fold(nbytes(id).unwrap_or(0), u64::saturating_add);
    (KERNEL.saturating_add(bytes), Kind::Kernel)
}

fn constant_nbytes(plan: &Plan, index: u32) -> u64 {
    plan.constant(index).nbytes() as u64
}

/// What is known of all tasks of a plan.
pub(super) struct Estimates {
    /// Nanoseconds, at least 1.
    pub(super) costs: Vec<u64>,
    pub(super) kinds: Vec<Kind>,
    /// Bytes of each task's value; of one that nobody stated, a guess.
    pub(super) nbytes: Vec<u64>,
    pub(super) total: u64,
    pub(super) has_unknown: bool,
}

/// What a value counts as whose size nobody stated, where bytes are weighed against each other.
const UNSTATED: u64 = 1 << 12;

impl Estimates {
    pub(super) fn new(plan: &Plan, costs: Option<&Costs>) -> Estimates {
        let n = plan.len();
        let mut nbytes: Vec<u64> = (0..n as u32).map(|id| plan.nbytes(id).unwrap_or(u64::MAX)).collect();
        // A constant that many tasks read is measured once.
        let mut constants: Vec<u64> = Vec::new();
        let mut constant = |index: u32| {
            if constants.is_empty() {
                constants = vec![u64::MAX; plan.n_constants() as usize];
            }
            let known = &mut constants[index as usize];
            if *known == u64::MAX {
                *known = constant_nbytes(plan, index);
            }
            *known
        };
        let mut estimates =
            Estimates { costs: Vec::with_capacity(n), kinds: Vec::with_capacity(n), nbytes: Vec::new(), total: 0, has_unknown: false };
        for id in 0..n as u32 {
            let stated = |id: u32| Some(nbytes[id as usize]).filter(|&nbytes| nbytes != u64::MAX);
            let (cost, kind) = estimate(plan, id, costs, stated, &mut constant);
            estimates.costs.push(cost);
            estimates.kinds.push(kind);
            estimates.has_unknown |= kind == Kind::Unknown;
            estimates.total = estimates.total.saturating_add(cost);
        }
        nbytes.iter_mut().filter(|nbytes| **nbytes == u64::MAX).for_each(|nbytes| *nbytes = UNSTATED);
        estimates.nbytes = nbytes;
        estimates
    }
}
