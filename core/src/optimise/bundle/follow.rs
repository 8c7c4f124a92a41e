//! How far a bundle goes: it takes a ready task, and then what can follow it there and nowhere else.
//!
//! ```text
//!     all slots busy        breadth first, up to the round's limit
//!
//!     some idle             load ── cut ── step ── step        the cuts are cheap and come along: what they make is offered to all,
//!                              ╲── cut ── step ── step         a bundle for each row of steps in the next round
//!                               ╲─ cut ── step ── step
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::estimate::Kind;
use super::grow::Growth;

/// A task is cheap beside another that takes this many times as long.
const CHEAP: u64 = 16;

/// Offered work is worth sending a value for when it takes this many nanoseconds for each of its bytes.
const PER_BYTE: u64 = 4;

/// A bundle that grows.
#[derive(Clone, Copy, Default)]
pub(super) struct Open {
    /// How many have been opened, itself included. Unlike a bundle's number none is ever used twice.
    pub(super) number: u32,
    pub(super) n_tasks: u32,
    pub(super) cost: u64,
    has_unknown: bool,
    has_users: bool,
    /// Tasks that read this bundle first in the round, and wait for others too.
    n_waiting: u32,
    /// Tasks that others could have followed as well.
    n_beside: u32,
}

impl Open {
    pub(super) fn new(number: u32) -> Open {
        Open { number, ..Open::default() }
    }

    /// Whether the bundle went step by step, and about as many tasks wait for it and others as it took steps.
    pub(super) fn has_many_waiting(&self) -> bool {
        self.n_waiting > 1 && 2 * self.n_waiting >= self.n_tasks && 2 * self.n_beside <= self.n_tasks
    }
}

/// What can follow in an open bundle, the cheapest first, then breadth first.
#[derive(Default)]
pub(super) struct Frontier {
    heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
    pushed: u32,
    sum: u64,
    most: u64,
    n_unknown: u32,
    /// Bytes of the largest value that they read.
    nbytes: u64,
}

impl Frontier {
    fn push(&mut self, id: u32, cost: u64, kind: Kind, nbytes: u64) {
        self.heap.push(Reverse((cost, self.pushed, id)));
        self.pushed += 1;
        self.sum = self.sum.saturating_add(cost);
        self.most = self.most.max(cost);
        self.n_unknown += u32::from(kind == Kind::Unknown);
        self.nbytes = self.nbytes.max(nbytes);
    }

    /// Work for others, if the bundle goes on with the costliest.
    fn to_offer(&self) -> u64 {
        self.sum.saturating_sub(self.most)
    }
}

impl Growth<'_> {
    /// Puts a task into the open bundle, and what can follow it there into the queue.
    pub(super) fn take(&mut self, id: u32, open: &mut Open) {
        self.bundle_of[id as usize] = self.n_bundles;
        self.taken.push(id);
        let cost = self.estimates.costs[id as usize];
        self.left = self.left.saturating_sub(cost);
        open.n_tasks += 1;
        open.cost = open.cost.saturating_add(cost);
        match self.estimates.kinds[id as usize] {
            Kind::Kernel => {}
            Kind::Measured => open.has_users = true,
            Kind::Unknown => open.has_unknown = true,
        }
        let plan = self.plan;
        for &reader in plan.readers(id) {
            let state = &mut self.states[reader as usize];
            if state.first < self.round.first {
                state.first = open.number;
                open.n_waiting += 1;
            }
            state.waiting -= 1;
            if state.waiting > 0 {
                continue;
            }
            // Bundles grow one after another, so if the first that it reads is this one, all are.
            if state.first == open.number {
                open.n_waiting -= 1;
                self.queue.push(reader);
            } else {
                self.next.push(reader);
            }
        }
    }

    /// Follows what needs nothing but this bundle up to the limit. Whether that was met.
    pub(super) fn follow(&mut self, open: &mut Open) -> bool {
        let mut at = 0;
        while let Some(&id) = self.queue.get(at) {
            if self.is_at_limit(open) {
                self.next.extend_from_slice(&self.queue[at..]);
                self.queue.clear();
                return true;
            }
            at += 1;
            self.take(id, open);
        }
        self.queue.clear();
        false
    }

    /// As [`follow`](Growth::follow), up to where others would have something to do if the bundle ended. Whether that was met.
    pub(super) fn follow_to_offer(&mut self, open: &mut Open) -> bool {
        let mut frontier = std::mem::take(&mut self.frontier);
        let is_done = loop {
            let nbytes = self.taken.last().map_or(0, |&last| self.estimates.nbytes[last as usize]);
            for id in self.queue.drain(..) {
                frontier.push(id, self.estimates.costs[id as usize], self.estimates.kinds[id as usize], nbytes);
            }
            let Some(&Reverse((cost, _, id))) = frontier.heap.peek() else { break false };
            let is_cheap = cost.saturating_mul(CHEAP) <= frontier.most;
            if !is_cheap && self.is_worth_ending(open, &frontier, cost)
                || self.is_at_limit(open) && !(frontier.heap.len() == 1 && self.is_link(id))
            {
                self.next.extend(frontier.heap.drain().map(|Reverse((_, _, id))| id));
                break true;
            }
            open.n_beside += u32::from(frontier.heap.len() > 1);
            frontier.heap.pop();
            frontier.sum = frontier.sum.saturating_sub(cost);
            frontier.n_unknown -= u32::from(self.estimates.kinds[id as usize] == Kind::Unknown);
            if frontier.heap.is_empty() {
                (frontier.most, frontier.nbytes) = (0, 0);
            }
            self.take(id, open);
        };
        // Its memory is used again.
        frontier.heap.clear();
        self.frontier = Frontier { heap: frontier.heap, ..Frontier::default() };
        is_done
    }

    /// Whether others would have enough to do if the bundle ended: what it could go on with, the costliest aside, or what waits for it and its neighbours.
    fn is_worth_ending(&self, open: &Open, frontier: &Frontier, cost: u64) -> bool {
        let has_unknown = frontier.n_unknown > 1;
        let offered = frontier.to_offer();
        let is_worth_sending = has_unknown || offered >= frontier.nbytes.saturating_mul(PER_BYTE);
        if is_worth_sending && self.is_worth_a_bundle(offered, has_unknown, false) {
            return true;
        }
        let waiting = cost.saturating_mul(u64::from(open.n_waiting));
        self.round.has_waiting && open.has_many_waiting() && self.is_worth_a_bundle(waiting, open.has_unknown, open.has_users)
    }

    fn is_at_limit(&self, open: &Open) -> bool {
        open.cost >= self.round.limit && self.is_full(open)
    }

    /// Whether a bundle is worth its overhead.
    pub(super) fn is_full(&self, open: &Open) -> bool {
        self.is_worth_a_bundle(open.cost, open.has_unknown, open.has_users)
    }

    fn is_worth_a_bundle(&self, cost: u64, has_unknown: bool, has_users: bool) -> bool {
        // The user's functions are spread over all slots, however short they were.
        let worth = if has_users { self.worth.min(self.estimates.total / self.slots) } else { self.worth };
        cost >= self.round.grain.max(1) && (has_unknown || cost >= worth)
    }

    /// Whether a task and the one taken last are links of a chain, which nothing is gained by cutting. Where all slots are busy a long one is cut, and joined again when the last
    /// few are left.
    fn is_link(&self, id: u32) -> bool {
        self.taken.last().is_some_and(|&last| self.plan.readers(last) == [id]) && self.plan.task_inputs(id).take(2).count() == 1
    }
}
