//! Who works for which run.
//!
//! A pool has n *slots*. A thread holds one while it runs tasks: workers take one to join a run, callers bring theirs (a caller must always be able to finish its own run, so it
//! takes a slot even if none is left). Who parks gives the slot back, and a worker, a spare if need be, takes it.
//!
//! Nothing here is on the path of a task: the lock is taken when runs begin and end, and when threads park and wake.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use arras_core::{Plan, Result, Value};

use crate::current::enter_tasks_of;
use crate::observer::Event;
use crate::scheduler::RunOptions;
use crate::threads::MemoryLimit;
use crate::threads::run::Run;

/// Spare threads for each slot, at most. More are never needed to get on, as every waiting thread's run is worked for by its own caller; they only keep the
/// slots busy.
const SPARES_PER_SLOT: usize = 8;

/// How long a spare thread waits for work before it ends.
const SPARE_PATIENCE: Duration = Duration::from_secs(5);

/// The pool's owner: ends the threads when dropped.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

/// The pool as its threads see it.
pub(crate) struct Shared {
    n_slots: usize,
    /// Threads that are parked, workers and callers, and workers that were never started: asked by tasks that have work to offer.
    sleepers: AtomicUsize,
    state: Mutex<State>,
    /// Wakes workers.
    workers: Condvar,
    this: Weak<Shared>,
}

#[derive(Default)]
struct State {
    /// Runs that are not over, the deepest nested first, in order of arrival among equals.
    runs: Vec<Arc<Run>>,
    /// Slots in use; more than there are when callers bring theirs.
    busy: usize,
    /// Worker threads, parked or not.
    threads: usize,
    /// Worker threads that are parked.
    idle: usize,
    /// Worker threads that were woken and have not looked around yet.
    waking: usize,
    /// Worker threads that were started and have not looked around yet.
    starting: usize,
    shutdown: bool,
    handles: Vec<JoinHandle<()>>,
}

thread_local! {
    /// Whether this thread is a worker of some pool.
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
    /// The pools whose slots this thread holds, and how many of its runs are below on the stack.
    static HOLDS: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

impl Pool {
    pub(crate) fn new(n_slots: usize) -> Pool {
        let shared = Arc::new_cyclic(|this| Shared {
            n_slots,
            sleepers: AtomicUsize::new(n_slots - 1),
            state: Mutex::default(),
            workers: Condvar::new(),
            this: this.clone(),
        });
        Pool { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let handles = {
            let mut state = self.shared.lock();
            state.shutdown = true;
            std::mem::take(&mut state.handles)
        };
        self.shared.workers.notify_all();
        // A task may own the last handle of its own pool, or of one whose task owns the last handle of this: a worker waits for no worker. They end by
        // themselves.
        if !IS_WORKER.get() {
            for handle in handles {
                let _ = handle.join();
            }
        }
    }
}

/// Runs a plan on the calling thread and whoever of the pool is free.
pub(crate) fn run(shared: &Arc<Shared>, plan: &Arc<Plan>, options: &RunOptions, memory: Option<&MemoryLimit>) -> Result<Vec<Value>> {
    let holds = HOLDS.with_borrow(|held| held.iter().any(|pool| Arc::ptr_eq(pool, shared)));
    let depth = HOLDS.with_borrow(Vec::len);
    let run = Arc::new(Run::new(plan, options, memory, depth));
    options.emit(plan, &Event::RunStarted);
    shared.begin(&run, !holds);
    while !run.is_over() {
        shared.work_for(&run);
        shared.wait_for(&run);
    }
    shared.end(&run, !holds);
    options.emit(plan, &Event::RunFinished);
    run.finish()
}

impl Shared {
    pub(crate) fn n_slots(&self) -> usize {
        self.n_slots
    }

    pub(crate) fn this(&self) -> Arc<Shared> {
        self.this.upgrade().expect("somebody holds the pool to call this")
    }

    pub(crate) fn has_sleepers(&self) -> bool {
        self.sleepers.load(Ordering::Relaxed) > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, run: &Arc<Run>, takes_slot: bool) {
        let mut state = self.lock();
        state.busy += usize::from(takes_slot);
        let at = state.runs.partition_point(|other| other.depth >= run.depth);
        state.runs.insert(at, Arc::clone(run));
        let helpers = run.n_roots().saturating_sub(1).min(self.n_slots);
        for _ in 0..helpers {
            self.summon(&mut state);
        }
    }

    fn end(&self, run: &Arc<Run>, takes_slot: bool) {
        let mut state = self.lock();
        state.runs.retain(|other| !Arc::ptr_eq(other, run));
        if takes_slot {
            state.busy -= 1;
            if state.runs.iter().any(|run| run.has_work()) {
                self.summon(&mut state);
            }
        }
    }

    /// Works for a run on this thread, which holds a slot.
    fn work_for(self: &Arc<Self>, run: &Run) {
        /// Forgets the slot when the work ends.
        struct Held;
        impl Drop for Held {
            fn drop(&mut self) {
                let left = HOLDS.with_borrow_mut(Vec::pop);
                drop(left);
            }
        }
        HOLDS.with_borrow_mut(|held| held.push(Arc::clone(self)));
        let _held = Held;
        let _inner_runs_here = enter_tasks_of(Arc::clone(self) as Arc<dyn crate::Scheduler>);
        run.work(self);
    }

    /// Parks the caller of a run until the run is over or has work for it, its slots lent meanwhile.
    fn wait_for(self: &Arc<Self>, run: &Arc<Run>) {
        // Slots of other pools, which this thread holds because it is inside a task of theirs.
        let mut others: Vec<Arc<Shared>> = Vec::new();
        HOLDS.with_borrow(|held| {
            for pool in held {
                if !Arc::ptr_eq(pool, self) && !others.iter().any(|other| Arc::ptr_eq(other, pool)) {
                    others.push(Arc::clone(pool));
                }
            }
        });
        let mut state = self.lock();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if !run.is_over() && !run.has_work() {
            self.leave(&mut state, run);
            drop(state);
            for other in &others {
                other.lend();
            }
            state = self.lock();
            while !run.is_over() && !run.has_work() {
                if !run.caller_parked.load(Ordering::Relaxed) {
                    // Others took the work that this thread was woken for.
                    self.leave(&mut state, run);
                }
                state = run.caller.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.busy += usize::from(run.caller_parked.swap(false, Ordering::Relaxed));
            drop(state);
            for other in &others {
                other.lock().busy += 1;
            }
        } else {
            drop(state);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Gives the slot of a run's caller back, which is about to park. Its own run's work needs no other thread: the caller stays for that.
    fn leave(&self, state: &mut State, run: &Arc<Run>) {
        run.caller_parked.store(true, Ordering::Relaxed);
        state.busy -= 1;
        if state.runs.iter().any(|other| !Arc::ptr_eq(other, run) && other.has_work()) {
            self.summon(state);
        }
    }

    /// Gives a slot back while its holder waits.
    fn lend(self: &Arc<Self>) {
        let mut state = self.lock();
        state.busy -= 1;
        if state.runs.iter().any(|run| run.has_work()) {
            self.summon(&mut state);
        }
    }

    /// Wakes the caller of a run that is over.
    pub(crate) fn wake_caller(&self, run: &Run) {
        let _state = self.lock();
        run.caller.notify_all();
    }

    /// Wakes somebody for each of the tasks that a run can start now: its caller if that is parked, and workers.
    pub(crate) fn wake_for(&self, run: &Run, tasks: usize) {
        let mut state = self.lock();
        let mut wanted = tasks.min(self.n_slots);
        if run.caller_parked.swap(false, Ordering::Relaxed) {
            // It finds its slot taken for it, so that no worker gets in before it.
            state.busy += 1;
            wanted -= 1;
            run.caller.notify_all();
        }
        for _ in 0..wanted {
            self.summon(&mut state);
        }
    }

    /// Gets one more worker to look around, if there is a slot for it: a parked one, else a new one.
    fn summon(&self, state: &mut State) {
        if state.busy + state.waking + state.starting >= self.n_slots || state.shutdown {
            return;
        }
        if state.idle > state.waking {
            state.waking += 1;
            self.workers.notify_one();
        } else if state.threads < self.n_slots * (1 + SPARES_PER_SLOT) {
            let shared = self.this();
            let spawned = std::thread::Builder::new().name(format!("arras-{}", state.threads)).spawn(move || shared.serve());
            // Without the thread the run goes on: its caller works for it.
            if let Ok(handle) = spawned {
                if state.threads < self.n_slots - 1 {
                    self.sleepers.fetch_sub(1, Ordering::SeqCst);
                }
                state.threads += 1;
                state.starting += 1;
                // Threads that have ended need no joining.
                state.handles.retain(|handle| !handle.is_finished());
                state.handles.push(handle);
            }
        }
    }

    /// The life of a worker thread.
    fn serve(self: Arc<Self>) {
        IS_WORKER.set(true);
        let mut state = self.lock();
        state.starting -= 1;
        while !state.shutdown {
            if let Some(run) = self.pick(&state) {
                state.busy += 1;
                drop(state);
                // Dropping the run may drop the user's values.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    self.work_for(&run);
                    drop(run);
                }));
                state = self.lock();
                state.busy -= 1;
                continue;
            }
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            // Look again now that everybody can see that this thread is about to sleep.
            if self.pick(&state).is_some() {
                self.sleepers.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            state.idle += 1;
            let is_spare = state.threads >= self.n_slots;
            let mut patient = true;
            if is_spare {
                let (woken, timeout) = self.workers.wait_timeout(state, SPARE_PATIENCE).unwrap_or_else(PoisonError::into_inner);
                state = woken;
                patient = !timeout.timed_out();
            } else {
                state = self.workers.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.idle -= 1;
            state.waking = state.waking.saturating_sub(1);
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            if !patient && state.threads >= self.n_slots && self.pick(&state).is_none() {
                break;
            }
        }
        state.threads -= 1;
    }

    /// A run to work for, if a slot is free.
    fn pick(&self, state: &State) -> Option<Arc<Run>> {
        if state.busy >= self.n_slots {
            return None;
        }
        state.runs.iter().find(|run| run.has_work()).cloned()
    }
}
