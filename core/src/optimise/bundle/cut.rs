//! Where groups of ready tasks end: after about equal costs, moved by up to a third to where the least would have to be sent.
//!
//! ```text
//!     ready, by rank        a   b   c   d   e   f   g   h
//!                            ╲ ╱     ╲ ╱     ╲ ╱     ╲ ╱
//!     read by                 o       o       o       o
//!
//!     crosses the cut       4   0   4   0   4   0   4             bytes that lie on both sides of what reads them
//! ```

use super::estimate::Estimates;
use crate::plan::Plan;

/// Room for looking for cuts, kept from round to round.
pub(super) struct Cutter {
    /// For each task, one more than the last ready task that it was seen to read, counted over all rounds.
    seen_at: Vec<u32>,
    /// Ready tasks of earlier rounds.
    seen: u32,
    /// Bytes that cross the cut before each ready task.
    crossing: Vec<u64>,
    /// The cost of all ready tasks before each.
    before: Vec<u64>,
}

impl Cutter {
    pub(super) fn new(n_tasks: usize) -> Cutter {
        Cutter { seen_at: vec![0; n_tasks], seen: 0, crossing: Vec::new(), before: Vec::new() }
    }

    /// The ends of about `n_groups` groups of the ready tasks, which are in order of rank. The last end is their number.
    pub(super) fn groups(&mut self, plan: &Plan, estimates: &Estimates, bundle_of: &[u32], ready: &[u32], n_groups: u64) -> Vec<usize> {
        self.before.clear();
        let mut cost = 0u64;
        for &id in ready {
            self.before.push(cost);
            cost = cost.saturating_add(estimates.costs[id as usize]);
        }
        self.before.push(cost);
        self.find_crossing(plan, estimates, bundle_of, ready);

        let (before, crossing) = (&self.before, &self.crossing);
        let mut ends = Vec::new();
        let mut start = 0;
        while start < ready.len() {
            let share = (cost - before[start]) / n_groups.saturating_sub(ends.len() as u64).max(1);
            let at = |share: u64| before.partition_point(|&cost| cost < before[start].saturating_add(share));
            let exact = at(share).clamp(start + 1, ready.len());
            // At least one task to either side, so that pairs stay together.
            let first = at(share - share / 3).min(exact - 1).max(start + 1);
            let last = (at(share.saturating_add(share / 3 + 1)) - 1).max(exact + 1).min(ready.len());
            let off = |end: usize| (before[end] - before[start]).abs_diff(share);
            let end = (first..=last).min_by_key(|&end| (crossing[end], off(end))).unwrap_or(exact);
            ends.push(end);
            start = end;
        }
        ends
    }

    /// Bytes at each cut: of ready tasks that share a reader with one before the cut, and what would be read from one bundle on both sides.
    fn find_crossing(&mut self, plan: &Plan, estimates: &Estimates, bundle_of: &[u32], ready: &[u32]) {
        // Differences first: from where a cut starts to be crossed, to where it ends.
        self.crossing.clear();
        self.crossing.resize(ready.len() + 1, 0);
        let mut home_before: Option<(u32, u64)> = None;
        for (number, &id) in ready.iter().enumerate() {
            let nbytes = estimates.nbytes[id as usize];
            let here = self.seen + number as u32 + 1;
            for &reader in plan.readers(id) {
                let last = std::mem::replace(&mut self.seen_at[reader as usize], here);
                if last > self.seen && last < here {
                    let from = &mut self.crossing[(last - self.seen) as usize];
                    *from = from.wrapping_add(nbytes);
                    let to = &mut self.crossing[number + 1];
                    *to = to.wrapping_sub(nbytes);
                }
            }
            // The bundle with the task's largest input is where it would best run.
            let largest = plan.task_inputs(id).max_by_key(|&input| (estimates.nbytes[input as usize], std::cmp::Reverse(input)));
            let home = largest.map(|input| (bundle_of[input as usize], estimates.nbytes[input as usize]));
            if let (Some((left, one)), Some((right, other))) = (home_before, home)
                && left == right
            {
                let both = one.min(other);
                self.crossing[number] = self.crossing[number].wrapping_add(both);
                self.crossing[number + 1] = self.crossing[number + 1].wrapping_sub(both);
            }
            home_before = home;
        }
        self.seen += ready.len() as u32;
        let mut sum = 0u64;
        for bytes in &mut self.crossing {
            sum = sum.wrapping_add(*bytes);
            *bytes = sum;
        }
        // What crosses every cut, as a value that all of them read, is no reason to end at the end.
        if let Some(least) = self.crossing[1..ready.len()].iter().copied().min() {
            self.crossing[ready.len()] = least;
        }
    }
}
