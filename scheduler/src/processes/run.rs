//! One plan being driven: what its drivers share, and what the thread that called does meanwhile.
//!
//! ```text
//!     caller      spawns the drivers, waits; passes cancellation on; at the end has the workers forget what is left, and hands over the values
//!     drivers     one for each bundle that runs at once: take work, do it, tell the coordinator            driver.rs
//!                      └── state: the coordinator, the values at home, the first failure                   one lock, held for the brain's own time only
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arras_core::optimise::{BundleOptions, Bundles};
use arras_core::{BoxError, Error, Plan, Result, Source, Value};

use super::coordinator::{Coordinator, Seat};
use super::driver::Driver;
use super::fleet::{Fleet, lock};
use super::parts::Parts;
use super::payloads::Payloads;
use super::shape::Shape;
use crate::guard::guarded;
use crate::observer::Event;
use crate::scheduler::RunOptions;
use crate::worker::WorkerError;
use crate::worker::payload::Payload;

/// What a bundle costs besides its tasks: a message each way, and the thread that waits for it.
const PER_BUNDLE: Duration = Duration::from_micros(100);

/// Payloads that are kept for further workers, for each bundle that runs at once.
const PAYLOADS: usize = 2;

/// How often the caller asks whether it was cancelled.
const POLL: Duration = Duration::from_millis(5);

/// How often workers that go on after the run was stopped are told.
const REMIND: Duration = Duration::from_millis(20);

/// What the drivers of a run share.
pub(super) struct Run<'r> {
    pub(super) fleet: &'r Arc<Fleet>,
    pub(super) plan: &'r Plan,
    pub(super) options: &'r RunOptions,
    pub(super) parts: Parts<'r>,
    pub(super) shape: Arc<Shape>,
    state: Mutex<State>,
    /// For drivers that wait for work.
    changed: Condvar,
    /// For the caller, which waits for the drivers.
    left: Condvar,
    /// Set by the first failure and by cancellation: no bundle starts any more.
    is_stopped: AtomicBool,
    /// What large constants, and values at home that workers ask for, look like on their way.
    payloads: Payloads,
}

pub(super) struct State {
    pub(super) coordinator: Coordinator,
    /// Wanted values that are at home.
    pub(super) home: Vec<Option<Value>>,
    /// Sizes of values, for observers.
    pub(super) nbytes: Vec<usize>,
    /// How long each bundle took.
    pub(super) durations: Vec<(u32, Duration)>,
    /// What each driver has a worker run, and the number by which it can be cancelled.
    pub(super) executing: Vec<Option<(Seat, u64)>>,
    n_driving: usize,
    failure: Option<Error>,
}

/// Runs a plan.
pub(super) fn run(fleet: &Arc<Fleet>, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
    let plan = plan.localised()?;
    plan.check_portable()?;
    options.emit(&plan, &Event::RunStarted);
    let result = if plan.is_empty() { Ok(constants(&plan)) } else { drive(fleet, &plan, options) };
    options.emit(&plan, &Event::RunFinished);
    result
}

/// The outputs of a plan without tasks.
fn constants(plan: &Plan) -> Vec<Value> {
    let constant = |output| match output {
        Source::Constant(index) => plan.constant(index).clone(),
        Source::Task(_) => unreachable!("the plan has no tasks"),
    };
    plan.outputs().map(constant).collect()
}

/// The error of what is no task's fault.
fn nobodys_fault(error: BoxError) -> Error {
    Error::Collection(Arc::from(error))
}

fn drive(fleet: &Arc<Fleet>, plan: &Plan, options: &RunOptions) -> Result<Vec<Value>> {
    if options.is_cancelled() {
        return Err(Error::Cancelled { finished: 0, total: plan.len() });
    }
    let settings = &fleet.settings;
    let slots = settings.n_workers * settings.threads;
    let bundles = {
        let learned = lock(&fleet.learned);
        // Sizes of constants may be found by the user's own code.
        guarded(|| Ok(Bundles::new(plan, &BundleOptions { slots, per_bundle: PER_BUNDLE, costs: Some(&learned.costs) })))
            .map_err(nobodys_fault)?
    };
    let (parts, shape) = Parts::new(plan, &bundles);
    let shape = Arc::new(shape);
    let coordinator = Coordinator::new(Arc::clone(&shape), &parts.given_nbytes, settings.n_workers, settings.attempts, fleet.first_id());
    let n_drivers = slots.min(bundles.len());
    let n_values = shape.n_values();
    let state = State {
        coordinator,
        home: vec![None; n_values],
        nbytes: vec![0; if options.is_observed() { n_values } else { 0 }],
        durations: Vec::with_capacity(bundles.len()),
        executing: vec![None; n_drivers],
        n_driving: n_drivers,
        failure: None,
    };
    let run = Run {
        fleet,
        plan,
        options,
        parts,
        shape,
        state: Mutex::new(state),
        changed: Condvar::new(),
        left: Condvar::new(),
        is_stopped: AtomicBool::new(false),
        payloads: Payloads::new(PAYLOADS * slots),
    };
    let _watched = fleet.watched();
    std::thread::scope(|scope| {
        for number in 0..n_drivers {
            let driver = Driver::new(&run, number, number % settings.n_workers);
            let spawned = std::thread::Builder::new().name(format!("arras-driver-{number}")).spawn_scoped(scope, || driver.drive());
            if let Err(error) = spawned {
                run.fail(None, Error::collection(WorkerError::start(error)));
                run.driver_left(number);
            }
        }
        run.wait();
    });
    run.tidy();
    run.finish()
}

impl Run<'_> {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits until another thread has changed something.
    pub(super) fn wait_for_change<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all drivers that wait.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Whether nothing is to be started any more: all is done, something failed, or the run was cancelled.
    pub(super) fn is_over(&self, state: &State) -> bool {
        if self.options.is_cancelled() {
            self.is_stopped.store(true, Ordering::Relaxed);
        }
        self.is_stopped.load(Ordering::Relaxed) || state.coordinator.is_done()
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // Who is about to wait has looked at the flag under this lock.
        drop(self.state());
        self.notify();
        self.left.notify_all();
    }

    /// Ends the run: a task failed, or something that is nobody's fault. Once all is at home, that is of no interest any more.
    pub(super) fn fail(&self, task: Option<u32>, error: Error) {
        {
            let mut state = self.state();
            if state.coordinator.is_done() {
                return;
            }
            state.failure.get_or_insert_with(|| error.clone());
        }
        self.stop();
        // An observer may panic, which ends this driver and does not hide the failure.
        if let Some(task) = task {
            self.options.emit(self.plan, &Event::Failed { task, error: &error });
        }
    }

    /// Ends the run: an observer panicked. Its owner hears of it even if all is at home.
    pub(super) fn observer_failed(&self, error: Error) {
        self.state().failure.get_or_insert(error);
        self.stop();
    }

    /// A worker does not talk as it should. Returns why that is. If this process lacks something, a descriptor perhaps, that is no fault of the
    /// worker's, and ends the run.
    pub(super) fn lose(&self, seat: Seat, error: WorkerError, reading: Option<u32>) -> WorkerError {
        if matches!(error, WorkerError::Start { .. }) {
            self.fail(None, Error::collection(error.clone()));
            return error;
        }
        let why = self.fleet.condemn(seat, error);
        let mut state = self.state();
        state.coordinator.lost(seat, reading);
        self.tell_freed(state);
        self.notify();
        why
    }

    /// Tells observers which values are no more.
    pub(super) fn tell_freed(&self, mut state: MutexGuard<'_, State>) {
        let freed = state.coordinator.freed();
        if !self.options.is_observed() || freed.is_empty() {
            return;
        }
        let freed: Vec<(u32, usize)> = freed.into_iter().map(|value| (value, state.nbytes[value as usize])).collect();
        drop(state);
        for (value, nbytes) in freed {
            if let Source::Task(task) = self.parts.source(value) {
                self.options.emit(self.plan, &Event::Freed { task, nbytes });
            }
        }
    }

    pub(super) fn driver_left(&self, number: usize) {
        let mut state = self.state();
        state.executing[number] = None;
        state.n_driving -= 1;
        drop(state);
        self.left.notify_all();
    }

    /// What a value at home looks like on its way to a worker.
    pub(super) fn payload(&self, value: u32) -> Result<Arc<Payload>, BoxError> {
        let content = match self.parts.source(value) {
            Source::Constant(index) => self.plan.constant(index).clone(),
            Source::Task(_) => self.state().home[value as usize].clone().expect("the coordinator was told that it is at home"),
        };
        self.payloads.of(value, || guarded(|| Payload::of(&content)))
    }

    /// Lets go of what a value looked like on its way, if no worker will ask for it again.
    pub(super) fn forget_payload(&self, value: u32) {
        self.payloads.forget(value);
    }

    /// Waits for the drivers. Asks now and then whether the run is cancelled, and passes that on.
    fn wait(&self) {
        let may_be_cancelled = !self.options.cancel.is_empty();
        let mut state = self.state();
        while state.n_driving > 0 {
            if self.is_over(&state) {
                // Nobody needs what still runs. A worker that has not begun yet does not hear it the first time.
                self.notify();
                let running: Vec<(Seat, u64)> = state.executing.iter().flatten().copied().collect();
                if !running.is_empty() {
                    drop(state);
                    running.into_iter().for_each(|(seat, number)| self.cancel(seat, number));
                    state = self.state();
                }
                if state.n_driving > 0 {
                    state = self.left.wait_timeout(state, REMIND).unwrap_or_else(PoisonError::into_inner).0;
                }
            } else if may_be_cancelled {
                state = self.left.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn cancel(&self, seat: Seat, number: u64) {
        if let Ok(connection) = self.fleet.connection(seat)
            && connection.cancel(number).is_ok()
        {
            self.fleet.give_back(seat, connection);
        }
    }

    /// Has the workers forget what they hold of this run.
    fn tidy(&self) {
        let mut state = self.state();
        for worker in 0..self.fleet.settings.n_workers {
            let ids = state.coordinator.held(worker);
            let Some(seat) = state.coordinator.seat(worker).filter(|_| !ids.is_empty()) else { continue };
            let Ok(connection) = self.fleet.connection(seat) else {
                self.fleet.forget_later(seat, ids);
                continue;
            };
            match connection.drop_ids(&ids).and_then(|()| connection.settle()) {
                Ok(()) => self.fleet.give_back(seat, connection),
                Err(error) => drop(self.fleet.condemn(seat, error)),
            }
        }
        if state.failure.is_none() {
            let durations = std::mem::take(&mut state.durations);
            // Without what it could not take in, the next plan is cut a little worse.
            let _ = guarded(|| {
                lock(&self.fleet.learned).learn(self.plan, self.parts.bundles, &durations);
                Ok(())
            });
        }
    }

    /// The wanted values, or why there are none.
    fn finish(self) -> Result<Vec<Value>> {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.failure.take() {
            return Err(error);
        }
        if !state.coordinator.is_done() {
            let done = (0..self.shape.n_bundles() as u32).filter(|&bundle| state.coordinator.is_bundle_done(bundle));
            let finished = done.map(|bundle| self.parts.bundles.tasks(bundle).len()).sum();
            return Err(Error::Cancelled { finished, total: self.plan.len() });
        }
        let value = |output| match output {
            Source::Constant(index) => self.plan.constant(index).clone(),
            Source::Task(task) => {
                state.home[self.parts.value_of(task) as usize].clone().expect("the coordinator said that all are at home")
            }
        };
        Ok(self.plan.outputs().map(value).collect())
    }
}
