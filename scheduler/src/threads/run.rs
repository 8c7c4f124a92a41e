//! One plan being driven by the threads that work for it.
//!
//! ```text
//!     next task of a worker:   own deque, newest first      what the last task made ready: its inputs are in the cache
//!                              the next roots, a batch      in rank order, smaller batches towards the end
//!                              the others' deques, oldest   work stealing
//! ```
//! A worker keeps the first task that it makes ready and offers the rest, so a chain runs as a loop. Roots are taken only when there is nothing better, so
//! that values die before new ones are made.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use arras_core::{BoxError, Error, Panic, Plan, Result, Source, Value};
use crossbeam_deque::{Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;
use rustc_hash::FxHashMap;

use crate::bookkeeping::Bookkeeping;
use crate::guard::guarded;
use crate::observer::Event;
use crate::scheduler::RunOptions;
use crate::slots::Slots;
use crate::spill::{Slot, Spill};
use crate::threads::MemoryLimit;
use crate::threads::admission::{Admission, Start};
use crate::threads::pool::Shared;

/// Roots that a worker takes at once, at most.
const ROOT_BATCH: usize = 16;

/// How often an idle worker looks for work before it leaves.
const IDLE_ROUNDS: u32 = 64;

pub(crate) struct Run {
    plan: Arc<Plan>,
    options: RunOptions,
    bookkeeping: Bookkeeping,
    slots: Slots,
    /// Sizes of values, kept for observers only.
    sizes: Box<[AtomicUsize]>,
    /// The next root.
    cursor: CachePadded<AtomicUsize>,
    /// Tasks reported as done by workers that ran out of work.
    done: CachePadded<AtomicUsize>,
    /// Threads inside [`work`](Run::work).
    active: CachePadded<AtomicUsize>,
    /// Set by the first failure and by cancellation: nothing starts any more.
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
    seats: Mutex<Vec<Seat>>,
    stealers: RwLock<Vec<Stealer<u32>>>,
    /// Wakes the caller. Used with the pool's lock.
    pub(crate) caller: Condvar,
    /// The caller is parked, and its slot given back. Guarded by the pool's lock.
    pub(crate) caller_parked: AtomicBool,
    /// How many runs this one is inside of.
    pub(crate) depth: usize,
    /// Under a memory limit: which task may start, instead of deques and cursor.
    limited: Option<Mutex<Limited>>,
}

/// A run under a memory limit. Its lock is held while values go to disk and come back: whoever waits for it could not start anything before.
struct Limited {
    admission: Admission,
    spill: Spill,
    slots_on_disk: FxHashMap<u32, Slot>,
    warned: bool,
}

/// A worker's place in a run: its number there and its deque.
struct Seat {
    number: usize,
    deque: Worker<u32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No user code runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    pub(crate) fn new(plan: &Arc<Plan>, options: &RunOptions, memory: Option<&MemoryLimit>, depth: usize) -> Run {
        let limited = memory.map(|memory| {
            Mutex::new(Limited {
                admission: Admission::new(plan, memory.nbytes),
                spill: Spill::new(memory.spill_directory.clone()),
                slots_on_disk: FxHashMap::default(),
                warned: false,
            })
        });
        let n_sizes = if options.is_observed() { plan.len() } else { 0 };
        Run {
            plan: Arc::clone(plan),
            options: options.clone(),
            bookkeeping: Bookkeeping::new(plan),
            slots: Slots::new(plan.len()),
            sizes: (0..n_sizes).map(|_| AtomicUsize::new(0)).collect(),
            cursor: CachePadded::new(AtomicUsize::new(0)),
            done: CachePadded::new(AtomicUsize::new(0)),
            active: CachePadded::new(AtomicUsize::new(0)),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
            seats: Mutex::new(Vec::new()),
            stealers: RwLock::new(Vec::new()),
            caller: Condvar::new(),
            caller_parked: AtomicBool::new(false),
            depth,
            limited,
        }
    }

    /// Whether the caller may go: every task is done, or the run was stopped and nobody works for it any more.
    pub(crate) fn is_over(&self) -> bool {
        // Who sees the stop sees, by acquiring it, that the thread which stopped the run is active, until that leaves.
        self.done.load(Ordering::Acquire) == self.plan.len()
            || (self.stop.load(Ordering::Acquire) && self.active.load(Ordering::SeqCst) == 0)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether a worker that came now would find something.
    pub(crate) fn has_work(&self) -> bool {
        if let Some(limited) = &self.limited {
            return !self.is_stopped() && lock(limited).admission.has_work(&self.plan);
        }
        !self.is_stopped()
            && (self.cursor.load(Ordering::Relaxed) < self.plan.roots().len()
                || self.stealers.read().unwrap_or_else(PoisonError::into_inner).iter().any(|stealer| !stealer.is_empty()))
    }

    /// The number of threads that could start at once.
    pub(crate) fn n_roots(&self) -> usize {
        self.plan.roots().len()
    }

    /// Works for this run until there is nothing left for this thread.
    pub(crate) fn work(&self, pool: &Arc<Shared>) {
        self.active.fetch_add(1, Ordering::SeqCst);
        if !self.is_stopped() {
            // Panics of tasks are caught where they run. What gets here is a panic on the way to tell of one, which must not leave the caller waiting.
            let driven = catch_unwind(AssertUnwindSafe(|| {
                let seat = self.sit_down();
                if let Some(limited) = &self.limited {
                    self.drive_limited(limited, &seat, pool);
                } else if self.options.is_observed() {
                    self.drive::<true>(&seat, pool);
                } else {
                    self.drive::<false>(&seat, pool);
                }
                lock(&self.seats).push(seat);
            }));
            if let Err(payload) = driven {
                lock(&self.failure).get_or_insert_with(|| Error::collection(Panic::caught(payload)));
                self.stop.store(true, Ordering::SeqCst);
            }
        }
        let was = self.active.fetch_sub(1, Ordering::SeqCst);
        if was == 1 && self.is_stopped() {
            pool.wake_caller(self);
        }
    }

    fn sit_down(&self) -> Seat {
        if let Some(seat) = lock(&self.seats).pop() {
            return seat;
        }
        let deque = Worker::new_lifo();
        let mut stealers = self.stealers.write().unwrap_or_else(PoisonError::into_inner);
        stealers.push(deque.stealer());
        Seat { number: stealers.len() - 1, deque }
    }

    fn drive<const OBSERVED: bool>(&self, seat: &Seat, pool: &Arc<Shared>) {
        let mut finished = 0;
        let mut idle_rounds = 0;
        loop {
            let Some(task) = seat.deque.pop().or_else(|| self.next_roots(seat, pool)).or_else(|| self.steal(seat.number)) else {
                if finished > 0 {
                    // What this thread did is all visible to whoever sees the sum.
                    let done = self.done.fetch_add(finished, Ordering::AcqRel) + finished;
                    finished = 0;
                    if done == self.plan.len() {
                        pool.wake_caller(self);
                        return;
                    }
                }
                idle_rounds += 1;
                if idle_rounds > IDLE_ROUNDS || self.is_stopped() || self.done.load(Ordering::Relaxed) == self.plan.len() {
                    return;
                }
                std::hint::spin_loop();
                continue;
            };
            idle_rounds = 0;
            let mut next = Some(task);
            while let Some(id) = next {
                if self.is_stopped() || self.options.is_cancelled() {
                    self.stop.store(true, Ordering::SeqCst);
                    self.done.fetch_add(finished, Ordering::AcqRel);
                    return;
                }
                match self.step::<OBSERVED>(id, seat, pool) {
                    Ok(ready) => {
                        finished += 1;
                        next = ready;
                    }
                    Err(error) => {
                        self.done.fetch_add(finished, Ordering::AcqRel);
                        return self.fail(id, error);
                    }
                }
            }
        }
    }

    /// Takes note of a task's failure, the run's end.
    fn fail(&self, id: u32, error: Error) {
        lock(&self.failure).get_or_insert_with(|| error.clone());
        self.stop.store(true, Ordering::SeqCst);
        // An observer may panic, and so may the destructor of the error: the run would never be over if this thread did not leave it in order.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            self.options.emit(&self.plan, &Event::Failed { task: id, error: &error });
            drop(error);
        }));
    }

    /// As `drive`, under a memory limit.
    fn drive_limited(&self, limited: &Mutex<Limited>, seat: &Seat, pool: &Arc<Shared>) {
        while !self.is_stopped() {
            if self.options.is_cancelled() {
                self.stop.store(true, Ordering::SeqCst);
                return;
            }
            let prepared = catch_unwind(AssertUnwindSafe(|| self.prepare(&mut lock(limited))));
            let (id, outcome) = match prepared {
                Ok(None) => return,
                Ok(Some((id, Ok(())))) => {
                    let outcome = catch_unwind(AssertUnwindSafe(|| self.step_limited(id, limited, seat, pool)));
                    (id, outcome.unwrap_or_else(|payload| Err(Panic::caught(payload).into())))
                }
                Ok(Some((id, Err(error)))) => (id, Err(error)),
                Err(payload) => (0, Err(Panic::caught(payload).into())),
            };
            if let Err(source) = outcome {
                return self.fail(id, self.plan.failure(id, source));
            }
            if self.done.fetch_add(1, Ordering::AcqRel) + 1 == self.plan.len() {
                pool.wake_caller(self);
                return;
            }
        }
    }

    /// Takes the next task that may start, and makes room for it and its inputs.
    fn prepare(&self, limited: &mut Limited) -> Option<(u32, Result<(), BoxError>)> {
        let Start { task, restore } = limited.admission.start(&self.plan)?;
        while limited.admission.lacks(&restore) > 0 {
            let Some(id) = limited.admission.next_to_spill() else { break };
            // SAFETY: the admission names values of finished tasks that no running task reads, and none starts to while this thread holds its lock. Nobody else looks at the slot.
            let Some(value) = (unsafe { self.slots.take(id) }) else {
                limited.admission.stays(id);
                continue;
            };
            match limited.spill.write(&value) {
                Ok(slot) => {
                    let nbytes = value.nbytes();
                    limited.slots_on_disk.insert(id, slot);
                    limited.admission.spilled(id);
                    drop(value);
                    self.options.emit(&self.plan, &Event::Spilled { task: id, nbytes });
                }
                Err(error) => {
                    // SAFETY: as above.
                    unsafe { self.slots.put(id, value) };
                    limited.admission.stays(id);
                    if !std::mem::replace(&mut limited.warned, true) {
                        eprintln!("arras: {} stays in memory, which is over the limit: {error}", self.plan.key(id));
                    }
                }
            }
        }
        Some((task, restore.into_iter().try_for_each(|id| self.restore(limited, id))))
    }

    /// Reads a value back from disk.
    fn restore(&self, limited: &mut Limited, id: u32) -> Result<(), BoxError> {
        let slot = limited.slots_on_disk.remove(&id).expect("a value on disk has its place there");
        let value = slot.read()?;
        let nbytes = value.nbytes();
        // SAFETY: the value is on disk, so no task that reads it runs, and none starts to while this thread holds the lock that it has `limited` from.
        unsafe { self.slots.put(id, value) };
        limited.admission.restored(&self.plan, id);
        self.options.emit(&self.plan, &Event::Restored { task: id, nbytes });
        Ok(())
    }

    /// Runs one task whose inputs are in memory.
    fn step_limited(&self, id: u32, limited: &Mutex<Limited>, seat: &Seat, pool: &Arc<Shared>) -> Result<(), BoxError> {
        let plan = &*self.plan;
        self.options.emit(plan, &Event::Started { task: id, worker: seat.number });
        let started = Instant::now();
        // SAFETY: this thread runs task `id`, whose inputs were in memory when the admission let it start, and stay there until it is reported below.
        let value = plan.call_with(id, |input| unsafe { self.slots.get(input) }, |input| self.bookkeeping.is_last(input))?;
        let (duration, nbytes) = (started.elapsed(), value.nbytes());
        if let Some(size) = self.sizes.get(id as usize) {
            size.store(nbytes, Ordering::Relaxed);
        }
        self.options.emit(plan, &Event::Finished { task: id, worker: seat.number, nbytes, duration });
        let (mut releasable, mut ready) = (Vec::new(), Vec::new());
        {
            let _limited = lock(limited);
            // SAFETY: this thread runs task `id`, and its readers are ready only after the report below. Under the lock, as others look for values to spill.
            unsafe { self.slots.put(id, value) };
            self.bookkeeping.finished(plan, id, |input| releasable.push(input), |task| ready.push(task));
        }
        // What is released still counts as held until it is gone.
        for &input in &releasable {
            // SAFETY: the bookkeeping has just said that the value of `input` is releasable, to this thread alone. It is in memory, and no candidate for the disk: this task, which
            // reads it, has not been reported to the admission.
            drop(unsafe { self.slots.take(input) });
            if let Some(size) = self.sizes.get(input as usize) {
                self.options.emit(plan, &Event::Freed { task: input, nbytes: size.load(Ordering::Relaxed) });
            }
        }
        let has_more = {
            let mut limited = lock(limited);
            limited.admission.finished(plan, id, nbytes as u64);
            releasable.into_iter().for_each(|input| limited.admission.released(input));
            ready.into_iter().for_each(|task| limited.admission.readied(task));
            limited.admission.has_work(plan)
        };
        if has_more {
            self.offer(1, pool);
        }
        Ok(())
    }

    /// Takes the next roots: the first to run, the others onto the deque, where they can be stolen.
    fn next_roots(&self, seat: &Seat, pool: &Arc<Shared>) -> Option<u32> {
        let roots = self.plan.roots();
        let start = self.cursor.load(Ordering::Relaxed);
        if start >= roots.len() {
            return None;
        }
        // A share of what is left, so that the last batches are single tasks and the workers end together.
        let batch = ((roots.len() - start) / (4 * pool.n_slots())).clamp(1, ROOT_BATCH);
        let start = self.cursor.fetch_add(batch, Ordering::Relaxed);
        if start >= roots.len() {
            return None;
        }
        let end = (start + batch).min(roots.len());
        for &root in roots[start + 1..end].iter().rev() {
            seat.deque.push(root);
        }
        if end == roots.len() && end > start + 1 {
            // Somebody may have looked between the cursor's last step and the pushes, and found nothing.
            self.offer(end - start - 1, pool);
        }
        Some(roots[start])
    }

    fn steal(&self, me: usize) -> Option<u32> {
        let stealers = self.stealers.read().unwrap_or_else(PoisonError::into_inner);
        let n = stealers.len();
        for step in 1..n {
            loop {
                match stealers[(me + step) % n].steal() {
                    Steal::Success(task) => return Some(task),
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }

    /// Runs one task. Returns a task that it made ready, the one of lowest rank; the others are on the deque.
    #[inline]
    fn step<const OBSERVED: bool>(&self, id: u32, seat: &Seat, pool: &Arc<Shared>) -> Result<Option<u32>, Error> {
        let plan = &*self.plan;
        // The user's function may panic, and so may the destructor of a value.
        let outcome = catch_unwind(AssertUnwindSafe(|| -> Result<Option<u32>, BoxError> {
            let started = OBSERVED.then(|| {
                self.options.emit(plan, &Event::Started { task: id, worker: seat.number });
                Instant::now()
            });
            // SAFETY: this thread runs task `id`, which is ready: it came from the roots, which read no task, or from the bookkeeping. The reference ends before the
            // task is reported below.
            let value = plan.call_with(id, |input| unsafe { self.slots.get(input) }, |input| self.bookkeeping.is_last(input))?;
            if let Some(started) = started {
                let (duration, nbytes) = (started.elapsed(), value.nbytes());
                self.sizes[id as usize].store(nbytes, Ordering::Relaxed);
                self.options.emit(plan, &Event::Finished { task: id, worker: seat.number, nbytes, duration });
            }
            // SAFETY: this thread runs task `id`, and its readers hear that they are ready only from the report below.
            unsafe { self.slots.put(id, value) };
            let mut next = None;
            let mut offered = 0;
            self.bookkeeping.finished(
                plan,
                id,
                |input| {
                    // SAFETY: the bookkeeping has just said that the value of `input` is releasable, to this thread alone.
                    let value = unsafe { self.slots.take(input) };
                    drop(value);
                    if OBSERVED {
                        let nbytes = self.sizes[input as usize].load(Ordering::Relaxed);
                        self.options.emit(plan, &Event::Freed { task: input, nbytes });
                    }
                },
                |ready| {
                    if let Some(higher) = next.replace(ready) {
                        seat.deque.push(higher);
                        offered += 1;
                    }
                },
            );
            if offered > 0 {
                self.offer(offered, pool);
            }
            Ok(next)
        }));
        outcome.unwrap_or_else(|payload| Err(Panic::caught(payload).into())).map_err(|source| plan.failure(id, source))
    }

    /// Wakes sleepers for tasks that were just put on a deque.
    fn offer(&self, tasks: usize, pool: &Arc<Shared>) {
        if pool.n_slots() > 1 {
            // Orders the push before the look at the sleepers; a sleeper does the two in the other order (pool.rs), so one of us sees the other.
            fence(Ordering::SeqCst);
            if pool.has_sleepers() {
                pool.wake_for(self, tasks);
            }
        }
    }

    /// The wanted values, or why there are none. Called once by the caller, when the run is over.
    pub(crate) fn finish(&self) -> Result<Vec<Value>> {
        if let Some(error) = lock(&self.failure).take() {
            return Err(error);
        }
        let (finished, total) = (self.done.load(Ordering::Acquire), self.plan.len());
        if finished != total {
            return Err(Error::Cancelled { finished, total });
        }
        if let Some(limited) = &self.limited {
            let mut limited = lock(limited);
            for output in self.plan.outputs() {
                if let Source::Task(id) = output
                    && limited.admission.is_on_disk(id)
                {
                    guarded(|| self.restore(&mut limited, id)).map_err(|source| self.plan.failure(id, source))?;
                }
            }
        }
        let mut values: Vec<Value> = Vec::with_capacity(self.plan.outputs().len());
        // A key that is wanted twice finds its slot empty the second time.
        let mut taken: Option<HashMap<u32, usize>> = None;
        for output in self.plan.outputs() {
            values.push(match output {
                Source::Constant(index) => self.plan.constant(index).clone(),
                // SAFETY: all tasks have been reported, and the load above saw that.
                Source::Task(id) => match unsafe { self.slots.take(id) } {
                    Some(value) => value,
                    None => {
                        let taken = taken.get_or_insert_with(|| first_places(self.plan.outputs()));
                        values[taken[&id]].clone()
                    }
                },
            });
        }
        Ok(values)
    }
}

/// Where each task's value is first wanted.
fn first_places(outputs: impl Iterator<Item = Source>) -> HashMap<u32, usize> {
    let mut places = HashMap::new();
    for (place, output) in outputs.enumerate() {
        if let Source::Task(id) = output {
            places.entry(id).or_insert(place);
        }
    }
    places
}
