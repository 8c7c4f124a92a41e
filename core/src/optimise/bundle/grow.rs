//! Rounds: each makes bundles of what is ready, and of all that needs nothing from another bundle of the same round.
//!
//! ```text
//!     ready        a   b │ c   d         in groups of about equal cost
//!                   ╲ ╱ ╲ ╱ ╲ ╱
//!                    e   f   g           e goes with a and b, g with c and d, and so does what reads nothing else
//!                      ╲ ╱ ╲ ╱
//!     next round        ...f...          f reads both bundles
//! ```
//! So a reduction's branches are followed by its trunk, a shuffle's pieces stay with what they are cut from, steps of a stencil become triangles and then diamonds, and a chain is
//! followed to its end. Papp, Anegg, Karanasiou and Yzelman grow the supersteps of bulk-synchronous schedules in this way (*Efficient Multi-Processor Scheduling in Increasingly
//! Realistic Models*, 2024). Here a round is no barrier: a bundle starts when its own inputs are there.
//!
//! A round is grown again with a lower limit if one bundle got much more than the others: what it takes in the first round that it can, others wait for in all later ones.

use super::BundleOptions;
use super::cut::Cutter;
use super::estimate::{Estimates, Kind};
use super::follow::{Frontier, Open};
use crate::plan::Plan;

/// Bundles for each slot, in a round that has work for that many.
const BUNDLES_PER_SLOT: u64 = 4;

/// How many of its least bundles a plan would make, or [`MOST_PER_SLOT`] for each slot if that is more.
const MOST_BUNDLES: u64 = 2048;
const MOST_PER_SLOT: u64 = 32;

/// Work known to be cheap is worth a bundle when it takes this many times the engine's own cost.
const OVERHEADS: u32 = 10;

/// The last bit of work, less than one bundle's share of all, is cut into about as many bundles.
const LAST_BUNDLES: u64 = 8;

pub(super) const NONE: u32 = u32::MAX;

/// The bundle of each task, numbered so that a bundle comes after those that it reads.
pub(super) fn grow(plan: &Plan, estimates: &Estimates, options: &BundleOptions<'_>) -> Vec<u32> {
    let n = plan.len();
    let slots = options.slots.clamp(1, 1 << 20) as u64;
    // Tasks of a small graph may take seconds each, and then each wants a slot of its own.
    if (n as u64) < slots * BUNDLES_PER_SLOT && estimates.kinds.iter().all(|&kind| kind == Kind::Unknown) {
        return (0..n as u32).collect();
    }
    let worth = options.per_bundle.saturating_mul(OVERHEADS);
    let mut growth = Growth {
        plan,
        estimates,
        slots,
        worth: u64::try_from(worth.as_nanos()).unwrap_or(u64::MAX),
        states: (0..n as u32).map(|id| State { waiting: plan.task_inputs(id).count() as u32, first: 0 }).collect(),
        bundle_of: vec![NONE; n],
        n_bundles: 0,
        opened: 0,
        left: estimates.total,
        ready: plan.roots().to_vec(),
        next: Vec::new(),
        queue: Vec::new(),
        frontier: Frontier::default(),
        taken: Vec::new(),
        round: Round { fair: u64::MAX, ..Round::default() },
    };
    let mut cutter = Cutter::new(n);
    while !growth.ready.is_empty() {
        growth.run_round(&mut cutter);
    }
    growth.bundle_of
}

/// What is known of a task while it has no bundle.
#[derive(Clone, Copy)]
pub(super) struct State {
    /// Inputs without a bundle, each time that they are read.
    pub(super) waiting: u32,
    /// The first bundle of the round that it reads, as [`Open::number`].
    pub(super) first: u32,
}

/// The measures of a round.
#[derive(Clone, Copy, Default)]
pub(super) struct Round {
    /// The first bundle of the round, as [`Open::number`].
    pub(super) first: u32,
    /// The least that a bundle should take.
    pub(super) grain: u64,
    /// The most that a bundle follows its own readers to.
    pub(super) limit: u64,
    /// Whether there is too little ready for all slots, so that bundles end as soon as they have something to offer to the idle ones.
    pub(super) has_idle: bool,
    /// Whether bundles end early also for what waits for them and their neighbours.
    pub(super) has_waiting: bool,
    /// The cost of the costliest bundle.
    most: u64,
    /// The cost of a bundle, if all were equal.
    fair: u64,
}

pub(super) struct Growth<'p> {
    pub(super) plan: &'p Plan,
    pub(super) estimates: &'p Estimates,
    pub(super) slots: u64,
    /// What known work must take to be worth a bundle.
    pub(super) worth: u64,
    pub(super) states: Vec<State>,
    pub(super) bundle_of: Vec<u32>,
    pub(super) n_bundles: u32,
    /// Bundles ever opened, those of rounds that were undone included.
    opened: u32,
    /// The cost of all tasks without a bundle.
    pub(super) left: u64,
    /// What a round starts with, in order of rank: all of it has a bundle when the round ends.
    ready: Vec<u32>,
    /// What the next one starts with.
    pub(super) next: Vec<u32>,
    /// Tasks that can go into the open bundle and into no other, breadth first.
    pub(super) queue: Vec<u32>,
    /// The same in a round with idle slots.
    pub(super) frontier: Frontier,
    /// The tasks that the round has taken, bundle by bundle.
    pub(super) taken: Vec<u32>,
    pub(super) round: Round,
}

impl Growth<'_> {
    fn run_round(&mut self, cutter: &mut Cutter) {
        let n_bundles = self.slots * BUNDLES_PER_SLOT;
        let share = self.estimates.total / n_bundles;
        let least = self.estimates.total / MOST_BUNDLES.max(self.slots * MOST_PER_SLOT);
        let n_ready = self.ready.len() as u64;
        let n_busy = n_ready.min(self.slots);
        let of_ready = self.ready.iter().fold(0u64, |sum, &id| sum.saturating_add(self.estimates.costs[id as usize]));
        let round = &mut self.round;
        round.grain = if self.left <= share { (share / LAST_BUNDLES).max(least) } else { least };
        round.has_idle = n_ready < 2 * self.slots;
        round.has_waiting = false;
        // Twice its share of all that is left, or if that is less of what the round is likely to take: twice what bundles took in the last one, or twice what is ready for each slot.
        let likely = round.fair.max(of_ready / n_busy);
        round.limit = (self.left / n_bundles).max(round.grain).min(likely).saturating_mul(2);
        let ends = if round.has_idle {
            (1..=self.ready.len()).collect()
        } else {
            // Fewer, if what is left is worth fewer.
            let n_groups =
                if self.estimates.has_unknown { n_bundles } else { n_bundles.min(self.left / self.worth.max(1)).max(self.slots) };
            cutter.groups(self.plan, self.estimates, &self.bundle_of, &self.ready, n_groups)
        };

        let (left, before) = (self.left, self.n_bundles);
        loop {
            let has_waiting = self.grow_groups(&ends);
            let n_made = u64::from(self.n_bundles - before);
            self.round.fair = (left - self.left) / n_made.max(n_busy);
            let limit = self.round.fair.max(self.round.most / 4).max(self.round.grain);
            if has_waiting && !self.round.has_waiting {
                self.round.has_waiting = true;
            } else if self.round.most / 2 > self.round.fair && limit < self.round.limit {
                self.round.limit = limit;
            } else {
                break;
            }
            self.undo(before, left);
        }
        self.taken.clear();
        std::mem::swap(&mut self.ready, &mut self.next);
        self.next.clear();
        self.ready.sort_unstable();
    }

    /// Makes bundles of groups of ready tasks. Whether one went on while much that idle slots could do waited for it and others, as along the edge of a grid whose cells each wait for
    /// two neighbours.
    fn grow_groups(&mut self, ends: &[usize]) -> bool {
        (self.round.first, self.round.most) = (self.opened + 1, 0);
        let mut has_waiting = false;
        let before = self.n_bundles;
        let mut open = self.open();
        let mut start = 0;
        for &end in ends {
            for i in start..end {
                self.take(self.ready[i], &mut open);
                let is_done = if self.round.has_idle { self.follow_to_offer(&mut open) } else { self.follow(&mut open) };
                has_waiting |= self.round.has_idle && open.has_many_waiting();
                if is_done || open.cost >= self.round.limit && self.is_full(&open) {
                    open = self.close(open);
                }
            }
            if self.is_full(&open) {
                open = self.close(open);
            }
            start = end;
        }
        if open.n_tasks > 0 {
            // Too little for a bundle goes with its neighbour.
            if self.n_bundles > before && !self.round.has_idle {
                self.n_bundles -= 1;
                let start = self.taken.len() - open.n_tasks as usize;
                self.taken[start..].iter().for_each(|&id| self.bundle_of[id as usize] = self.n_bundles);
            }
            self.close(open);
        }
        has_waiting
    }

    fn open(&mut self) -> Open {
        self.opened += 1;
        Open::new(self.opened)
    }

    fn close(&mut self, open: Open) -> Open {
        self.n_bundles += 1;
        self.round.most = self.round.most.max(open.cost);
        self.open()
    }

    /// Takes back a round that left `left` to do and started with bundle `before`.
    fn undo(&mut self, before: u32, left: u64) {
        for &id in &self.taken {
            self.bundle_of[id as usize] = NONE;
            for &reader in self.plan.readers(id) {
                self.states[reader as usize].waiting += 1;
            }
        }
        self.taken.clear();
        self.next.clear();
        (self.n_bundles, self.left) = (before, left);
    }
}
