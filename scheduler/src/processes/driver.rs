//! A driver: the thread that speaks for one bundle at a time with a worker.
//!
//! ```text
//!     wait for an order ──► join        the worker's present life, and a connection to it
//!                      ├──► forget      ids that its store can drop
//!                      ├──► collect     wanted values, decoded here
//!                      └──► run         fetch what is not there from whoever holds it ── write the bundle ── execute ── report
//! ```
//! Whatever goes wrong on a connection is the end of that worker's life. The driver says so, joins the next life, and asks for work again.

mod carrying;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use arras_core::{BoxError, Error, Panic, Source};

use super::coordinator::{Assignment, Seat, Work};
use super::events;
use super::run::Run;
use crate::worker::WorkerError;
use crate::worker::connection::{Connection, Execution, Outcome};

/// How often a driver fails to join its worker, while nothing else happens, before that ends the run.
const JOINS: u32 = 3;

pub(super) struct Driver<'r> {
    run: &'r Run<'r>,
    number: usize,
    worker: usize,
    own: Option<(Seat, Connection)>,
    /// The coordinator's progress when joining failed, and how often in a row it has at that.
    failed_joins: (u64, u32),
    /// The worker was told to forget something, which has no reply, and has not replied to anything since.
    is_unanswered: bool,
    /// The last attempt that ended with its worker.
    loss: Option<Loss>,
}

/// What a driver is to do.
enum Order {
    Join,
    Forget(Vec<u64>),
    Work(Work),
}

/// How a worker was lost with a bundle.
struct Loss {
    /// The task that had started last, by its number in the bundle, if that is known.
    started: Option<u32>,
    why: String,
}

/// Why a bundle was not run to its end. The coordinator knows already.
struct Interrupted;

impl<'r> Driver<'r> {
    pub(super) fn new(run: &'r Run<'r>, number: usize, worker: usize) -> Driver<'r> {
        Driver { run, number, worker, own: None, failed_joins: (0, 0), is_unanswered: false, loss: None }
    }

    /// Works until the run is over.
    pub(super) fn drive(mut self) {
        let run = self.run;
        // An observer may panic; what else may is caught where it is called.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.follow_orders())) {
            run.observer_failed(Error::collection(Panic::caught(payload)));
            self.own = None;
        }
        if let Some((seat, connection)) = self.own.take() {
            // It may take long to forget much. Whether the worker still lives is for those to say who listen to its heart.
            match if self.is_unanswered { connection.settle() } else { Ok(()) } {
                Ok(()) => run.fleet.give_back(seat, connection),
                // What the worker was told to forget is gone in any case.
                Err(error) => drop(run.fleet.condemn(seat, error)),
            }
        }
        run.driver_left(self.number);
    }

    fn follow_orders(&mut self) {
        while let Some(order) = self.next_order() {
            // What is not done is known to the coordinator, which gives the next order accordingly.
            let _: Result<(), Interrupted> = match order {
                Order::Join => {
                    self.join();
                    Ok(())
                }
                Order::Forget(ids) => self.forget(&ids),
                Order::Work(Work::Collect(values)) => self.collect(&values),
                Order::Work(Work::Run(assignment)) => self.run_bundle(&assignment),
            };
        }
    }

    /// Waits for something to do; nothing once the run is over.
    fn next_order(&mut self) -> Option<Order> {
        let mut state = self.run.state();
        state.executing[self.number] = None;
        loop {
            if self.run.is_over(&state) {
                drop(state);
                self.run.notify();
                return None;
            }
            let Some(seat) = self.own.as_ref().map(|own| own.0).filter(|&seat| state.coordinator.is_current(seat)) else {
                self.own = None;
                return Some(Order::Join);
            };
            let drops = state.coordinator.drops(self.worker);
            if !drops.is_empty() {
                return Some(Order::Forget(drops));
            }
            if let Some(work) = state.coordinator.take(seat) {
                return Some(Order::Work(work));
            }
            state = self.run.wait_for_change(state);
        }
    }

    fn join(&mut self) {
        let fleet = self.run.fleet;
        let seat = match fleet.worker(self.worker) {
            Ok(seat) => seat,
            Err(error) => return self.run.fail(None, Error::collection(error)),
        };
        match fleet.connection(seat) {
            Ok(connection) => {
                self.own = Some((seat, connection));
                let mut state = self.run.state();
                if !state.coordinator.is_current(seat) {
                    state.coordinator.joined(seat);
                    self.run.tell_freed(state);
                    self.run.notify();
                }
            }
            Err(error) => {
                let why = self.run.lose(seat, error, None);
                // What runs beside may be to blame, and is told so. But if nothing happens meanwhile, this would go on for ever.
                let progress = self.run.state().coordinator.progress();
                let (before, times) = self.failed_joins;
                self.failed_joins = if progress == before { (progress, times + 1) } else { (progress, 1) };
                if self.failed_joins.1 == JOINS {
                    self.run.fail(None, Error::collection(why));
                }
            }
        }
    }

    /// The connection to the own worker.
    fn own(&self) -> (Seat, &Connection) {
        let (seat, connection) = self.own.as_ref().expect("orders are given to those who have joined");
        (*seat, connection)
    }

    /// The own worker is gone.
    fn lose_own(&mut self, error: WorkerError, reading: Option<u32>) -> WorkerError {
        let (seat, connection) = self.own.take().expect("orders are given to those who have joined");
        drop(connection);
        self.run.lose(seat, error, reading)
    }

    /// The own worker is gone, with a bundle in its hands.
    fn lose_own_with(&mut self, started: Option<u32>, error: WorkerError) -> Interrupted {
        let why = self.lose_own(error, None).to_string();
        self.loss = Some(Loss { started, why });
        Interrupted
    }

    fn forget(&mut self, ids: &[u64]) -> Result<(), Interrupted> {
        self.is_unanswered = true;
        self.own().1.drop_ids(ids).map_err(|error| {
            self.lose_own(error, None);
            Interrupted
        })
    }

    /// Runs a bundle. If its last worker is lost with it, the run ends, with the name of the task that had started last.
    fn run_bundle(&mut self, assignment: &Assignment) -> Result<(), Interrupted> {
        self.loss = None;
        let ended = self.attempt(assignment);
        if ended.is_err() && self.run.state().coordinator.is_exhausted(assignment.bundle) {
            // Another driver may have noticed it first.
            let unnoticed = || Loss { started: None, why: "it stopped answering".to_owned() };
            let Loss { started, why } = self.loss.take().unwrap_or_else(unnoticed);
            let tasks = self.run.parts.bundles.tasks(assignment.bundle);
            let task = started.and_then(|number| tasks.get(number as usize)).unwrap_or(&tasks[0]);
            return Err(self.fail_task(*task, self.kills_workers(why)));
        }
        ended
    }

    fn attempt(&mut self, assignment: &Assignment) -> Result<(), Interrupted> {
        // Those from one holder together.
        for fetches in assignment.fetches.chunk_by(|one, next| one.from.map(|from| from.0) == next.from.map(|from| from.0)) {
            self.fetch(assignment, fetches)?;
        }
        let message = self.run.parts.message(&self.run.shape, assignment).map_err(|error| {
            self.run.fail(None, error);
            Interrupted
        })?;
        let (seat, connection) = self.own();
        let number = self.run.fleet.execution();
        {
            let mut state = self.run.state();
            if self.run.is_over(&state) {
                return Err(Interrupted);
            }
            state.executing[self.number] = Some((seat, number));
        }
        let results: Vec<u64> = assignment.results.iter().map(|&(_, id)| id).collect();
        let observe = self.run.options.is_observed();
        let execution = Execution { run: number, arguments: &assignment.arguments, results: &results, observe, part: &message };
        let mut last_started = None;
        let mut note = |task: u32| last_started = Some(task);
        let outcome = connection.execute(execution, if assignment.is_last { Some(&mut note) } else { None });
        let tasks = self.run.parts.bundles.tasks(assignment.bundle);
        match outcome {
            Ok(Outcome::Done { nbytes, duration, events }) => {
                let first_worker = seat.worker * self.run.fleet.settings.threads;
                // Before anybody can hear that a value of the bundle was let go. An observer may panic, and the results are there all the
                // same.
                let told = catch_unwind(AssertUnwindSafe(|| events::tell(self.run, assignment, &events, first_worker)));
                self.is_unanswered = false;
                let ended = self.finished(seat, assignment, &nbytes, duration);
                told.unwrap_or_else(|payload| resume_unwind(payload));
                ended
            }
            Ok(Outcome::Failed { task, message, panic }) => {
                let source: BoxError = if panic { Panic::new(message).into() } else { WorkerError::Failed { message }.into() };
                let task = task.and_then(|number| tasks.get(number as usize)).copied();
                // The worker could not read the message: which task's fault that is can be found out here as well.
                let arguments = || self.run.parts.arguments(&self.run.shape, assignment.bundle);
                let task = task.or_else(|| self.run.parts.culprit(tasks, &arguments()).map(|culprit| culprit.0));
                Err(self.fail_task(task.unwrap_or(tasks[0]), source))
            }
            Ok(Outcome::Missing { id }) => Err(self.vanished(seat, id, Some(assignment))),
            Ok(Outcome::Cancelled) => Err(self.returned(seat, assignment)),
            Err(error @ WorkerError::Damaged { .. }) => Err(self.fail_task(tasks[0], error.into())),
            Err(error) => Err(self.lose_own_with(last_started, error)),
        }
    }

    /// The results are there; unless their worker was lost since, which is an attempt that failed like any other.
    fn finished(&self, seat: Seat, assignment: &Assignment, nbytes: &[u64], duration: std::time::Duration) -> Result<(), Interrupted> {
        let mut state = self.run.state();
        state.executing[self.number] = None;
        if self.run.options.is_observed() {
            for (&(value, _), &nbytes) in assignment.results.iter().zip(nbytes) {
                state.nbytes[value as usize] = nbytes as usize;
            }
        }
        if !state.coordinator.finished(seat, assignment, nbytes) {
            drop(state);
            events::tell_lost(self.run, assignment, nbytes);
            return Err(Interrupted);
        }
        state.durations.push((assignment.bundle, duration));
        for &value in self.run.shape.inputs(assignment.bundle) {
            if state.coordinator.is_unneeded(value) {
                self.run.forget_payload(value);
            }
        }
        self.run.tell_freed(state);
        self.run.notify();
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------- what went wrong

    fn returned(&self, seat: Seat, assignment: &Assignment) -> Interrupted {
        self.run.state().coordinator.returned(seat, assignment);
        self.run.notify();
        Interrupted
    }

    /// A store does not hold what it should.
    fn vanished(&self, holder: Seat, id: u64, assignment: Option<&Assignment>) -> Interrupted {
        let mut state = self.run.state();
        state.coordinator.vanished(holder, id);
        if let (Some(assignment), Some((seat, _))) = (assignment, &self.own) {
            state.coordinator.returned(*seat, assignment);
        }
        self.run.tell_freed(state);
        self.run.notify();
        Interrupted
    }

    /// A worker was lost while a value was read from it: an error if that has happened too often.
    fn blame(&self, value: u32, why: &WorkerError) -> Interrupted {
        let Some(producer) = self.run.shape.producer(value) else { return Interrupted };
        if !self.run.state().coordinator.is_exhausted(producer) {
            return Interrupted;
        }
        self.fail_value(value, self.kills_workers(why.to_string()))
    }

    fn kills_workers(&self, why: String) -> BoxError {
        WorkerError::TaskKillsWorkers { attempts: self.run.fleet.settings.attempts, why }.into()
    }

    fn fail_task(&self, task: u32, source: BoxError) -> Interrupted {
        self.run.fail(Some(task), self.run.plan.failure(task, source));
        Interrupted
    }

    /// A value cannot be written or read: its task's fault, or a constant's.
    fn fail_value(&self, value: u32, source: BoxError) -> Interrupted {
        match self.run.parts.source(value) {
            Source::Task(task) => self.fail_task(task, source),
            Source::Constant(_) => {
                let reader = self.run.shape.readers(value)[0];
                self.fail_task(self.run.parts.bundles.tasks(reader)[0], source)
            }
        }
    }
}
