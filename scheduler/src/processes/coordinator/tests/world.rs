//! A world of workers with stores, in which a random order of events, losses among them, meets the coordinator. What it does is checked
//! against definitions, not against another implementation.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

/// A driver of a worker and what it is in the middle of.
enum Job {
    /// The assignment, and how many fetches are done.
    Bring(Assignment, usize),
    /// A value that was got from its holder and is not put yet.
    Carry(Assignment, usize, u64),
    Collect(Vec<(u32, u64)>),
}

struct Driver {
    seat: Seat,
    job: Option<Job>,
}

struct World {
    shape: Arc<Shape>,
    n_given: usize,
    coordinator: Coordinator,
    random: u64,
    /// Each worker's store, its life, and whether it is there.
    stores: Vec<HashMap<u64, u64>>,
    lives: Vec<u64>,
    /// Ids that may be dropped, and are not yet.
    drops: Vec<Vec<u64>>,
    drivers: Vec<Driver>,
    /// What the definitions need: registered copies, bundles done, values at home.
    copies: HashMap<u32, HashSet<(usize, u64)>>,
    done: HashSet<u32>,
    home: HashMap<u32, u64>,
    /// How often each bundle ran, and how often it may have.
    ran: Vec<usize>,
    may_run: Vec<usize>,
    /// A driver saw that the bundle it was given has had its last attempt, which ends the run.
    is_ended: bool,
}

impl World {
    fn new(shape: Arc<Shape>, n_given: usize, n_workers: usize, n_drivers: usize, attempts: u32, random: u64) -> World {
        let coordinator = Coordinator::new(shape.clone(), &vec![1 << 16; n_given], n_workers, attempts, 1);
        let driver = |i| Driver { seat: seat(i % n_workers, 0), job: None };
        let n_bundles = shape.n_bundles();
        World {
            shape,
            n_given,
            coordinator,
            random: random | 1,
            stores: vec![HashMap::new(); n_workers],
            lives: vec![0; n_workers],
            drops: vec![Vec::new(); n_workers],
            drivers: (0..n_workers * n_drivers).map(driver).collect(),
            copies: HashMap::new(),
            done: HashSet::new(),
            home: HashMap::new(),
            ran: vec![0; n_bundles],
            may_run: vec![1; n_bundles],
            is_ended: false,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % n
    }

    /// What a value is, by definition: a mix of its number and of its bundle's inputs.
    fn content(&self, value: u32) -> u64 {
        let inputs = self.shape.producer(value).map_or(&[][..], |bundle| self.shape.inputs(bundle));
        inputs
            .iter()
            .fold(u64::from(value) + 1, |mix, &input| (mix.rotate_left(7) ^ self.content(input)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn is_given(&self, value: u32) -> bool {
        value as usize >= self.shape.n_values() - self.n_given
    }

    /// Takes note, by definition, of what must be done again: done bundles of which a value is nowhere, and wanted or read by one that is
    /// to be done.
    fn count_what_must_run_again(&mut self) {
        loop {
            let nowhere = |value: &u32| !self.home.contains_key(value) && self.copies.get(value).is_none_or(HashSet::is_empty);
            let needed =
                |value: &u32| self.shape.is_wanted(*value) || self.shape.readers(*value).iter().any(|reader| !self.done.contains(reader));
            let again = |bundle: &&u32| self.shape.exports(**bundle).any(|value| nowhere(&value) && needed(&value));
            let Some(bundle) = self.done.iter().find(again).copied() else { return };
            self.done.remove(&bundle);
            self.may_run[bundle as usize] += 1;
        }
    }

    /// A worker's process ends. Its drivers learn of it now, or go on for a while and say things that are no longer so.
    fn lose(&mut self, worker: usize) {
        self.note_drops();
        self.drops[worker].clear();
        let gone = seat(worker, self.lives[worker]);
        self.lives[worker] += 1;
        self.stores[worker].clear();
        for copies in self.copies.values_mut() {
            copies.retain(|copy| copy.0 != worker);
        }
        let mut interrupted = Vec::new();
        for i in 0..self.drivers.len() {
            let mut bundle = None;
            if self.drivers[i].seat == gone
                && let Some(Job::Bring(assignment, _) | Job::Carry(assignment, _, _)) = &self.drivers[i].job
            {
                self.may_run[assignment.bundle as usize] += 1;
                bundle = Some(assignment.bundle);
            }
            if self.below(2) == 0 && self.drivers[i].seat == gone {
                self.drivers[i].job = None;
                interrupted.extend(bundle);
            }
        }
        self.count_what_must_run_again();
        self.coordinator.lost(gone, None);
        if self.below(3) == 0 {
            self.coordinator.lost(gone, None);
        }
        interrupted.into_iter().for_each(|bundle| self.interrupted(bundle));
    }

    /// A driver has not run a bundle to its end.
    fn interrupted(&mut self, bundle: u32) {
        self.is_ended |= self.coordinator.is_exhausted(bundle);
    }

    /// Takes note of what can be dropped: it is nowhere, by definition, before it is dropped.
    fn note_drops(&mut self) {
        for worker in 0..self.lives.len() {
            for id in self.coordinator.drops(worker) {
                for copies in self.copies.values_mut() {
                    copies.remove(&(worker, id));
                }
                self.drops[worker].push(id);
            }
        }
    }

    fn drop_now(&mut self, worker: usize) {
        self.note_drops();
        for id in std::mem::take(&mut self.drops[worker]) {
            self.stores[worker].remove(&id);
        }
    }

    /// One step of one driver.
    fn step(&mut self, i: usize) {
        let mut seat = self.drivers[i].seat;
        let current = Seat { worker: seat.worker, life: self.lives[seat.worker] };
        match self.drivers[i].job.take() {
            None => {
                if seat != current || !self.coordinator.is_current(current) {
                    seat = current;
                    self.drivers[i].seat = current;
                    if !self.coordinator.is_current(current) {
                        self.coordinator.joined(current);
                    }
                }
                self.drivers[i].job = match self.coordinator.take(seat) {
                    None => None,
                    Some(Work::Run(assignment)) => Some(Job::Bring(assignment, 0)),
                    Some(Work::Collect(values)) => Some(Job::Collect(values)),
                };
            }
            Some(Job::Bring(assignment, n)) if n < assignment.fetches.len() => {
                let fetch = assignment.fetches[n];
                let content = match fetch.from {
                    None if self.is_given(fetch.value) => Some(self.content(fetch.value)),
                    None => Some(self.home[&fetch.value]),
                    Some((from, id)) if from.life == self.lives[from.worker] => self.stores[from.worker].get(&id).copied(),
                    Some(_) => None,
                };
                match (content, fetch.from) {
                    (Some(content), _) => self.drivers[i].job = Some(Job::Carry(assignment, n, content)),
                    (None, Some((from, id))) => {
                        if from.life == self.lives[from.worker] {
                            assert!(seat != current, "a value was dropped while a bundle still had to read it");
                            self.coordinator.vanished(from, id);
                        }
                        self.coordinator.returned(seat, &assignment);
                        self.interrupted(assignment.bundle);
                    }
                    (None, None) => unreachable!("home loses nothing"),
                }
            }
            Some(Job::Carry(assignment, n, content)) => {
                let fetch = assignment.fetches[n];
                assert_eq!(content, self.content(fetch.value));
                if seat == current {
                    self.stores[seat.worker].insert(fetch.id, content);
                    self.copies.entry(fetch.value).or_default().insert((seat.worker, fetch.id));
                }
                self.coordinator.fetched(seat, fetch.value, fetch.id);
                self.drivers[i].job = Some(Job::Bring(assignment, n + 1));
            }
            Some(Job::Bring(assignment, _)) => {
                if seat != current {
                    // Done was on its way when the worker was lost, and is read now.
                    let sizes = vec![8; assignment.results.len()];
                    assert!(!self.coordinator.finished(seat, &assignment, &sizes));
                    self.interrupted(assignment.bundle);
                    return;
                }
                if self.below(12) == 0 {
                    self.coordinator.returned(seat, &assignment);
                    self.interrupted(assignment.bundle);
                    return;
                }
                let bundle = assignment.bundle;
                let store = &self.stores[seat.worker];
                for (id, &value) in assignment.arguments.iter().zip(self.shape.inputs(bundle)) {
                    assert_eq!(store.get(id), Some(&self.content(value)), "bundle {bundle} ran before its inputs were there");
                }
                self.ran[bundle as usize] += 1;
                self.done.insert(bundle);
                for &(value, id) in &assignment.results {
                    let content = self.content(value);
                    assert!(self.stores[seat.worker].insert(id, content).is_none(), "an id was used twice");
                    self.copies.entry(value).or_default().insert((seat.worker, id));
                }
                let sizes: Vec<u64> = assignment.results.iter().map(|_| 1 << self.below(20)).collect();
                // What was somewhere when the bundle was given out may be gone by now.
                self.count_what_must_run_again();
                assert!(self.coordinator.finished(seat, &assignment, &sizes));
                self.note_drops();
            }
            Some(Job::Collect(mut values)) => {
                let Some((value, id)) = values.pop() else { return };
                if seat == current {
                    let content = *self.stores[seat.worker].get(&id).expect("a wanted value is not dropped before it is home");
                    assert_eq!(content, self.content(value));
                    self.home.insert(value, content);
                }
                self.coordinator.collected(seat, value);
                self.drivers[i].job = Some(Job::Collect(values));
            }
        }
    }

    /// Lets everything happen in a random order until the run is done.
    fn run(&mut self, mut losses: usize, mut vanishing: usize) {
        let mut quiet = 0;
        while !self.coordinator.is_done() {
            if self.is_ended {
                return;
            }
            let n_workers = self.lives.len();
            if losses > 0 && self.below(10) == 0 {
                losses -= 1;
                let worker = self.below(n_workers);
                self.lose(worker);
            } else if vanishing > 0 && self.below(10) == 0 {
                vanishing -= 1;
                self.vanish();
            }
            let i = self.below(self.drivers.len());
            self.step(i);
            for worker in 0..n_workers {
                if self.below(4) == 0 {
                    self.drop_now(worker);
                }
            }
            quiet = if self.drivers.iter().all(|driver| driver.job.is_none()) { quiet + 1 } else { 0 };
            assert!(quiet < 1_000, "nobody has anything to do, and the run is not done");
        }
        for value in (0..self.shape.n_values() as u32).filter(|&value| self.shape.is_wanted(value)) {
            assert_eq!(self.home.get(&value), Some(&self.content(value)));
        }
        for bundle in 0..self.ran.len() {
            let (ran, may_run) = (self.ran[bundle], self.may_run[bundle]);
            assert!(ran <= may_run, "bundle {bundle} ran {ran} times, and {may_run} were enough");
        }
        let idle = self.drivers.iter().all(|driver| !matches!(driver.job, Some(Job::Bring(..) | Job::Carry(..))));
        for worker in 0..self.lives.len() {
            self.drop_now(worker);
            let held: HashSet<u64> = self.coordinator.held(worker).into_iter().collect();
            let there: HashSet<u64> = self.stores[worker].keys().copied().collect();
            assert_eq!(held, there);
            assert!(held.is_empty() || !idle, "{held:?} is left in worker {worker}");
        }
    }

    /// A store loses a value that nobody is about to read, and the worker says so.
    fn vanish(&mut self) {
        let worker = self.below(self.lives.len());
        self.drop_now(worker);
        let current = seat(worker, self.lives[worker]);
        let is_idle = self.drivers.iter().all(|driver| driver.job.is_none());
        let Some(&id) = self.stores[worker].keys().min() else { return };
        if is_idle && self.coordinator.is_current(current) {
            self.stores[worker].remove(&id);
            for copies in self.copies.values_mut() {
                copies.remove(&(worker, id));
            }
            self.count_what_must_run_again();
            self.coordinator.vanished(current, id);
        }
    }
}

/// Random bundles: each makes some values and reads some that were made before, or given.
fn arbitrary_shape() -> impl Strategy<Value = (Arc<Shape>, usize)> {
    let row = (1..4usize, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    (prop::collection::vec(row, 1..25), 0..3usize, prop::collection::vec(any::<prop::sample::Index>(), 0..3)).prop_map(
        |(rows, n_given, wanted)| {
            let n_made: usize = rows.iter().map(|row| row.0).sum();
            let mut before = 0;
            let mut reads: Vec<Vec<u32>> = Vec::new();
            for (made, inputs) in &rows {
                // Given values come last in number, and may be read by anybody.
                let of = |i: usize| if i < before { i } else { n_made + i - before };
                let some = inputs.iter().filter(|_| before + n_given > 0).map(|input| of(input.index(before + n_given)) as u32);
                let mut row: Vec<u32> = some.collect();
                row.sort_unstable();
                row.dedup();
                reads.push(row);
                before += made;
            }
            let read: HashSet<u32> = reads.iter().flatten().copied().collect();
            // What nobody reads is wanted, else no plan would have it.
            let mut wants: Vec<u32> = (0..n_made as u32).filter(|value| !read.contains(value)).collect();
            wants.extend(wanted.iter().map(|index| index.index(n_made) as u32));
            (Arc::new(Shape::new(rows.iter().map(|row| row.0), reads.into_iter(), n_given, wants.into_iter())), n_given)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_lost_the_right_values_come_home_and_nothing_runs_again_without_need(
        (shape, n_given) in arbitrary_shape(),
        n_workers in 1..5usize,
        n_drivers in 1..3usize,
        losses in 0..8usize,
        vanishing in 0..3usize,
        random in any::<u64>(),
    ) {
        World::new(shape, n_given, n_workers, n_drivers, u32::MAX, random).run(losses, vanishing);
    }

    #[test]
    fn a_bundle_that_has_had_its_last_attempt_ends_the_run_however_its_driver_learns_of_it(
        (shape, n_given) in arbitrary_shape(),
        n_workers in 1..5usize,
        n_drivers in 1..3usize,
        attempts in 1..4u32,
        random in any::<u64>(),
    ) {
        World::new(shape, n_given, n_workers, n_drivers, attempts, random).run(20, 0);
    }
}
