//! Which ready bundle a worker takes: the one most of whose input lies there; else the one that costs least to bring.
//!
//! ```text
//!     local[worker]    most bytes first, then lowest number     bundles of whose input no other worker holds more
//!     all              fewest bytes first, then lowest number   what an idle worker steals: bundles without input before those with much
//!     alone            lowest number                            bundles that killed workers: they run with nobody beside them
//! ```

use std::cmp::Reverse;
use std::collections::BTreeSet;

use smallvec::SmallVec;

/// Where the input of a bundle lies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// Bytes of all of it.
    pub(crate) nbytes: u64,
    /// How much of it each worker holds, of those that hold some.
    pub(crate) local: SmallVec<[(usize, u64); 2]>,
}

impl Input {
    /// Takes note of a part that a worker holds.
    pub(crate) fn add(&mut self, worker: usize, nbytes: u64) {
        match self.local.iter_mut().find(|(found, _)| *found == worker) {
            Some((_, sum)) => *sum += nbytes,
            None => self.local.push((worker, nbytes)),
        }
    }

    /// The workers of which no other holds more, and how much that is.
    fn best(&self) -> impl Iterator<Item = (usize, u64)> {
        let most = self.local.iter().map(|&(_, nbytes)| nbytes).max().unwrap_or(0);
        self.local.iter().copied().filter(move |&(_, nbytes)| nbytes == most)
    }
}

/// The bundles that could run now.
#[derive(Debug)]
pub(crate) struct Ready {
    entries: Vec<Option<Input>>,
    local: Vec<BTreeSet<(Reverse<u64>, u32)>>,
    all: BTreeSet<(u64, u32)>,
    alone: BTreeSet<u32>,
}

impl Ready {
    pub(crate) fn new(n_bundles: usize, n_workers: usize) -> Ready {
        Ready { entries: vec![None; n_bundles], local: vec![BTreeSet::new(); n_workers], all: BTreeSet::new(), alone: BTreeSet::new() }
    }

    /// Adds a bundle, or changes what is known of its input.
    pub(crate) fn insert(&mut self, bundle: u32, input: Input, alone: bool) {
        self.remove(bundle);
        if alone {
            self.alone.insert(bundle);
        } else {
            self.all.insert((input.nbytes, bundle));
            for (worker, nbytes) in input.best() {
                self.local[worker].insert((Reverse(nbytes), bundle));
            }
        }
        self.entries[bundle as usize] = Some(input);
    }

    /// Takes note that a worker holds one more part of a bundle's input, if the bundle is there.
    pub(crate) fn brought(&mut self, bundle: u32, worker: usize, nbytes: u64) {
        if let Some(mut input) = self.entries[bundle as usize].clone() {
            input.add(worker, nbytes);
            let alone = self.alone.contains(&bundle);
            self.insert(bundle, input, alone);
        }
    }

    /// Removes a bundle, if it is there.
    pub(crate) fn remove(&mut self, bundle: u32) {
        let Some(input) = self.entries[bundle as usize].take() else { return };
        if self.alone.remove(&bundle) {
            return;
        }
        self.all.remove(&(input.nbytes, bundle));
        for (worker, nbytes) in input.best() {
            self.local[worker].remove(&(Reverse(nbytes), bundle));
        }
    }

    /// Takes the best bundle for a worker, and whether it must have the worker for itself: such a one is given to a worker that runs
    /// nothing only.
    pub(crate) fn take(&mut self, worker: usize, runs_nothing: bool) -> Option<(u32, bool)> {
        if runs_nothing && let Some(&bundle) = self.alone.first() {
            self.remove(bundle);
            return Some((bundle, true));
        }
        let local = self.local[worker].first().map(|&(_, bundle)| bundle);
        let bundle = local.or_else(|| self.all.first().map(|&(_, bundle)| bundle))?;
        self.remove(bundle);
        Some((bundle, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(nbytes: u64, local: &[(usize, u64)]) -> Input {
        Input { nbytes, local: SmallVec::from_slice(local) }
    }

    #[test]
    fn most_bytes_here_then_fewest_bytes_to_bring_then_the_lowest_number() {
        let mut ready = Ready::new(8, 2);
        ready.insert(0, input(900, &[(1, 900)]), false);
        ready.insert(1, input(0, &[]), false);
        ready.insert(2, input(30, &[(0, 20)]), false);
        ready.insert(3, input(50, &[(0, 50)]), false);
        ready.insert(4, input(50, &[(0, 50)]), false);
        ready.insert(5, input(0, &[]), false);
        let order: Vec<u32> = std::iter::from_fn(|| ready.take(0, true)).map(|(bundle, _)| bundle).collect();
        assert_eq!(order, [3, 4, 2, 1, 5, 0]);
    }

    #[test]
    fn a_bundle_that_runs_alone_waits_for_a_worker_that_runs_nothing() {
        let mut ready = Ready::new(2, 1);
        ready.insert(0, input(0, &[]), true);
        ready.insert(1, input(0, &[]), false);
        assert_eq!(ready.take(0, false), Some((1, false)));
        assert_eq!(ready.take(0, false), None);
        assert_eq!(ready.take(0, true), Some((0, true)));
    }

    #[test]
    fn what_is_inserted_again_is_there_once() {
        let mut ready = Ready::new(1, 2);
        ready.insert(0, input(10, &[(0, 10)]), false);
        ready.insert(0, input(10, &[(1, 10)]), false);
        assert_eq!(ready.take(1, true), Some((0, false)));
        assert_eq!(ready.take(0, true), None);
    }

    #[test]
    fn what_was_brought_to_a_worker_draws_the_bundles_that_read_it() {
        let mut ready = Ready::new(3, 2);
        ready.insert(0, input(100, &[(0, 100)]), false);
        ready.insert(1, input(100, &[(0, 60), (1, 40)]), false);
        ready.brought(1, 1, 60);
        ready.brought(2, 1, 60);
        assert_eq!(ready.take(1, true), Some((1, false)));
        assert_eq!(ready.take(1, true), Some((0, false)));
        assert_eq!(ready.take(1, true), None);
    }
}
