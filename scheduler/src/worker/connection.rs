//! The parent's side of a connection: one request, one reply.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::Errno;

use crate::worker::error::WorkerError;
use crate::worker::frame::{Frame, Limits, receive_frame, send_frame};
use crate::worker::message::{Reply, Request, Secret, Stats, TaskEvent, task_events};
use crate::worker::payload::Payload;

/// Small values that are asked for together, at most: who asks again for those that did not come asks for few.
pub(crate) const TOGETHER: usize = 4096;

/// Values that are forgotten with one message, at most.
const DROPS: usize = 1 << 16;

/// A connection to a worker, used by one thread at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    pid: u32,
}

/// A sub-plan to be run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execution<'a> {
    /// A number for [`Connection::cancel`].
    pub(crate) run: u64,
    /// The values it takes, by number.
    pub(crate) arguments: &'a [u64],
    /// What its results are to be called.
    pub(crate) results: &'a [u64],
    /// Whether to report what happens to each task.
    pub(crate) observe: bool,
    /// [`Part::to_bytes`](arras_core::Part::to_bytes).
    pub(crate) part: &'a [u8],
}

/// Small values on their way, unopened: their serialised forms one after another.
#[derive(Debug)]
pub(crate) struct Batch {
    lens: Vec<u64>,
    bytes: Vec<u8>,
}

impl Batch {
    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.lens.len()
    }

    /// The serialised form of each value.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        self.lens.iter().map(move |&len| rest.split_off(..len as usize).expect("the lengths were compared with the bytes"))
    }
}

/// How the run of a sub-plan ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its results are kept by the worker.
    Done {
        /// The size of each result.
        nbytes: Vec<u64>,
        /// How long it ran.
        duration: Duration,
        /// What happened, if that was asked for.
        events: Vec<TaskEvent>,
    },
    /// A task failed; the number is its position in the sub-plan, none if no task is to blame.
    Failed { task: Option<u32>, message: String, panic: bool },
    /// An argument is not there.
    Missing { id: u64 },
    /// It was cancelled.
    Cancelled,
}

impl Connection {
    pub(crate) fn open(stream: UnixStream, pid: u32, secret: Secret) -> Result<Connection, WorkerError> {
        let connection = Connection { stream, pid };
        match connection.ask(&Request::Hello { secret })?.0 {
            Reply::Welcome => {
                // From here on, it takes what it takes.
                connection.stream.set_read_timeout(None).map_err(|error| connection.lost(error))?;
                Ok(connection)
            }
            other => Err(connection.unexpected(other)),
        }
    }

    /// Runs a sub-plan. With `started`, it runs task by task and says which one starts.
    ///
    /// # Errors
    /// [`WorkerError::Lost`], [`WorkerError::Damaged`] if the worker cannot read an argument back from its disk.
    pub(crate) fn execute(&self, execution: Execution<'_>, started: Option<&mut dyn FnMut(u32)>) -> Result<Outcome, WorkerError> {
        let Execution { run, arguments, results, observe, part } = execution;
        let request = Request::Execute { run, arguments: arguments.to_vec(), results: results.to_vec(), trace: started.is_some(), observe };
        send_frame(&self.stream, &request, part, None).map_err(|error| self.lost(error))?;
        let mut started = started;
        loop {
            let (reply, frame) = self.reply()?;
            return match reply {
                Reply::Started { task } => {
                    if let Some(started) = &mut started {
                        started(task);
                    }
                    continue;
                }
                Reply::Done { nbytes, nanoseconds } if nbytes.len() == results.len() => {
                    let events = task_events(&frame.body).map_err(|error| self.lost(io::Error::other(error)))?;
                    Ok(Outcome::Done { nbytes, duration: Duration::from_nanos(nanoseconds), events })
                }
                Reply::Failed { task, message, panic } => Ok(Outcome::Failed { task: (task != u32::MAX).then_some(task), message, panic }),
                Reply::Missing { id } => Ok(Outcome::Missing { id }),
                Reply::Cancelled => Ok(Outcome::Cancelled),
                other => Err(self.unexpected(other)),
            };
        }
    }

    /// Hands a value over. Returns its size there.
    ///
    /// # Errors
    /// [`WorkerError::Lost`], [`WorkerError::Damaged`].
    pub(crate) fn put(&self, id: u64, payload: &Payload) -> Result<u64, WorkerError> {
        send_frame(&self.stream, &Request::Put { id }, payload.body(), payload.descriptor()).map_err(|error| self.lost(error))?;
        match self.reply()?.0 {
            Reply::Stored { nbytes } => Ok(nbytes),
            other => Err(self.unexpected(other)),
        }
    }

    /// Takes a copy of a value.
    ///
    /// # Errors
    /// [`WorkerError::Lost`], [`WorkerError::Missing`], [`WorkerError::Damaged`].
    pub(crate) fn get(&self, id: u64) -> Result<Payload, WorkerError> {
        // What is small comes in the body all the same.
        match self.ask(&Request::Get { id, shared: true })? {
            (Reply::Value { .. }, frame) => Payload::of_frame(frame).map_err(|error| WorkerError::Damaged { why: error.to_string() }),
            (other, _) => Err(self.unexpected(other)),
        }
    }

    /// Takes copies of small values, [`TOGETHER`] at most, and of those as many of the first as come together. The next one is to be asked for
    /// alone.
    ///
    /// # Errors
    /// [`WorkerError::Lost`].
    pub(crate) fn get_all(&self, ids: &[u64]) -> Result<Batch, WorkerError> {
        match self.ask(&Request::GetAll { ids: ids.to_vec() })? {
            (Reply::Values { lens }, frame)
                if lens.len() <= ids.len()
                    && lens.iter().try_fold(0u64, |sum, &len| sum.checked_add(len)) == Some(frame.body.len() as u64) =>
            {
                Ok(Batch { lens, bytes: frame.body })
            }
            (other, _) => Err(self.unexpected(other)),
        }
    }

    /// Hands small values over, under one name each. All or none are kept.
    ///
    /// # Errors
    /// [`WorkerError::Lost`], [`WorkerError::Damaged`].
    pub(crate) fn put_all(&self, ids: &[u64], batch: &Batch) -> Result<(), WorkerError> {
        let request = Request::PutAll { ids: ids.to_vec(), lens: batch.lens.clone() };
        send_frame(&self.stream, &request, &batch.bytes, None).map_err(|error| self.lost(error))?;
        match self.reply()?.0 {
            Reply::Stored { .. } => Ok(()),
            other => Err(self.unexpected(other)),
        }
    }

    /// Lets the worker forget values.
    ///
    /// # Errors
    /// [`WorkerError::Lost`].
    pub(crate) fn drop_ids(&self, ids: &[u64]) -> Result<(), WorkerError> {
        ids.chunks(DROPS)
            .try_for_each(|ids| send_frame(&self.stream, &Request::Drop { ids: ids.to_vec() }, &[], None))
            .map_err(|error| self.lost(error))
    }

    /// What the worker holds and has done.
    ///
    /// # Errors
    /// [`WorkerError::Lost`].
    pub(crate) fn stats(&self) -> Result<Stats, WorkerError> {
        match self.ask(&Request::Stats)?.0 {
            Reply::Stats(stats) => Ok(stats),
            other => Err(self.unexpected(other)),
        }
    }

    /// Lets a run start no further tasks.
    ///
    /// # Errors
    /// [`WorkerError::Lost`].
    pub(crate) fn cancel(&self, run: u64) -> Result<(), WorkerError> {
        match self.ask(&Request::Cancel { run })?.0 {
            Reply::Ok => Ok(()),
            other => Err(self.unexpected(other)),
        }
    }

    /// Waits until the worker has done what it was told over this connection.
    ///
    /// # Errors
    /// [`WorkerError::Lost`].
    pub(crate) fn settle(&self) -> Result<(), WorkerError> {
        match self.ask(&Request::Ping)?.0 {
            Reply::Ok => Ok(()),
            other => Err(self.unexpected(other)),
        }
    }

    /// Asks for a sign of life. The connection is of no use after an error.
    ///
    /// # Errors
    /// [`WorkerError::Lost`], [`WorkerError::Silent`].
    pub(crate) fn ping(&self, timeout: Duration) -> Result<(), WorkerError> {
        self.stream.set_read_timeout(Some(timeout)).map_err(|error| self.lost(error))?;
        let reply = match self.ask(&Request::Ping) {
            Err(WorkerError::Silent { pid, .. }) => return Err(WorkerError::Silent { pid, waited: timeout }),
            other => other?.0,
        };
        self.stream.set_read_timeout(None).map_err(|error| self.lost(error))?;
        if matches!(reply, Reply::Ok) { Ok(()) } else { Err(self.unexpected(reply)) }
    }

    fn ask(&self, request: &Request) -> Result<(Reply, Frame), WorkerError> {
        send_frame(&self.stream, request, &[], None).map_err(|error| self.lost(error))?;
        self.reply()
    }

    fn reply(&self) -> Result<(Reply, Frame), WorkerError> {
        let frame = receive_frame(&self.stream, Limits::TRUSTED).and_then(|frame| frame.ok_or(io::ErrorKind::UnexpectedEof.into()));
        let frame = frame.map_err(|error| self.lost(error))?;
        Ok((frame.message().map_err(|error| self.lost(error))?, frame))
    }

    fn lost(&self, error: io::Error) -> WorkerError {
        // Nothing was sent.
        if error.kind() == io::ErrorKind::InvalidInput {
            return WorkerError::Damaged { why: error.to_string() };
        }
        // This process, or the machine, has as many descriptors open as it may.
        if let Some(Errno::MFILE | Errno::NFILE) = error.raw_os_error().map(Errno::from_raw_os_error) {
            return WorkerError::start(error);
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => WorkerError::Silent { pid: self.pid, waited: Duration::ZERO },
            _ => WorkerError::Lost { pid: self.pid, why: error.to_string() },
        }
    }

    fn unexpected(&self, reply: Reply) -> WorkerError {
        match reply {
            Reply::Refused { why } => WorkerError::Refused { why },
            Reply::Missing { id } => WorkerError::Missing { pid: self.pid, id },
            Reply::Damaged { why } => WorkerError::Damaged { why },
            other => WorkerError::Lost { pid: self.pid, why: format!("an answer that does not fit: {other:?}") },
        }
    }
}
