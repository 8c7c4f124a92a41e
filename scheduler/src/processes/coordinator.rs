//! What runs where, what is fetched, dropped and done again: the brain of the processes scheduler. A plain value: it reads no clock, takes
//! no lock and does no I/O, so it is tested by feeding it events.
//!
//! ```text
//!     joined, lost, finished, fetched, collected, returned, vanished ──►  Coordinator  ──► take(worker): run this bundle, or bring these values home
//!        (what drivers see)                                                            ──► drops(worker): ids that the worker's store can forget
//!
//!     a value is somewhere:   copies in workers' stores, or at home (in the caller's process)
//!     a value is needed:      a bundle that is not done reads it, or the caller wants it and it is not at home
//!     needed and nowhere  =>  its bundle is to be done (again), and so are those of its inputs that are nowhere: nothing else ever is
//! ```
//! A worker that is lost comes back under the same number in another *life*; what its driver still has to say of the old one is ignored.

mod holdings;
mod losses;
mod work;

use std::sync::Arc;

use super::ready::{Input, Ready};
use super::shape::Shape;
use holdings::{Copy, Held};
pub(crate) use work::{Assignment, Fetch, Seat, Work};

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// For its inputs, or for a worker.
    Waiting,
    /// On this worker.
    Running(usize),
    Done,
}

#[derive(Debug)]
struct Bundle {
    state: State,
    /// Inputs that are nowhere, while waiting.
    missing: u32,
    /// How often a worker was lost that ran it.
    losses: u32,
}

#[derive(Debug, Default)]
struct Worker {
    /// None while there is no process.
    life: Option<u64>,
    /// The newest life that was lost.
    lost: Option<u64>,
    running: usize,
    /// A bundle runs here that must be alone.
    is_closed: bool,
    collect: Vec<u32>,
    drops: Vec<u64>,
}

/// What is known of a run.
#[derive(Debug)]
pub(crate) struct Coordinator {
    shape: Arc<Shape>,
    bundles: Vec<Bundle>,
    values: Vec<Held>,
    workers: Vec<Worker>,
    ready: Ready,
    /// Wanted values that are not at home.
    unhomed: usize,
    next_id: u64,
    attempts: u32,
    /// Values that were let go or lost since the last question.
    freed: Vec<u32>,
    /// Bundles that finished, values that came home, attempts that were counted.
    progress: u64,
}

impl Coordinator {
    /// A run on `n_workers` workers, none of which has joined. The given values have these sizes. Ids are counted from `first_id`; a bundle
    /// is tried `attempts` times.
    pub(crate) fn new(shape: Arc<Shape>, given_nbytes: &[u64], n_workers: usize, attempts: u32, first_id: u64) -> Coordinator {
        let n_made = shape.n_values() - given_nbytes.len();
        let mut values: Vec<Held> = Vec::with_capacity(shape.n_values());
        for value in 0..shape.n_values() as u32 {
            let given = given_nbytes.get((value as usize).wrapping_sub(n_made)).copied();
            let unread = shape.readers(value).len() as u32;
            values.push(Held { nbytes: given.unwrap_or(0), unread, is_home: given.is_some(), ..Held::default() });
        }
        let mut bundles = Vec::with_capacity(shape.n_bundles());
        for bundle in 0..shape.n_bundles() as u32 {
            let missing = shape.inputs(bundle).iter().filter(|&&value| !values[value as usize].is_home).count() as u32;
            bundles.push(Bundle { state: State::Waiting, missing, losses: 0 });
        }
        let mut coordinator = Coordinator {
            ready: Ready::new(bundles.len(), n_workers),
            unhomed: (0..n_made as u32).filter(|&value| shape.is_wanted(value)).count(),
            workers: std::iter::repeat_with(Worker::default).take(n_workers).collect(),
            bundles,
            values,
            shape,
            next_id: first_id,
            attempts: attempts.max(1),
            freed: Vec::new(),
            progress: 0,
        };
        for bundle in 0..coordinator.bundles.len() as u32 {
            if coordinator.bundles[bundle as usize].missing == 0 {
                coordinator.make_ready(bundle);
            }
        }
        coordinator
    }

    // ------------------------------------------------------------------------------------------------------------ questions

    /// Whether everything that the caller wants is at home.
    pub(crate) fn is_done(&self) -> bool {
        self.unhomed == 0
    }

    pub(crate) fn is_bundle_done(&self, bundle: u32) -> bool {
        self.bundles[bundle as usize].state == State::Done
    }

    /// Whether a bundle has had its last attempt.
    pub(crate) fn is_exhausted(&self, bundle: u32) -> bool {
        self.bundles[bundle as usize].losses >= self.attempts
    }

    /// Whether a worker was lost to a bundle, or to one of its values, or seems so.
    pub(crate) fn is_suspect(&self, bundle: u32) -> bool {
        self.bundles[bundle as usize].losses > 0
    }

    /// A number that grows with whatever brings the run nearer to its end, attempts that failed among them.
    pub(crate) fn progress(&self) -> u64 {
        self.progress
    }

    /// Whether a worker is in this life.
    pub(crate) fn is_current(&self, seat: Seat) -> bool {
        self.workers[seat.worker].life == Some(seat.life)
    }

    /// Whether nobody needs a value any more: the caller's own copy can go too.
    pub(crate) fn is_unneeded(&self, value: u32) -> bool {
        !self.needed(value)
    }

    /// A worker and its present life, if it has one.
    pub(crate) fn seat(&self, worker: usize) -> Option<Seat> {
        self.workers[worker].life.map(|life| Seat { worker, life })
    }

    /// What the worker's store can forget. Asked for once, then forgotten here.
    pub(crate) fn drops(&mut self, worker: usize) -> Vec<u64> {
        std::mem::take(&mut self.workers[worker].drops)
    }

    /// Everything that the worker's store holds of this run, for a run that ends early.
    pub(crate) fn held(&self, worker: usize) -> Vec<u64> {
        let copies = self.values.iter().flat_map(|held| &held.copies);
        copies.filter(|copy| copy.worker == worker).map(|copy| copy.id).chain(self.workers[worker].drops.iter().copied()).collect()
    }

    /// Values that were let go, as nobody reads them again, or lost, since the last call.
    pub(crate) fn freed(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.freed)
    }

    // --------------------------------------------------------------------------------------------------------------- events

    /// A worker is there, and its store holds nothing of this run. A life that was lost before somebody could say that it is there has
    /// ended all the same.
    pub(crate) fn joined(&mut self, seat: Seat) {
        if Some(seat.life) <= self.workers[seat.worker].lost {
            return;
        }
        self.lost_life(seat.worker);
        self.workers[seat.worker].life = Some(seat.life);
    }

    /// A worker is gone, with what its store held. That is counted as an attempt of the bundles that it ran; if it ran none, of the one
    /// that made the value that was just being read from it.
    pub(crate) fn lost(&mut self, seat: Seat, reading: Option<u32>) {
        if !self.is_current(seat) {
            return;
        }
        if self.workers[seat.worker].running == 0
            && let Some(producer) = reading.and_then(|value| self.shape.producer(value))
        {
            self.bundles[producer as usize].losses += 1;
            self.progress += 1;
        }
        self.lost_life(seat.worker);
    }

    /// What a worker is to do now, if there is anything for it.
    pub(crate) fn take(&mut self, seat: Seat) -> Option<Work> {
        if !self.is_current(seat) || self.workers[seat.worker].is_closed {
            return None;
        }
        let collect = std::mem::take(&mut self.workers[seat.worker].collect);
        let here = |value: u32| self.copy_at(value, seat.worker).map(|copy| (value, copy.id));
        let collect: Vec<(u32, u64)> = collect.into_iter().filter(|&value| !self.values[value as usize].is_home).filter_map(here).collect();
        if !collect.is_empty() {
            return Some(Work::Collect(collect));
        }
        let (bundle, alone) = self.ready.take(seat.worker, self.workers[seat.worker].running == 0)?;
        self.bundles[bundle as usize].state = State::Running(seat.worker);
        self.workers[seat.worker].running += 1;
        self.workers[seat.worker].is_closed = alone;
        Some(Work::Run(self.assignment(bundle, seat.worker)))
    }

    /// A value was put into a worker's store under this id. Whether it was nowhere, so that others may have waited for it.
    pub(crate) fn fetched(&mut self, seat: Seat, value: u32, id: u64) -> bool {
        if !self.is_current(seat) {
            return false;
        }
        let was_nowhere = !self.somewhere(value);
        self.store(value, Copy { worker: seat.worker, id });
        was_nowhere
    }

    /// A bundle has run; its results are in the worker's store and have these sizes. Whether that still matters: the worker may have been
    /// lost since.
    pub(crate) fn finished(&mut self, seat: Seat, assignment: &Assignment, nbytes: &[u64]) -> bool {
        let bundle = assignment.bundle;
        if !self.is_current(seat) || self.bundles[bundle as usize].state != State::Running(seat.worker) {
            return false;
        }
        self.leave(seat.worker);
        self.progress += 1;
        for (&(value, id), &nbytes) in assignment.results.iter().zip(nbytes) {
            self.values[value as usize].nbytes = nbytes;
            self.store(value, Copy { worker: seat.worker, id });
        }
        if self.is_wanting(bundle) {
            // A value that was somewhere when the bundle was given out, and is not any more, was not among its results.
            self.put_back(bundle);
        } else {
            self.complete(bundle);
        }
        for &(value, _) in &assignment.results {
            self.let_go(value);
        }
        true
    }

    /// A bundle could not be started, as an input could not be brought, or was stopped. No attempt.
    pub(crate) fn returned(&mut self, seat: Seat, assignment: &Assignment) {
        if self.is_current(seat) && self.bundles[assignment.bundle as usize].state == State::Running(seat.worker) {
            self.leave(seat.worker);
            self.put_back(assignment.bundle);
        }
    }

    /// A wanted value was brought home from this worker.
    pub(crate) fn collected(&mut self, seat: Seat, value: u32) {
        if self.is_current(seat) && !std::mem::replace(&mut self.values[value as usize].is_home, true) {
            self.unhomed -= 1;
            self.progress += 1;
            self.let_go(value);
        }
    }

    /// A worker's store does not hold a value under this id, though it should.
    pub(crate) fn vanished(&mut self, seat: Seat, id: u64) {
        if !self.is_current(seat) {
            return;
        }
        let is_it = |copy: &Copy| copy.worker == seat.worker && copy.id == id;
        if let Some(value) = self.values.iter().position(|held| held.copies.iter().any(is_it)) {
            self.values[value].copies.retain(|copy| !is_it(copy));
            self.values[value].collector = None;
            self.lost_copies(&[value as u32]);
        }
    }

    /// The worker's hands are free of a bundle.
    fn leave(&mut self, worker: usize) {
        self.workers[worker].running -= 1;
        self.workers[worker].is_closed = false;
    }
}

#[cfg(test)]
mod tests;
