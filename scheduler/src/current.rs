//! Which scheduler `compute()` uses.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use arras_core::{Error, Result};

use crate::processes::Processes;
use crate::scheduler::Scheduler;
use crate::synchronous::Synchronous;
use crate::threads::{Threads, cpu_count};

thread_local! {
    /// The schedulers in force on this thread, the innermost last, and whether each is there because it runs a task here.
    static SCOPES: RefCell<Vec<(Arc<dyn Scheduler>, bool)>> = const { RefCell::new(Vec::new()) };
}

/// Leaves a scope when dropped.
pub(crate) struct Scope;

/// Makes a scheduler the one in force on this thread, as it runs tasks here.
pub(crate) fn enter_tasks_of(scheduler: Arc<dyn Scheduler>) -> Scope {
    SCOPES.with_borrow_mut(|scopes| scopes.push((scheduler, true)));
    Scope
}

impl Drop for Scope {
    fn drop(&mut self) {
        let left = SCOPES.with_borrow_mut(Vec::pop);
        // Dropped here, outside the borrow: it may be the last reference to a pool.
        drop(left);
    }
}

/// Runs `body` with `scheduler` as the one that `compute()` uses, in code that `body` calls and in tasks that it starts too.
///
/// ```
/// use arras_core::delayed;
/// use arras_scheduler::{Compute, Scheduler, Synchronous, current_scheduler, with_scheduler};
/// let name = with_scheduler(Synchronous, || current_scheduler().map(|scheduler| scheduler.name()))?;
/// assert_eq!(name, "synchronous");
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn with_scheduler<S: Scheduler + 'static, R>(scheduler: S, body: impl FnOnce() -> R) -> R {
    SCOPES.with_borrow_mut(|scopes| scopes.push((Arc::new(scheduler), false)));
    let _scope = Scope;
    body()
}

/// The scheduler of the innermost [`with_scheduler`] or task around this code, and whether it is there because it runs that task; none outside both.
pub fn enclosing_scheduler() -> Option<(Arc<dyn Scheduler>, bool)> {
    SCOPES.with_borrow(|scopes| scopes.last().cloned())
}

/// The scheduler that `compute()` uses here: the innermost [`with_scheduler`]; inside a task, the one that runs the task; else what the environment variable
/// `ARRAS_SCHEDULER` (`synchronous`, `threads` or `processes`) names; else [`Threads`] on all CPUs that the process may use.
///
/// # Errors
/// [`Error::Setting`] if `ARRAS_SCHEDULER` names no scheduler; if it says `processes`, what [`Processes::new`] says.
pub fn current_scheduler() -> Result<Arc<dyn Scheduler>> {
    if let Some((scheduler, _)) = enclosing_scheduler() {
        return Ok(scheduler);
    }
    match std::env::var("ARRAS_SCHEDULER").as_deref() {
        Err(_) | Ok("" | "threads") => Ok(shared_threads()),
        Ok("synchronous") => Ok(Arc::new(Synchronous)),
        Ok("processes") => shared_processes(),
        Ok(other) => Err(Error::Setting {
            what: "ARRAS_SCHEDULER",
            value: other.to_owned(),
            expected: "\"synchronous\", \"threads\" or \"processes\"",
        }),
    }
}

/// The pool that all default runs share.
fn shared_threads() -> Arc<dyn Scheduler> {
    static SHARED: OnceLock<Arc<Threads>> = OnceLock::new();
    SHARED.get_or_init(|| Arc::new(Threads::default())).clone()
}

/// The worker processes that all runs under `ARRAS_SCHEDULER=processes` share. They end with this process, as their lifelines do.
fn shared_processes() -> Result<Arc<dyn Scheduler>> {
    static SHARED: OnceLock<Processes> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(Arc::new(shared.clone()));
    }
    let started = Processes::new(cpu_count())?;
    Ok(Arc::new(SHARED.get_or_init(|| started).clone()))
}
