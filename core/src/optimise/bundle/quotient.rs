//! The graph of bundles: who reads whom, and which values go from one to another.
//!
//! ```text
//!     a ── b ── c ─┬─ d          b is all that follows a, and reads a alone: one bundle, as is c
//!                  └─ e          d and e each read c alone, but c is read by both: they can run at once
//! ```

use crate::plan::{CONSTANT, Plan, Source};

const NONE: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;

/// Which bundle each task is in, and how many there are.
pub(super) struct Quotient {
    pub(super) bundle_of: Vec<u32>,
    pub(super) n_bundles: usize,
}

/// Makes one bundle of each that is all that follows another and reads no third. Numbers stay in topological order: what the second read is the first, and what reads the second
/// comes after both.
pub(super) fn joined_chains(plan: &Plan, mut bundle_of: Vec<u32>) -> Quotient {
    let n = bundle_of.iter().max().map_or(0, |&last| last as usize + 1);
    let (mut before, mut after) = (vec![NONE; n], vec![NONE; n]);
    let add = |one: &mut u32, other: u32| match *one {
        NONE => *one = other,
        same if same == other => {}
        _ => *one = SEVERAL,
    };
    for id in 0..plan.len() as u32 {
        let bundle = bundle_of[id as usize];
        for input in plan.task_inputs(id) {
            let of_input = bundle_of[input as usize];
            if of_input != bundle {
                add(&mut before[bundle as usize], of_input);
                add(&mut after[of_input as usize], bundle);
            }
        }
    }
    let mut numbers: Vec<u32> = Vec::with_capacity(n);
    let mut n_bundles = 0;
    for (bundle, &follows) in before.iter().enumerate() {
        if follows < SEVERAL && after[follows as usize] == bundle as u32 {
            numbers.push(numbers[follows as usize]);
        } else {
            numbers.push(n_bundles);
            n_bundles += 1;
        }
    }
    bundle_of.iter_mut().for_each(|bundle| *bundle = numbers[*bundle as usize]);
    Quotient { bundle_of, n_bundles: n_bundles as usize }
}

/// The tasks whose values each bundle reads from others, and those whose values each hands out.
pub(super) fn values_between(plan: &Plan, bundle_of: &[u32], tasks: &Lists) -> (Lists, Lists) {
    let mut is_wanted = vec![false; bundle_of.len()];
    for output in plan.outputs() {
        if let Source::Task(id) = output {
            is_wanted[id as usize] = true;
        }
    }
    let (mut inputs, mut exports) = (Lists::new(tasks.len()), Lists::new(tasks.len()));
    let mut seen_by = vec![NONE; bundle_of.len()];
    for bundle in 0..tasks.len() as u32 {
        let first = inputs.items.len();
        for &id in tasks.of(bundle) {
            for &input in plan.inputs_of(id).iter().filter(|&&input| input & CONSTANT == 0) {
                if bundle_of[input as usize] != bundle && std::mem::replace(&mut seen_by[input as usize], bundle) != bundle {
                    inputs.items.push(input);
                }
            }
            if is_wanted[id as usize] || plan.readers(id).iter().any(|&reader| bundle_of[reader as usize] != bundle) {
                exports.items.push(id);
            }
        }
        inputs.items[first..].sort_unstable();
        inputs.end_list();
        exports.end_list();
    }
    (inputs, exports)
}

/// The bundles that each reads, and those that read it.
pub(super) fn neighbours(bundle_of: &[u32], inputs: &Lists) -> (Lists, Lists) {
    let n = inputs.len();
    let mut predecessors = Lists::new(n);
    let mut seen_by = vec![NONE; n];
    for bundle in 0..n as u32 {
        let first = predecessors.items.len();
        for &input in inputs.of(bundle) {
            let before = bundle_of[input as usize];
            if std::mem::replace(&mut seen_by[before as usize], bundle) != bundle {
                predecessors.items.push(before);
            }
        }
        predecessors.items[first..].sort_unstable();
        predecessors.end_list();
    }
    let readers = (0..n as u32).flat_map(|bundle| predecessors.of(bundle).iter().map(move |&before| (before, bundle)));
    let successors = Lists::grouped(n, readers);
    (predecessors, successors)
}

/// A list of numbers for each bundle, end to end.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    offsets: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    fn new(n: usize) -> Lists {
        let mut offsets = Vec::with_capacity(n + 1);
        offsets.push(0);
        Lists { offsets, items: Vec::new() }
    }

    fn end_list(&mut self) {
        self.offsets.push(self.items.len() as u32);
    }

    /// The second of each pair, in the list that the first numbers, in the order in which they come.
    fn grouped(n: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Lists {
        let mut offsets = vec![0u32; n + 1];
        pairs.clone().for_each(|(list, _)| offsets[list as usize + 1] += 1);
        for list in 0..n {
            offsets[list + 1] += offsets[list];
        }
        let mut next = offsets.clone();
        let mut items = vec![0u32; offsets[n] as usize];
        for (list, item) in pairs {
            items[next[list as usize] as usize] = item;
            next[list as usize] += 1;
        }
        Lists { offsets, items }
    }

    /// The tasks of each bundle, ascending.
    pub(super) fn of_tasks(bundle_of: &[u32], n: usize) -> Lists {
        Lists::grouped(n, bundle_of.iter().enumerate().map(|(id, &bundle)| (bundle, id as u32)))
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn of(&self, list: u32) -> &[u32] {
        &self.items[self.offsets[list as usize] as usize..self.offsets[list as usize + 1] as usize]
    }
}
