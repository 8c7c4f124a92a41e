//! Which task may start under a memory limit, and which values go to disk for it. A plain value: it reads no clock, takes no lock and does no I/O.
//!
//! ```text
//!     rank order      0 1 2 3 4 5 6 7 8 9 …
//!                         ▲       ▲
//!                       head    ahead        done in rank order, tasks need at most  held[i]  bytes at task i: known beforehand
//! ```
//! The *head*, the first task that is not done, may always start: its inputs are there. Any other task is *ahead*, and its value is held besides what rank order needs. It may
//! start if that fits for each task between the head and itself, so going ahead never brings the head into need: a limit that rank order keeps is kept by any
//! number of threads, and no value is spilled. If rank order itself needs more, the values that are read last go to disk when the head needs room.

use std::collections::{BTreeMap, BTreeSet};

use arras_core::{Name, Plan, Source};
use rustc_hash::FxHashMap;

/// Tasks that are looked at, in rank order, for one that fits.
const CANDIDATES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not made, or gone.
    Nowhere,
    Memory,
    Disk,
}

/// What a thread is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) task: u32,
    /// Inputs to read back from disk.
    pub(crate) restore: Vec<u32>,
}

/// What is held, what runs, what is ready.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: u64,
    held: RangeMax,
    ready: BTreeSet<u32>,
    done: Box<[bool]>,
    running: Box<[bool]>,
    head: u32,
    /// Tasks beyond the head that run or whose values are held, and the sizes of these.
    ahead: BTreeMap<u32, u64>,
    ahead_nbytes: u64,
    place: Box<[Place]>,
    sizes: Box<[u64]>,
    /// The bytes of the values in memory.
    resident_nbytes: u64,
    /// What running tasks are going to hold.
    expected_nbytes: u64,
    /// How many running tasks read a value.
    pins: FxHashMap<u32, u32>,
    /// Values that cannot be written to disk.
    stays: BTreeSet<u32>,
    /// Values in memory by the task that reads them next.
    by_use: BTreeSet<(u32, u32)>,
    /// The next reader of each value that is in `by_use`.
    next_use: Box<[u32]>,
    /// Rank order itself has needed the disk, so going ahead may too.
    spills: bool,
    /// The largest value so far of each layer whose sizes are not stated.
    seen: FxHashMap<Name, u64>,
}

impl Admission {
    pub(crate) fn new(plan: &Plan, limit: u64) -> Admission {
        let n = plan.len();
        let (held, peak) = held_in_rank_order(plan);
        // With values on disk there is no more than the limit. What is left of it lets other threads go ahead.
        let held = if peak > limit { held.into_iter().map(|nbytes| nbytes.min(limit / 4 * 3)).collect() } else { held };
        Admission {
            limit,
            held: RangeMax::new(held),
            ready: plan.roots().iter().copied().collect(),
            done: vec![false; n].into(),
            running: vec![false; n].into(),
            head: 0,
            ahead: BTreeMap::new(),
            ahead_nbytes: 0,
            place: vec![Place::Nowhere; n].into(),
            sizes: vec![0; n].into(),
            resident_nbytes: 0,
            expected_nbytes: 0,
            pins: FxHashMap::default(),
            stays: BTreeSet::new(),
            by_use: BTreeSet::new(),
            next_use: vec![0; n].into(),
            spills: false,
            seen: FxHashMap::default(),
        }
    }

    /// Whether a thread that came now would find something to start.
    pub(crate) fn has_work(&self, plan: &Plan) -> bool {
        self.choose(plan).is_some()
    }

    /// The next task, which counts as running from now on.
    pub(crate) fn start(&mut self, plan: &Plan) -> Option<Start> {
        let task = self.choose(plan)?;
        self.ready.remove(&task);
        self.running[task as usize] = true;
        let expected = self.estimate(plan, task);
        self.sizes[task as usize] = expected;
        self.expected_nbytes += expected;
        if task != self.head {
            self.ahead.insert(task, expected);
            self.ahead_nbytes += expected;
        }
        for input in plan.task_inputs(task) {
            *self.pins.entry(input).or_default() += 1;
        }
        Some(Start { task, restore: self.on_disk(plan, task) })
    }

    /// The value to write to disk next, as long as [`Admission::lacks`] room: the one that is read last.
    pub(crate) fn next_to_spill(&self) -> Option<u32> {
        self.spillable().next()
    }

    /// What may go to disk, that which is read last first.
    fn spillable(&self) -> impl Iterator<Item = u32> + '_ {
        let ids = self.by_use.iter().rev().map(|&(_, id)| id);
        ids.filter(|id| !self.pins.contains_key(id) && !self.stays.contains(id))
    }

    /// How many bytes are held over the limit if these values are restored and what runs is done.
    pub(crate) fn lacks(&self, restore: &[u32]) -> u64 {
        let restored: u64 = restore.iter().map(|&id| self.sizes[id as usize]).sum();
        (self.resident_nbytes + self.expected_nbytes + restored).saturating_sub(self.limit)
    }

    /// A value is on disk now.
    pub(crate) fn spilled(&mut self, id: u32) {
        self.spills = true;
        self.leave_memory(id);
        self.place[id as usize] = Place::Disk;
    }

    /// A value cannot be written to disk.
    pub(crate) fn stays(&mut self, id: u32) {
        self.stays.insert(id);
    }

    /// A value is in memory again.
    pub(crate) fn restored(&mut self, plan: &Plan, id: u32) {
        self.place[id as usize] = Place::Memory;
        self.resident_nbytes += self.sizes[id as usize];
        self.next_use[id as usize] = self.find_next_use(plan, id);
        self.by_use.insert((self.next_use[id as usize], id));
    }

    /// A task's value is there.
    pub(crate) fn finished(&mut self, plan: &Plan, task: u32, nbytes: u64) {
        self.running[task as usize] = false;
        self.done[task as usize] = true;
        self.expected_nbytes -= std::mem::replace(&mut self.sizes[task as usize], nbytes);
        if let Some(ahead) = self.ahead.get_mut(&task) {
            self.ahead_nbytes = self.ahead_nbytes - *ahead + nbytes;
            *ahead = nbytes;
        }
        if plan.nbytes(task).is_none()
            && let Some(layer) = plan.layer_name(task)
        {
            let seen = self.seen.entry(layer.clone()).or_default();
            *seen = nbytes.max(*seen);
        }
        self.restored(plan, task);
        for input in plan.task_inputs(task) {
            if let Some(pins) = self.pins.get_mut(&input) {
                *pins -= 1;
                if *pins == 0 {
                    self.pins.remove(&input);
                }
            }
            if self.by_use.remove(&(self.next_use[input as usize], input)) {
                self.next_use[input as usize] = self.find_next_use(plan, input);
                self.by_use.insert((self.next_use[input as usize], input));
            }
        }
        while self.done.get(self.head as usize) == Some(&true) {
            self.head += 1;
        }
        // What the head has reached is part of what rank order holds.
        while let Some(entry) = self.ahead.first_entry()
            && *entry.key() <= self.head
        {
            self.ahead_nbytes -= entry.remove();
        }
    }

    /// A task has all its inputs.
    pub(crate) fn readied(&mut self, task: u32) {
        self.ready.insert(task);
    }

    /// A value that nobody will read again, and that was in memory, is gone.
    pub(crate) fn released(&mut self, id: u32) {
        self.leave_memory(id);
        self.place[id as usize] = Place::Nowhere;
        if let Some(nbytes) = self.ahead.remove(&id) {
            self.ahead_nbytes -= nbytes;
        }
    }

    /// Whether a value is on disk.
    pub(crate) fn is_on_disk(&self, id: u32) -> bool {
        self.place[id as usize] == Place::Disk
    }

    fn leave_memory(&mut self, id: u32) {
        self.by_use.remove(&(self.next_use[id as usize], id));
        self.resident_nbytes -= self.sizes[id as usize];
    }

    fn on_disk(&self, plan: &Plan, task: u32) -> Vec<u32> {
        let mut ids: Vec<u32> = plan.task_inputs(task).filter(|&id| self.is_on_disk(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The size that a task's value is expected to have.
    fn estimate(&self, plan: &Plan, task: u32) -> u64 {
        plan.nbytes(task).or_else(|| plan.layer_name(task).and_then(|layer| self.seen.get(layer).copied())).unwrap_or(0)
    }

    fn choose(&self, plan: &Plan) -> Option<u32> {
        self.ready.iter().copied().take(CANDIDATES).find(|&task| task == self.head || self.fits_ahead(plan, task))
    }

    /// Whether a task beyond the head may start.
    fn fits_ahead(&self, plan: &Plan, task: u32) -> bool {
        let own = self.estimate(plan, task);
        let restored: u64 = self.on_disk(plan, task).iter().map(|&id| self.sizes[id as usize]).sum();
        let lacks = (self.resident_nbytes + self.expected_nbytes + own + restored).saturating_sub(self.limit);
        (lacks == 0 || self.spills && self.can_spill(plan, task, lacks))
            && self.held.max(self.head, task) + self.ahead_nbytes + own + restored <= self.limit
    }

    /// Whether values that are read only after a task, none of them its own, hold so many bytes.
    fn can_spill(&self, plan: &Plan, task: u32, nbytes: u64) -> bool {
        let mut left = nbytes;
        for id in self.spillable().take_while(|&id| self.next_use[id as usize] > task) {
            if plan.readers(id).binary_search(&task).is_err() {
                left = left.saturating_sub(self.sizes[id as usize]);
            }
            if left == 0 {
                return true;
            }
        }
        false
    }

    /// When a value is read next: by which task. Wanted values are read last of all.
    fn find_next_use(&self, plan: &Plan, id: u32) -> u32 {
        plan.readers(id).iter().copied().filter(|&reader| !self.done[reader as usize]).min().unwrap_or(u32::MAX)
    }
}

/// The bytes that are held while each task runs, if they run one by one in rank order, and the most of these. Unstated sizes count as nothing.
fn held_in_rank_order(plan: &Plan) -> (Vec<u64>, u64) {
    let mut unread: Vec<u32> = (0..plan.len() as u32).map(|id| plan.readers(id).len() as u32).collect();
    for output in plan.outputs() {
        if let Source::Task(id) = output {
            unread[id as usize] += 1;
        }
    }
    let (mut live, mut peak) = (0u64, 0);
    let mut held = Vec::with_capacity(plan.len());
    for id in 0..plan.len() as u32 {
        live += plan.nbytes(id).unwrap_or(0);
        peak = live.max(peak);
        held.push(live);
        for input in plan.task_inputs(id) {
            unread[input as usize] -= 1;
            if unread[input as usize] == 0 {
                live -= plan.nbytes(input).unwrap_or(0);
            }
        }
    }
    (held, peak)
}

/// The greatest of any range of numbers.
#[derive(Debug)]
struct RangeMax {
    numbers: Vec<u64>,
    /// The greatest of each block of 64.
    blocks: Vec<u64>,
}

impl RangeMax {
    fn new(numbers: Vec<u64>) -> RangeMax {
        let blocks = numbers.chunks(64).map(|block| block.iter().copied().max().unwrap_or(0)).collect();
        RangeMax { numbers, blocks }
    }

    /// The greatest from `first` to `last`.
    fn max(&self, first: u32, last: u32) -> u64 {
        let (first, end) = (first as usize, last as usize + 1);
        let (blocks_from, blocks_to) = (first.div_ceil(64), end / 64);
        let most = |numbers: &[u64]| numbers.iter().copied().max().unwrap_or(0);
        if blocks_from >= blocks_to {
            return most(&self.numbers[first..end]);
        }
        most(&self.numbers[first..blocks_from * 64])
            .max(most(&self.blocks[blocks_from..blocks_to]))
            .max(most(&self.numbers[blocks_to * 64..end]))
    }
}

#[cfg(test)]
mod tests {
    use arras_core::{Func, Graph, GridBuilder, Key, Sizes, Value};

    use super::*;

    /// `n` blocks of `nbytes`, each read by one task of a second layer, whose values of 1 byte are wanted.
    fn pairs(n: u32, nbytes: u64) -> Plan {
        let mut graph = Graph::new();
        let mut blocks = GridBuilder::new(Name::new("blocks"), &[n]);
        let func = blocks.func(Func::new(|| 1u64));
        (0..n).for_each(|_| blocks.call(func, []));
        blocks.sizes(Sizes::Uniform(nbytes));
        graph.insert_layer(blocks.build());
        let mut sums = GridBuilder::new(Name::new("sums"), &[n]);
        let (func, from) = (sums.func(Func::new(|x: &u64| *x)), sums.depends_on(Name::new("blocks")));
        (0..n).for_each(|i| sums.call(func, [(from, i)]));
        sums.sizes(Sizes::Uniform(1));
        graph.insert_layer(sums.build());
        let keys: Vec<Key> = (0..n).map(|i| Key::new(Name::new("sums"), [i].into_iter().collect())).collect();
        Plan::new(&graph, &keys).unwrap()
    }

    fn finish(admission: &mut Admission, plan: &Plan, waiting: &mut [usize], task: u32) {
        admission.finished(plan, task, plan.nbytes(task).unwrap());
        for input in plan.task_inputs(task) {
            admission.released(input);
        }
        for &reader in plan.readers(task) {
            waiting[reader as usize] -= 1;
            if waiting[reader as usize] == 0 {
                admission.readied(reader);
            }
        }
    }

    #[test]
    fn threads_go_ahead_as_far_as_the_limit_lets_them() {
        let plan = pairs(10, 100);
        for (limit, together) in [(10_000, 10), (350, 3), (250, 2), (110, 1), (1, 1)] {
            let mut admission = Admission::new(&plan, limit);
            let mut started = Vec::new();
            while let Some(start) = admission.start(&plan) {
                assert_eq!((admission.lacks(&start.restore) > 0 && limit > 100, start.restore.len()), (false, 0), "limit {limit}");
                started.push(start.task);
            }
            assert_eq!(started.len(), together, "limit {limit}");
            assert_eq!(started[0], 0);
        }
    }

    #[test]
    fn with_any_limit_and_any_number_of_threads_all_get_done_and_the_limit_holds() {
        let plan = pairs(40, 100);
        for limit in [0, 110, 150, 330, 1000] {
            for threads in [1, 2, 5] {
                let mut admission = Admission::new(&plan, limit);
                let mut waiting: Vec<usize> = (0..plan.len() as u32).map(|id| plan.task_inputs(id).count()).collect();
                let (mut running, mut n_done, mut random) = (Vec::new(), 0, 12345u64);
                while n_done < plan.len() {
                    while running.len() < threads
                        && let Some(start) = admission.start(&plan)
                    {
                        running.push(start.task);
                    }
                    // Sums stay: at most 40 bytes of them.
                    assert!(admission.resident_nbytes + admission.expected_nbytes <= limit.max(140), "limit {limit}, {threads} threads");
                    assert!(!running.is_empty(), "nothing may start, limit {limit}");
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let task = running.swap_remove((random >> 33) as usize % running.len());
                    finish(&mut admission, &plan, &mut waiting, task);
                    n_done += 1;
                }
                assert_eq!((admission.ahead_nbytes, admission.expected_nbytes, admission.resident_nbytes), (0, 0, 40));
            }
        }
    }

    #[test]
    fn what_is_read_last_goes_to_disk_and_comes_back() {
        // All three blocks are read by the last task, which makes nothing large.
        let mut graph = Graph::new();
        let mut blocks = GridBuilder::new(Name::new("blocks"), &[3]);
        let func = blocks.func(Func::new(|| 1u64));
        (0..3).for_each(|_| blocks.call(func, []));
        blocks.sizes(Sizes::Uniform(100));
        graph.insert_layer(blocks.build());
        let mut sum = GridBuilder::new(Name::new("sum"), &[]);
        let (func, from) = (sum.func(Func::of_many(|xs: &[&u64]| xs.len() as u64)), sum.depends_on(Name::new("blocks")));
        sum.call(func, (0..3).map(|i| (from, i)));
        sum.sizes(Sizes::Uniform(1));
        graph.insert_layer(sum.build());
        let plan = Plan::new(&graph, &[Key::from("sum")]).unwrap();
        let mut admission = Admission::new(&plan, 210);
        for task in 0..2 {
            assert_eq!(admission.start(&plan).unwrap(), Start { task, restore: vec![] });
            assert_eq!(admission.lacks(&[]), 0);
            admission.finished(&plan, task, 100);
        }
        let start = admission.start(&plan).unwrap();
        assert_eq!((start.task, admission.lacks(&start.restore)), (2, 90));
        let first = admission.next_to_spill().unwrap();
        admission.spilled(first);
        assert_eq!(admission.lacks(&start.restore), 0);
        admission.finished(&plan, 2, 100);
        admission.readied(3);
        // The task needs all three, whatever the limit.
        let restore = vec![first];
        assert_eq!(admission.start(&plan).unwrap(), Start { task: 3, restore: restore.clone() });
        assert_eq!(admission.next_to_spill(), None, "it reads them all");
        admission.restored(&plan, restore[0]);
        admission.finished(&plan, 3, 1);
        (0..3).for_each(|id| admission.released(id));
        assert_eq!(admission.resident_nbytes, Value::new(0u8).nbytes() as u64);
    }

    #[test]
    fn the_greatest_of_a_range() {
        let numbers: Vec<u64> = (0..1000u64).map(|i| i * 7919 % 1009).collect();
        let max = RangeMax::new(numbers.clone());
        for first in (0..1000).step_by(37) {
            for last in (first..1000).step_by(53) {
                assert_eq!(max.max(first, last), *numbers[first as usize..=last as usize].iter().max().unwrap());
            }
        }
    }
}
