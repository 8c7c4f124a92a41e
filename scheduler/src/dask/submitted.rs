//! What was sent to the cluster, and what is heard of it: from Dask's keys back to the tasks of a plan.
//!
//! ```text
//!     ("sum-9f2c…", 3)  ──►  bundle 17  ──►  tasks 120 … 144 of the plan  ──►  ("sum-partial-1a…", 0, 7)
//! ```

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arras_core::optimise::Bundles;
use arras_core::{Error, Key, Panic, Plan};

use super::cell::{DaskKey, Status};
use super::error::DaskError;
use super::events::Events;
use super::message::{Failure, FailureKind};
use crate::worker::WorkerError;

/// What a run hears of its submission.
pub(crate) enum News {
    /// An output has ended: the number of the output, and how.
    Ended(usize, Status),
    /// A bundle ran.
    Ran { bundle: u32, worker: String, took: Duration, nbytes: u64 },
}

/// One plan that was submitted.
pub(crate) struct Submitted {
    /// The plan, until its results are there: it holds its constants.
    plan: Mutex<Option<Arc<Plan>>>,
    pub(crate) bundles: Arc<Bundles>,
    /// The bundles behind Dask's keys.
    places: HashMap<DaskKey, u32>,
    news: Option<Sender<News>>,
    events: Weak<Events>,
}

impl Submitted {
    /// Takes note of a submission; `events` will tell it what happens to its keys.
    pub(crate) fn new(
        events: &Arc<Events>,
        plan: Arc<Plan>,
        bundles: Arc<Bundles>,
        keys: impl IntoIterator<Item = (DaskKey, u32)>,
        news: Option<Sender<News>>,
    ) -> Arc<Submitted> {
        let places = keys.into_iter().collect();
        let submitted = Arc::new(Submitted { plan: Mutex::new(Some(plan)), bundles, places, news, events: Arc::downgrade(events) });
        events.listen(submitted.names(), &submitted);
        submitted
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.places.keys().map(|(name, _)| name)
    }

    /// A Dask task ran.
    pub(crate) fn ran(&self, key: &DaskKey, worker: &str, took: Duration, nbytes: u64) {
        if let (Some(&bundle), Some(news)) = (self.places.get(key), &self.news) {
            // The run may have given up.
            let _ = news.send(News::Ran { bundle, worker: worker.to_owned(), took, nbytes });
        }
    }

    fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The results are there, so nobody will ask again which task failed: lets go of the plan and its constants.
    pub(crate) fn settle(&self) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The error of a Dask task that failed, if it is one of this submission.
    pub(crate) fn blame(&self, failure: &Failure) -> Option<Error> {
        let bundle = *self.places.get(failure.key.as_ref()?)?;
        let plan = self.plan()?;
        let tasks = self.bundles.tasks(bundle);
        let of = |task: u32, source: Arc<dyn std::error::Error + Send + Sync>| Error::Task {
            key: plan.key(task),
            func: plan.func(task).name().into_owned(),
            source,
        };
        let last = *tasks.last()?;
        match failure.kind {
            FailureKind::Task => {
                let task = failure.task.and_then(|number| tasks.get(number as usize)).copied();
                let source: Arc<dyn std::error::Error + Send + Sync> = if failure.panic {
                    Arc::new(Panic::new(failure.message.clone()))
                } else {
                    Arc::new(WorkerError::Failed { message: failure.message.clone() })
                };
                Some(of(task.unwrap_or(last), source))
            }
            FailureKind::WorkerLost => {
                let keys: Vec<Key> = tasks.iter().map(|&task| plan.key(task)).collect();
                Some(of(last, Arc::new(DaskError::WorkerLost { keys, why: failure.message.clone() })))
            }
            _ => Some(of(last, Arc::new(failure.clone().into_error("a task")))),
        }
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        if let Some(events) = self.events.upgrade() {
            events.stop_listening(self.names());
        }
    }
}
