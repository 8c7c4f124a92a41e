//! Who is told what the bridge reports.
//!
//! ```text
//!     reader's thread ── Done ────► the cell of that future
//!                     ── Ran ─────► the submissions that have that key: observers, costs
//!                     ── Threads ─► how many tasks the cluster runs at once
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arras_core::Error;

use super::cell::{Cell, Status};
use super::error::DaskError;
use super::message::{Event, Failure, FailureKind};
use super::submitted::Submitted;

/// The table of who listens.
#[derive(Default)]
pub(crate) struct Events {
    cells: Mutex<HashMap<u64, Weak<Cell>>>,
    /// By the names in Dask's keys.
    submitted: Mutex<HashMap<String, Vec<Weak<Submitted>>>>,
    threads: AtomicU32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Events {
    pub(crate) fn expect_future(&self, number: u64, cell: &Arc<Cell>) {
        lock(&self.cells).insert(number, Arc::downgrade(cell));
    }

    pub(crate) fn forget_future(&self, number: u64) {
        lock(&self.cells).remove(&number);
    }

    pub(crate) fn listen<'n>(&self, names: impl Iterator<Item = &'n String>, submitted: &Arc<Submitted>) {
        let mut table = lock(&self.submitted);
        for name in names {
            let listeners = match table.get_mut(name) {
                Some(listeners) => listeners,
                None => table.entry(name.clone()).or_default(),
            };
            // A name comes once for each of its keys.
            if !listeners.iter().any(|listener| std::ptr::eq(listener.as_ptr(), Arc::as_ptr(submitted))) {
                listeners.push(Arc::downgrade(submitted));
            }
        }
    }

    pub(crate) fn stop_listening<'n>(&self, names: impl Iterator<Item = &'n String>) {
        let mut table = lock(&self.submitted);
        for name in names {
            if let Some(listeners) = table.get_mut(name) {
                listeners.retain(|listener| listener.strong_count() > 0);
                if listeners.is_empty() {
                    table.remove(name);
                }
            }
        }
    }

    /// The threads of all workers.
    pub(crate) fn threads(&self) -> u32 {
        self.threads.load(Ordering::Relaxed)
    }

    pub(crate) fn set_threads(&self, threads: u32) {
        self.threads.store(threads, Ordering::Relaxed);
    }

    /// Passes on what the bridge reports; the last report is that it is gone.
    pub(crate) fn take(&self, event: Result<Event, DaskError>) {
        match event {
            Ok(Event::Threads { threads }) => self.set_threads(threads),
            Ok(Event::Ran { ran }) => {
                for (key, worker, seconds, nbytes) in ran {
                    // Clocks of workers may be set back.
                    let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                    for submitted in self.submitted_as(&key.0) {
                        submitted.ran(&key, &worker, took, nbytes);
                    }
                }
            }
            Ok(Event::Done { future, status, error }) => {
                let cell = lock(&self.cells).get(&future).and_then(Weak::upgrade);
                let Some(cell) = cell else { return };
                match error {
                    None if status == "finished" => cell.end(Status::Finished, None, String::new()),
                    None => {
                        let error = DaskError::Cancelled { why: format!("the future is {status}") };
                        cell.end(Status::Cancelled, Some(error.into()), String::new());
                    }
                    Some(failure) => {
                        let status = if failure.kind == FailureKind::Cancelled { Status::Cancelled } else { Status::Failed };
                        let traceback = failure.traceback.clone();
                        cell.end(status, Some(self.error_of(&failure)), traceback);
                    }
                }
            }
            Err(error) => {
                self.set_threads(0);
                let cells: Vec<Arc<Cell>> = lock(&self.cells).values().filter_map(Weak::upgrade).collect();
                for cell in cells {
                    cell.end(Status::Failed, Some(error.clone().into()), String::new());
                }
            }
        }
    }

    fn submitted_as(&self, name: &str) -> Vec<Arc<Submitted>> {
        lock(&self.submitted).get(name).map(|listeners| listeners.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
    }

    /// The error of a future, in the words of the plan that it came from.
    pub(crate) fn error_of(&self, failure: &Failure) -> Error {
        let submitted = failure.key.as_ref().map(|(name, _)| self.submitted_as(name)).unwrap_or_default();
        let blamed = submitted.iter().find_map(|submitted| submitted.blame(failure));
        blamed.unwrap_or_else(|| match failure.kind {
            // Its plan is not known here, as that of a dataset that another client published.
            FailureKind::Task => {
                let kind = if failure.panic { "panic" } else { "error" }.to_owned();
                DaskError::Cluster { kind, message: failure.message.clone(), traceback: failure.traceback.clone() }.into()
            }
            _ => failure.clone().into_error("the cluster").into(),
        })
    }
}
