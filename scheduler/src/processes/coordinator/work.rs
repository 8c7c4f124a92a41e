//! What workers are given to do.

use super::{Coordinator, Input};

/// A worker in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) worker: usize,
    pub(crate) life: u64,
}

/// What a worker is to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Work {
    Run(Assignment),
    /// Values that the caller wants, to be brought home: the number and the id in the worker's store of each.
    Collect(Vec<(u32, u64)>),
}

/// A bundle for a worker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) bundle: u32,
    /// Whether there will be no other attempt.
    pub(crate) is_last: bool,
    /// The ids, in the worker's store, of what the bundle reads, once the fetches are done.
    pub(crate) arguments: Vec<u64>,
    /// What has to be brought to the worker first.
    pub(crate) fetches: Vec<Fetch>,
    /// The values that the bundle is to leave in the worker's store, and their ids.
    pub(crate) results: Vec<(u32, u64)>,
}

/// A value that has to be brought to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) value: u32,
    /// The worker that holds it, and its id there; none if it is at home.
    pub(crate) from: Option<(Seat, u64)>,
    /// The id under which it is to be put.
    pub(crate) id: u64,
}

impl Coordinator {
    /// What a worker needs to know to run a bundle. Results that are somewhere already are not asked for again.
    pub(super) fn assignment(&mut self, bundle: u32, worker: usize) -> Assignment {
        let mut fetches: Vec<Fetch> = Vec::new();
        let mut arguments = Vec::with_capacity(self.shape.inputs(bundle).len());
        for &value in self.shape.inputs(bundle) {
            let held = &self.values[value as usize];
            if let Some(copy) = held.copies.iter().find(|copy| copy.worker == worker) {
                arguments.push(copy.id);
                continue;
            }
            // The newest copy: what many workers read goes from one to the next.
            let from = held.copies.last().map(|copy| {
                let life = self.workers[copy.worker].life.expect("a worker that is gone holds nothing");
                (Seat { worker: copy.worker, life }, copy.id)
            });
            fetches.push(Fetch { value, from, id: self.next_id });
            arguments.push(self.next_id);
            self.next_id += 1;
        }
        // What comes from one holder comes together.
        fetches.sort_by_key(|fetch| fetch.from.map(|(seat, _)| seat.worker));
        let mut results = Vec::new();
        for value in self.shape.exports(bundle) {
            if self.needed(value) && !self.somewhere(value) {
                results.push((value, self.next_id));
                self.next_id += 1;
            }
        }
        let is_last = self.bundles[bundle as usize].losses + 1 == self.attempts;
        Assignment { bundle, is_last, arguments, fetches, results }
    }

    /// Offers a bundle whose inputs are all somewhere, and says where.
    pub(super) fn make_ready(&mut self, bundle: u32) {
        let mut input = Input::default();
        for &value in self.shape.inputs(bundle) {
            let held = &self.values[value as usize];
            // A fetch costs something even if there is nothing in it.
            let nbytes = held.nbytes.max(1);
            input.nbytes += nbytes;
            for (i, copy) in held.copies.iter().enumerate() {
                if !held.copies[..i].iter().any(|earlier| earlier.worker == copy.worker) {
                    input.add(copy.worker, nbytes);
                }
            }
        }
        let alone = self.bundles[bundle as usize].losses + 1 == self.attempts && self.attempts > 1;
        self.ready.insert(bundle, input, alone);
    }
}
