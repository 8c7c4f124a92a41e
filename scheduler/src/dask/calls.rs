//! Calls: functions that run on the cluster, each as a task of its own, and what to do with many futures.

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use arras_core::{Arguments, BoxError, Data, Delayed, Key, Name, Result, Source, TaskFn, Tokenizer, Value, delayed, try_delayed};

use super::cell::Status;
use super::client::Client;
use super::error::DaskError;
use super::future::Future;
use super::graph::{DaskGraph, Naming, missing_output};
use super::message::{Request, deadline_in};
use super::parts::{own, scatter};
use super::remote::gather;
use super::run::{cut, submit};
use crate::compute::prepare;

impl Client {
    /// Calls `function` with `arguments` on the cluster: the same rules as for [`delayed`], and a [`Future`] is an argument too. Returns at
    /// once.
    ///
    /// ```no_run
    /// # use arras_scheduler::dask::Client;
    /// # let client = Client::connect("tcp://scheduler:8786")?;
    /// let x = client.submit(f64::sqrt, (2.0,))?;
    /// let y = client.submit(|x: &f64, k: i32| x.powi(k), (&x, 4))?;
    /// assert_eq!(y.result()?.round(), 4.0);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotPortable`](arras_core::Error::NotPortable) for a function or an argument that cannot travel; [`DaskError::BridgeLost`].
    pub fn submit<F, Mark, Params, A>(&self, function: F, arguments: A) -> Result<Future<F::Output>>
    where
        F: TaskFn<Mark, Params>,
        F::Output: Data + Clone,
        A: Arguments<F::Held>,
        Mark: 'static,
        Params: 'static,
    {
        self.start(&delayed(function, arguments))
    }

    /// As [`submit`](Client::submit), for a function that may fail: its error is the future's.
    ///
    /// # Errors
    /// As for [`submit`](Client::submit).
    pub fn try_submit<F, Mark, Params, A, T, E>(&self, function: F, arguments: A) -> Result<Future<T>>
    where
        F: TaskFn<Mark, Params, Output = Result<T, E>>,
        T: Data + Clone,
        E: Into<BoxError> + 'static,
        A: Arguments<F::Held>,
        Mark: 'static,
        Params: 'static,
    {
        self.start(&try_delayed(function, arguments))
    }

    /// Calls `function` with each of the items, each call a Dask task of its own: for calls of some milliseconds and more. Many small ones
    /// are better one collection.
    ///
    /// # Errors
    /// As for [`submit`](Client::submit).
    pub fn map<F, Mark, Params, I>(&self, function: F, items: I) -> Result<Vec<Future<F::Output>>>
    where
        F: TaskFn<Mark, Params> + Clone,
        F::Output: Data + Clone,
        I: IntoIterator,
        (I::Item,): Arguments<F::Held>,
        Mark: 'static,
        Params: 'static,
    {
        let calls: Vec<_> = items.into_iter().map(|item| delayed(function.clone(), (item,))).collect();
        self.start_all(&calls)
    }

    /// Starts computing a value. Returns at once.
    ///
    /// # Errors
    /// As for [`submit`](Client::submit).
    pub fn start<T: Data + Clone>(&self, value: &Delayed<T>) -> Result<Future<T>> {
        Ok(self.start_all(std::slice::from_ref(value))?.remove(0))
    }

    /// Starts computing values, each by tasks of its own, all sent to the cluster at once.
    ///
    /// # Errors
    /// As for [`submit`](Client::submit).
    pub fn start_all<T: Data + Clone>(&self, values: &[Delayed<T>]) -> Result<Vec<Future<T>>> {
        let connection = &self.connection;
        let mut graph = DaskGraph::default();
        // Where each future comes from: a wanted task, or a value that is there.
        let mut places: Vec<Result<usize, Value>> = Vec::with_capacity(values.len());
        let mut wanted = Vec::new();
        for value in values {
            let plan = prepare(value)?;
            plan.check_portable()?;
            let output = plan.outputs().next().ok_or_else(missing_output)?;
            match output {
                Source::Constant(index) => places.push(Err(plan.constant(index).clone())),
                Source::Task(task) => {
                    // What tasks took before is no part of it: the same call is the same task.
                    let bundles = Arc::new(cut(connection, &plan, false));
                    let number = graph.exports.len();
                    graph.add(connection, &plan, &bundles, Naming::Call)?;
                    let task = *graph.exports[number].get(&task).ok_or_else(missing_output)?;
                    places.push(Ok(wanted.len()));
                    wanted.push((task, graph.listen(number, connection, plan, bundles, None)));
                }
            }
        }
        let held = if wanted.is_empty() { Vec::new() } else { submit(connection, &mut graph, &wanted, &self.options.to_wire())? };
        for (held, (_, submitted)) in held.iter().zip(wanted) {
            let cell = Arc::downgrade(&held.cell);
            held.cell.when_ended(move || {
                // A failed call may be retried, and is then to be blamed again.
                if cell.upgrade().is_some_and(|cell| cell.status() == Status::Finished) {
                    submitted.settle();
                }
            });
        }
        let futures = values.iter().zip(places).map(|(value, place)| match place {
            Ok(number) => Ok(Future::new(Arc::clone(&held[number]), value.key())),
            Err(there) => match own(connection, &there) {
                Some(held) => Ok(Future::new(held, value.key())),
                None => self.scatter_value(&there, Some(value.key()), false),
            },
        });
        futures.collect()
    }

    /// Puts a value on the cluster: on one worker, or on all.
    ///
    /// # Errors
    /// What the value's `Serialize` reports; [`DaskError::TimedOut`] if there are no workers.
    pub fn scatter<T: Data + Clone>(&self, value: T, broadcast: bool) -> Result<Future<T>> {
        self.scatter_value(&Value::new(value), None, broadcast)
    }

    /// As [`scatter`](Client::scatter), under this key or one of what the value holds.
    pub(crate) fn scatter_value<T>(&self, value: &Value, key: Option<Key>, broadcast: bool) -> Result<Future<T>> {
        let fetched;
        let value = match value.as_remote() {
            Some(remote) => {
                fetched = remote.fetch()?;
                &fetched
            }
            None => value,
        };
        let mut bytes = Vec::new();
        value.to_wire(&mut bytes).map_err(|error| DaskError::Damaged { why: error.to_string() })?;
        let key = key.unwrap_or_else(|| Key::from(Name::from_token("data", Tokenizer::new().hashed(&bytes).finish())));
        let held = scatter(&self.connection, &bytes, broadcast)?;
        held.cell.wait(None);
        Ok(Future::new(held, key))
    }

    /// Copies values to more workers: to `n` in all, or to every one.
    ///
    /// # Errors
    /// A [`DaskError`].
    pub fn replicate<T>(&self, futures: &[Future<T>], n: Option<u32>) -> Result<()> {
        let futures = futures.iter().map(|future| future.held.number).collect();
        Ok(self.connection.order(&Request::Replicate { futures, n, workers: Vec::new() }, "replicating")?)
    }

    /// Waits for values and brings them here, all in one exchange.
    ///
    /// # Errors
    /// That of the first future, in their order, that failed.
    pub fn gather<T: Data + Clone>(&self, futures: &[Future<T>]) -> Result<Vec<T>> {
        for future in futures {
            future.wait(None);
            if future.status() != Status::Finished {
                return Err(future.exception().unwrap_or_else(missing_output));
            }
        }
        let held: Vec<_> = futures.iter().map(|future| &future.held).collect();
        gather(&self.connection, &held)?.into_iter().map(Value::into_inner).collect()
    }
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The end of all.
    All,
    /// The end of the first.
    First,
}

/// Which futures have ended, and which have not.
#[derive(Debug)]
pub struct Waited<'f, T> {
    /// Those that have, in the order in which they were given.
    pub done: Vec<&'f Future<T>>,
    /// Those that have not.
    pub pending: Vec<&'f Future<T>>,
}

/// Waits for futures; no longer than `timeout`, if there is one.
pub fn wait<T>(futures: &[Future<T>], when: When, timeout: Option<Duration>) -> Waited<'_, T> {
    let deadline = deadline_in(timeout);
    match when {
        When::All => {
            // Whoever is first to miss the deadline has used it up for all.
            futures.iter().all(|future| future.held.cell.wait(deadline));
        }
        When::First if !futures.is_empty() => {
            let (sender, ended) = channel();
            for future in futures {
                let sender = sender.clone();
                future.held.cell.when_ended(move || {
                    let _ = sender.send(());
                });
            }
            let _ = match deadline {
                None => ended.recv().is_ok(),
                Some(deadline) => ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok(),
            };
        }
        When::First => {}
    }
    let (done, pending) = futures.iter().partition(|future| future.is_done());
    Waited { done, pending }
}

/// The futures in the order in which they end.
///
/// ```no_run
/// # use arras_scheduler::dask::{Client, as_completed};
/// # let client = Client::connect("tcp://scheduler:8786")?;
/// let futures = client.map(f64::sqrt, [1.0, 4.0, 9.0])?;
/// for future in as_completed(&futures) {
///     println!("{}", future.result()?);
/// }
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn as_completed<T>(futures: impl IntoIterator<Item: Borrow<Future<T>>>) -> AsCompleted<T> {
    let futures: Vec<Option<Future<T>>> = futures.into_iter().map(|future| Some(future.borrow().clone())).collect();
    let (sender, ended) = channel();
    for (number, future) in futures.iter().enumerate() {
        if let Some(future) = future {
            let sender = sender.clone();
            future.held.cell.when_ended(move || {
                let _ = sender.send(number);
            });
        }
    }
    AsCompleted { left: futures.len(), futures, ended }
}

/// What [`as_completed`] returns.
#[derive(Debug)]
pub struct AsCompleted<T> {
    futures: Vec<Option<Future<T>>>,
    ended: Receiver<usize>,
    left: usize,
}

impl<T> Iterator for AsCompleted<T> {
    type Item = Future<T>;

    fn next(&mut self) -> Option<Future<T>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let number = self.ended.recv().ok()?;
        self.futures[number].take()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for AsCompleted<T> {}
