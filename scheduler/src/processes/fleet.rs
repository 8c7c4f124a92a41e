//! The worker processes of a [`Processes`](super::Processes): started when first needed, kept between runs and shared by them, replaced
//! when they end.
//!
//! ```text
//!     slot 0   life 1 ──(killed)──► life 2 …        worker(0) hands out the present life, and starts the next if that has ended
//!     slot 1   life 1                               condemn(seat) ends a life, once, and keeps why
//! ```

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arras_core::Plan;
use arras_core::optimise::{Bundles, Costs};

use super::coordinator::Seat;
use super::pulse::{Pulse, beat};
use crate::worker::WorkerError;
use crate::worker::connection::Connection;
use crate::worker::message::Stats;
use crate::worker::process::{WorkerProcess, WorkerSettings};

/// How often a worker is started in a row before its failure is the run's.
const STARTS: usize = 3;

/// Connections to a worker that are kept while nobody uses them, besides one for each of its threads.
const IDLE: usize = 2;

/// Tasks whose durations are remembered, at most.
const LEARNED: usize = 4 << 20;

/// What the workers are to be.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) n_workers: usize,
    pub(super) threads: usize,
    pub(super) memory_limit: Option<u64>,
    pub(super) spill_directory: Option<PathBuf>,
    pub(super) heartbeat: Duration,
    pub(super) attempts: u32,
}

/// The workers.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) settings: Settings,
    slots: Box<[Mutex<Slot>]>,
    pulse: Arc<Pulse>,
    hearts: Mutex<Vec<JoinHandle<()>>>,
    /// What earlier runs took.
    pub(super) learned: Mutex<Learned>,
    n_runs: AtomicU64,
    n_executions: AtomicU64,
}

/// What is known of the durations of tasks.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) costs: Costs,
    /// Tasks that were taken in.
    n_tasks: usize,
}

impl Learned {
    /// Takes in how long the bundles of a plan took. After some millions of tasks it begins anew: most of them are of plans that do not
    /// come back.
    pub(super) fn learn(&mut self, plan: &Plan, bundles: &Bundles, durations: &[(u32, Duration)]) {
        self.n_tasks += plan.len();
        if self.n_tasks > LEARNED {
            *self = Learned { n_tasks: plan.len(), ..Learned::default() };
        }
        durations.iter().for_each(|&(bundle, duration)| self.costs.observe(plan, bundles, bundle, duration));
    }
}

/// A worker's place.
#[derive(Debug, Default)]
struct Slot {
    life: u64,
    process: Option<Arc<WorkerProcess>>,
    /// Connections that nobody uses.
    idle: Vec<Connection>,
    /// Values that the worker is to forget, and could not be told about.
    unforgotten: Vec<u64>,
    /// Why the present life ended.
    end: Option<WorkerError>,
    /// Tells the thread that watches the present life that it has ended.
    is_over: Arc<AtomicBool>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fleet {
    pub(super) fn new(settings: Settings) -> Fleet {
        let slots = std::iter::repeat_with(Mutex::default).take(settings.n_workers).collect();
        Fleet {
            settings,
            slots,
            pulse: Arc::default(),
            hearts: Mutex::default(),
            learned: Mutex::default(),
            n_runs: AtomicU64::new(0),
            n_executions: AtomicU64::new(0),
        }
    }

    /// The first of the ids that a run may give to values: four billion for each run.
    pub(super) fn first_id(&self) -> u64 {
        (self.n_runs.fetch_add(1, Ordering::Relaxed) + 1) << 32
    }

    /// A number by which the execution of a bundle can be cancelled.
    pub(super) fn execution(&self) -> u64 {
        self.n_executions.fetch_add(1, Ordering::Relaxed)
    }

    /// The workers are watched until the guard is dropped.
    pub(super) fn watched(&self) -> impl Drop + use<> {
        self.pulse.run()
    }

    /// The present life of a worker; the next one if that has ended.
    ///
    /// # Errors
    /// Of the last attempt, if the process cannot be started several times in a row.
    pub(super) fn worker(self: &Arc<Self>, worker: usize) -> Result<Seat, WorkerError> {
        let mut slot = lock(&self.slots[worker]);
        if slot.process.as_ref().is_some_and(|process| process.status().is_none()) {
            return Ok(Seat { worker, life: slot.life });
        }
        self.end_life(&mut slot, None);
        let settings = WorkerSettings {
            name: format!("{worker}"),
            threads: self.settings.threads,
            memory_limit: self.settings.memory_limit,
            spill_directory: self.settings.spill_directory.clone(),
        };
        let mut failure = None;
        for _ in 0..STARTS {
            match WorkerProcess::start(&settings).and_then(|process| process.connect().map(|connection| (process, connection))) {
                Ok((process, connection)) => {
                    let seat = Seat { worker, life: slot.life + 1 };
                    let is_over = self.watch(seat, connection)?;
                    *slot = Slot { life: seat.life, process: Some(Arc::new(process)), is_over, ..Slot::default() };
                    return Ok(seat);
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("there was an attempt"))
    }

    /// Has a thread listen to the heart of a worker, until it is told that this life is over.
    fn watch(self: &Arc<Self>, seat: Seat, connection: Connection) -> Result<Arc<AtomicBool>, WorkerError> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (fleet, pulse, heartbeat, told) =
            (Arc::downgrade(self), Arc::clone(&self.pulse), self.settings.heartbeat, Arc::clone(&is_over));
        let heart = std::thread::Builder::new().name(format!("arras-heart-{}", seat.worker)).spawn(move || {
            if let Some(error) = beat(&pulse, &connection, heartbeat, &told)
                && let Some(fleet) = fleet.upgrade()
            {
                fleet.condemn(seat, error);
            }
        });
        let mut hearts = lock(&self.hearts);
        hearts.retain(|heart| !heart.is_finished());
        hearts.push(heart.map_err(WorkerError::start)?);
        Ok(is_over)
    }

    /// Ends the present life of a worker, if it has one.
    fn end_life(&self, slot: &mut Slot, why: Option<WorkerError>) {
        slot.idle.clear();
        slot.end = slot.end.take().or(why);
        slot.is_over.store(true, Ordering::Relaxed);
        self.pulse.look();
        if let Some(process) = slot.process.take() {
            process.kill();
        }
    }

    /// A connection to a worker.
    ///
    /// # Errors
    /// Why that life has ended, or what connecting says.
    pub(super) fn connection(&self, seat: Seat) -> Result<Connection, WorkerError> {
        let connection = self.connect(seat)?;
        let unforgotten = {
            let mut slot = lock(&self.slots[seat.worker]);
            if slot.life == seat.life { std::mem::take(&mut slot.unforgotten) } else { Vec::new() }
        };
        connection.drop_ids(&unforgotten)?;
        Ok(connection)
    }

    /// Has a worker forget values as soon as somebody has a connection to it.
    pub(super) fn forget_later(&self, seat: Seat, ids: Vec<u64>) {
        let mut slot = lock(&self.slots[seat.worker]);
        if slot.life == seat.life && slot.process.is_some() {
            slot.unforgotten.extend(ids);
        }
    }

    fn connect(&self, seat: Seat) -> Result<Connection, WorkerError> {
        let process = {
            let mut slot = lock(&self.slots[seat.worker]);
            match &slot.process {
                Some(process) if slot.life == seat.life => {
                    let process = Arc::clone(process);
                    if let Some(connection) = slot.idle.pop() {
                        return Ok(connection);
                    }
                    process
                }
                _ => return Err(slot.why_ended(seat)),
            }
        };
        process.connect()
    }

    /// Takes a connection back that is of use to others.
    pub(super) fn give_back(&self, seat: Seat, connection: Connection) {
        let mut slot = lock(&self.slots[seat.worker]);
        if slot.life == seat.life && slot.process.is_some() {
            // What many fetched from at once is not asked by so many all the time.
            if slot.idle.len() < self.settings.threads + IDLE {
                slot.idle.push(connection);
            }
        }
    }

    /// Ends a life of a worker that does not talk as it should. Returns why it ended: the first reason that was given, with how the process
    /// ended if it did by itself.
    pub(super) fn condemn(&self, seat: Seat, error: WorkerError) -> WorkerError {
        let mut slot = lock(&self.slots[seat.worker]);
        if slot.life != seat.life {
            return error;
        }
        let Some(process) = &slot.process else { return slot.why_ended(seat) };
        let why = match error {
            WorkerError::Lost { why, .. } => process.lost(&std::io::Error::other(why)),
            other => other,
        };
        self.end_life(&mut slot, Some(why.clone()));
        why
    }

    fn present(&self) -> impl Iterator<Item = (Seat, Arc<WorkerProcess>)> {
        self.slots.iter().enumerate().filter_map(|(worker, slot)| {
            let slot = lock(slot);
            slot.process.as_ref().map(|process| (Seat { worker, life: slot.life }, Arc::clone(process)))
        })
    }

    /// The processes that run.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.present().filter(|(_, process)| process.status().is_none()).map(|(_, process)| process.pid()).collect()
    }

    /// What the workers hold and have done. One whose process has ended holds nothing.
    ///
    /// # Errors
    /// Of a worker that does not talk as it should.
    pub(super) fn stats(&self) -> Result<Vec<Stats>, WorkerError> {
        let ask = |seat| {
            let connection = self.connection(seat)?;
            let stats = connection.stats()?;
            self.give_back(seat, connection);
            Ok(stats)
        };
        let stats = |(seat, process): (Seat, Arc<WorkerProcess>)| match ask(seat) {
            Err(WorkerError::Lost { why, .. }) => {
                let why = process.lost(&std::io::Error::other(why));
                if process.status().is_none() {
                    return Some(Err(why));
                }
                self.condemn(seat, why);
                None
            }
            found => Some(found),
        };
        self.present().filter_map(stats).collect()
    }

    /// Ends all workers, and the threads that watch them.
    pub(super) fn close(&self) {
        self.pulse.close();
        for slot in &self.slots {
            let process = std::mem::take(&mut *lock(slot)).process;
            drop(process);
        }
        for heart in std::mem::take(&mut *lock(&self.hearts)) {
            // A panic there would have been of this crate; it has been printed, and there is nothing left to save.
            let _ = heart.join();
        }
    }
}

impl Slot {
    fn why_ended(&self, seat: Seat) -> WorkerError {
        let why = format!("worker {} was replaced", seat.worker);
        self.end.clone().unwrap_or(WorkerError::Lost { pid: self.process.as_ref().map_or(0, |process| process.pid()), why })
    }
}
