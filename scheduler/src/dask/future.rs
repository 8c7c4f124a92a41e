//! Futures: values on the cluster, computed or about to be.

use std::fmt;
use std::future::{Future as StdFuture, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arras_core::{ArgumentFor, ArgumentList, Data, Delayed, Error, Graph, Key, Result, Task, Value};

use super::bridge::Answer;
use super::cell::{Held, Status};
use super::error::DaskError;
use super::message::{Reply, Request, deadline_in};
use super::remote::{DaskValue, decode, gather};

/// A value of type `T` on a Dask cluster, computed or about to be. Clones stand for the same value; when the last is dropped, the cluster
/// may forget it.
///
/// A future is an argument of further calls: `client.submit(f, (&future, 3))` runs where the value is. It can be awaited: `future.await`
/// gives the same as [`result`](Future::result) without blocking a thread, on any executor.
pub struct Future<T> {
    pub(crate) held: Arc<Held>,
    key: Key,
    marker: PhantomData<fn() -> T>,
}

impl<T> Future<T> {
    pub(crate) fn new(held: Arc<Held>, key: Key) -> Future<T> {
        Future { held, key, marker: PhantomData }
    }

    /// The key of the call: equal calls of portable functions have equal keys, and run once while one of their futures is held.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The key under which Dask knows the value, as its dashboard and its log show it.
    pub fn dask_key(&self) -> String {
        let (name, index) = &self.held.key;
        format!("('{name}', {index})")
    }

    /// Where it stands. Asks nobody.
    pub fn status(&self) -> Status {
        self.held.cell.status()
    }

    /// Whether it has ended, well or not.
    pub fn is_done(&self) -> bool {
        self.status() != Status::Pending
    }

    /// Waits for the end; no longer than `timeout`, if there is one. Whether it has come.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        self.held.cell.wait(deadline_in(timeout))
    }

    /// Waits for the end. The error, if that is what it came to.
    pub fn exception(&self) -> Option<Error> {
        self.wait(None);
        self.held.cell.error()
    }

    /// Where in Python the error came by, as text; empty if there is none.
    pub fn traceback(&self) -> String {
        self.held.cell.traceback()
    }

    /// Takes the call back, for all futures of its key: it does not start if it has not, and a running sub-plan starts no further task.
    ///
    /// # Errors
    /// [`DaskError::BridgeLost`].
    pub fn cancel(&self) -> Result<()> {
        let request = Request::Cancel { futures: vec![self.held.number] };
        Ok(self.held.connection.order(&request, "cancelling")?)
    }

    /// Runs a call that failed once more, and what it stands on that failed too. Does nothing unless it has failed.
    ///
    /// # Errors
    /// [`DaskError::BridgeLost`].
    pub fn retry(&self) -> Result<()> {
        if !self.held.cell.restart() {
            return Ok(());
        }
        let request = Request::Retry { futures: vec![self.held.number] };
        self.held.connection.order(&request, "retrying").map_err(|error| {
            let error = Error::from(error);
            self.held.cell.end(Status::Failed, Some(error.clone()), String::new());
            error
        })
    }

    /// The addresses of the workers that hold the value.
    ///
    /// # Errors
    /// [`DaskError::BridgeLost`].
    pub fn who_has(&self) -> Result<Vec<String>> {
        let request = Request::WhoHas { futures: vec![self.held.number] };
        let mut workers = self.held.connection.ask(&request, "who has a value", |reply| match reply {
            Reply::WhoHas { workers } => Some(workers),
            _ => None,
        })?;
        Ok(workers.pop().unwrap_or_default())
    }

    /// The value as something to build on: a [`Delayed`] whose readers run where the value is.
    pub fn delayed(&self) -> Delayed<T> {
        let value = Value::remote(Arc::new(DaskValue::new(Arc::clone(&self.held), 0)));
        Delayed::from_graph(Graph::from_iter([(self.key.clone(), Task::Value(value))]), self.key.clone())
    }

    fn failure(&self) -> Option<Error> {
        match self.status() {
            Status::Pending | Status::Finished => None,
            _ => Some(self.held.cell.error().unwrap_or_else(|| DaskError::Cancelled { why: "no reason was given".to_owned() }.into())),
        }
    }
}

impl<T: Send + 'static> Future<T> {
    /// Calls `function` with this future once it has ended, on a thread of its own, one callback after another.
    pub fn add_done_callback(&self, function: impl FnOnce(Future<T>) + Send + 'static) {
        let future = self.clone();
        self.held.cell.when_ended(move || {
            let connection = Arc::clone(&future.held.connection);
            connection.call_back(Box::new(move || function(future)));
        });
    }
}

impl<T: Data + Clone> Future<T> {
    /// Waits for the value and brings it here.
    ///
    /// # Errors
    /// [`Error::Task`] of the task that failed, which may be one that this one stands on; a [`DaskError`] for what befell the cluster;
    /// [`Error::WrongType`] if the value of a dataset is not a `T`.
    pub fn result(&self) -> Result<T> {
        self.wait(None);
        match self.failure() {
            Some(error) => Err(error),
            None => gather(&self.held.connection, &[&self.held])?.remove(0).into_inner(),
        }
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Future<T> {
        Future::new(Arc::clone(&self.held), self.key.clone())
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Future({}, {:?})", self.key, self.status())
    }
}

impl<T> ArgumentFor<T> for &Future<T> {
    fn push_onto(self, list: &mut ArgumentList) {
        self.delayed().push_onto(list);
    }
}

impl<T> ArgumentFor<T> for Future<T> {
    fn push_onto(self, list: &mut ArgumentList) {
        self.delayed().push_onto(list);
    }
}

/// The values of many futures, as one argument: for a parameter that is a vector.
///
/// ```no_run
/// # use arras_scheduler::dask::{Client, all};
/// # let client = Client::connect("tcp://scheduler:8786")?;
/// let roots = client.map(f64::sqrt, [1.0, 4.0, 9.0])?;
/// let sum = client.submit(|roots: &Vec<f64>| roots.iter().sum::<f64>(), (all(&roots),))?;
/// assert_eq!(sum.result()?, 6.0);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn all<'f, T: 'f>(futures: impl IntoIterator<Item = &'f Future<T>>) -> Vec<Delayed<T>> {
    futures.into_iter().map(Future::delayed).collect()
}

impl<T: Data + Clone> IntoFuture for Future<T> {
    type Output = Result<T>;
    type IntoFuture = Awaiting<T>;

    fn into_future(self) -> Awaiting<T> {
        Awaiting { future: self, answer: None, registered: None }
    }
}

/// A [`Future`] that is being awaited.
pub struct Awaiting<T> {
    future: Future<T>,
    /// Where the value's bytes arrive, once they were asked for.
    answer: Option<Arc<Mutex<Arrival>>>,
    /// Wakes whoever polled last when the future has ended.
    registered: Option<Arc<Mutex<std::task::Waker>>>,
}

#[derive(Default)]
struct Arrival {
    answer: Option<Answer>,
    waker: Option<std::task::Waker>,
}

impl<T: Data + Clone> StdFuture for Awaiting<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let cell = Arc::clone(&self.future.held.cell);
        if cell.status() == Status::Pending {
            match &self.registered {
                Some(waker) => waker.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker()),
                None => {
                    let waker = Arc::new(Mutex::new(context.waker().clone()));
                    self.registered = Some(Arc::clone(&waker));
                    let connection = Arc::downgrade(&self.future.held.connection);
                    cell.when_ended(move || {
                        // Where the connection is gone nobody awaits.
                        if let Some(connection) = connection.upgrade() {
                            connection.wake(waker.lock().unwrap_or_else(PoisonError::into_inner).clone());
                        }
                    });
                }
            }
            // It may have ended between the look and the registration of another waker.
            if cell.status() == Status::Pending {
                return Poll::Pending;
            }
        }
        if let Some(error) = self.future.failure() {
            return Poll::Ready(Err(error));
        }
        let arrival = match &self.answer {
            Some(arrival) => Arc::clone(arrival),
            None => {
                let arrival = Arc::new(Mutex::new(Arrival::default()));
                self.answer = Some(Arc::clone(&arrival));
                let request = Request::Gather { futures: vec![self.future.held.number] };
                let arriving = Arc::clone(&arrival);
                let connection = Arc::downgrade(&self.future.held.connection);
                self.future.held.connection.bridge.request_then(&request, &[], move |answer| {
                    let mut arrival = arriving.lock().unwrap_or_else(PoisonError::into_inner);
                    arrival.answer = Some(answer);
                    let waker = arrival.waker.take();
                    drop(arrival);
                    if let (Some(waker), Some(connection)) = (waker, connection.upgrade()) {
                        connection.wake(waker);
                    }
                });
                arrival
            }
        };
        let mut arrival = arrival.lock().unwrap_or_else(PoisonError::into_inner);
        match arrival.answer.take() {
            None => {
                arrival.waker = Some(context.waker().clone());
                Poll::Pending
            }
            Some(Ok(answer)) => Poll::Ready(decode(answer, 1).and_then(|mut values| values.remove(0).into_inner())),
            Some(Err(refusal)) => Poll::Ready(Err(self.future.held.connection.error_of(refusal, "gathering"))),
        }
    }
}
