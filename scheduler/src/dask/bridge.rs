//! The bridge: a Python process that is a client of the Dask cluster, driven through its standard input and output.
//!
//! ```text
//!     any thread ── request(number) ──► stdin ──►  python -c <arras_bridge.py>  ◄──► scheduler, workers
//!     reader ◄── replies by number, events ◄── stdout ◄──┘
//! ```
//! A process, not an interpreter inside this one: nothing of Python is needed to build, its lock and its crashes stay outside, and whatever
//! becomes of this process, the bridge's standard input closes, which closes the client and frees all it held on the cluster.

use std::collections::HashMap;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::environment::NO_DISTRIBUTED;
use super::error::DaskError;
use super::message::{Event, Failure, FailureKind, Incoming, Outgoing, Reply, Request};
use crate::worker::frame::{Limits, read_frame, write_frame};

const SOURCE: &str = include_str!("../../python/arras_bridge.py");

/// How long the bridge may take to leave the cluster when nobody needs it any more.
const GRACE: Duration = Duration::from_secs(8);

/// The exit code by which the bridge says that it has lost the scheduler.
const CUT_OFF: i32 = 4;

/// How long the process may take to end once it does not read any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A reply and its body, or why there is none.
pub(crate) type Answer = Result<(Reply, Vec<u8>), Refusal>;

type Waiting = Box<dyn FnOnce(Answer) + Send>;

/// Why a request was not met.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// What Python said.
    Said(Box<Failure>),
    /// The bridge is gone.
    Lost(DaskError),
}

impl Refusal {
    /// The error of a request; `what` says what was asked for.
    pub(crate) fn into_error(self, what: &str) -> DaskError {
        match self {
            Refusal::Lost(error) => error,
            Refusal::Said(failure) => failure.into_error(what),
        }
    }
}

impl Failure {
    pub(crate) fn into_error(self, what: &str) -> DaskError {
        let why = self.message;
        match self.kind {
            FailureKind::Cancelled => DaskError::Cancelled { why },
            FailureKind::TimedOut => DaskError::TimedOut { what: what.to_owned(), waited: None },
            FailureKind::Refused => DaskError::Refused { address: what.to_owned(), why },
            FailureKind::Versions => DaskError::Versions { why },
            FailureKind::Install => DaskError::Install { why },
            FailureKind::Dataset => DaskError::Dataset { name: what.to_owned(), why },
            FailureKind::WorkerLost => DaskError::WorkerLost { keys: Vec::new(), why },
            FailureKind::Task | FailureKind::Python => {
                DaskError::Cluster { kind: self.python_type, message: why, traceback: self.traceback }
            }
        }
    }
}

/// The process and the requests that wait for its replies. The last to drop it ends the process.
pub(crate) struct Bridge {
    shared: Arc<Shared>,
    /// Futures that nobody holds any more. They are let go by a thread of their own: the last hold may be dropped on the reader's thread,
    /// which must not wait for the process to read.
    released: Option<mpsc::Sender<u64>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    python: PathBuf,
    child: Mutex<Child>,
    stdin: Mutex<Option<BufWriter<ChildStdin>>>,
    numbers: AtomicU64,
    /// The requests under way; none once the bridge is gone.
    waiting: Mutex<Result<HashMap<u64, Waiting>, DaskError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bridge {
    /// Starts the process. `on_event` is called on the reader's thread, with none when the bridge is gone: it must not wait for a reply.
    pub(crate) fn start(python: PathBuf, mut on_event: impl FnMut(Result<Event, DaskError>) + Send + 'static) -> Result<Bridge, DaskError> {
        let mut child = Command::new(&python)
            .arg("-c")
            .arg(SOURCE)
            .env_remove(crate::worker::WORKER_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| DaskError::PythonMissing { python: python.clone(), source: Arc::new(source) })?;
        let stdin = child.stdin.take().expect("asked for above");
        let stdout = child.stdout.take().expect("asked for above");
        let shared = Arc::new(Shared {
            python,
            child: Mutex::new(child),
            stdin: Mutex::new(Some(BufWriter::new(stdin))),
            numbers: AtomicU64::new(1),
            waiting: Mutex::new(Ok(HashMap::new())),
        });
        let mut bridge = Bridge { shared, released: None, threads: Vec::new() };
        let shared = Arc::clone(&bridge.shared);
        bridge.spawn("arras-dask", move || {
            let error = shared.read(stdout, &mut on_event);
            let waiting = std::mem::replace(&mut *lock(&shared.waiting), Err(error.clone()));
            for (_, waiting) in waiting.unwrap_or_default() {
                waiting(Err(Refusal::Lost(error.clone())));
            }
            on_event(Err(error));
        })?;
        let (released, numbers) = mpsc::channel();
        let shared = Arc::clone(&bridge.shared);
        bridge.spawn("arras-dask-release", move || {
            while let Ok(first) = numbers.recv() {
                let futures = std::iter::once(first).chain(numbers.try_iter()).collect();
                // If the process is gone, so are its futures.
                let _ = shared.write(0, &Request::Release { futures }, &[]);
            }
        })?;
        bridge.released = Some(released);
        Ok(bridge)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), DaskError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        self.threads.push(thread.map_err(|error| DaskError::BridgeLost { why: format!("no thread for it: {error}") })?);
        Ok(())
    }

    /// The number of the next future.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers_for(1)
    }

    /// The first of `n` numbers in a row.
    pub(crate) fn numbers_for(&self, n: u64) -> u64 {
        self.shared.numbers.fetch_add(n, Ordering::Relaxed)
    }

    /// Asks, and waits for the reply.
    pub(crate) fn request(&self, request: &Request, body: &[u8]) -> Answer {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.request_then(request, body, move |answer| {
            // Whoever asked may have given up.
            let _ = sender.send(answer);
        });
        receiver.recv().unwrap_or_else(|_| Err(Refusal::Lost(DaskError::BridgeLost { why: "it ended".to_owned() })))
    }

    /// Asks, and calls `then` on the reader's thread when the reply is there, or at once if it cannot come.
    pub(crate) fn request_then(&self, request: &Request, body: &[u8], then: impl FnOnce(Answer) + Send + 'static) {
        let number = self.next_number();
        match &mut *lock(&self.shared.waiting) {
            Ok(waiting) => {
                waiting.insert(number, Box::new(then));
            }
            Err(error) => {
                let error = error.clone();
                return then(Err(Refusal::Lost(error)));
            }
        }
        let Err(error) = self.shared.write(number, request, body) else { return };
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            // The process ends, and the reader answers all requests with how it did.
            self.shared.wait(LAST_WORDS);
            return;
        }
        let waiting = lock(&self.shared.waiting).as_mut().ok().and_then(|waiting| waiting.remove(&number));
        if let Some(waiting) = waiting {
            waiting(Err(Refusal::Lost(DaskError::BridgeLost { why: error.to_string() })));
        }
    }

    /// Lets a future go.
    pub(crate) fn release(&self, number: u64) {
        if let Some(released) = &self.released {
            // The thread ends when the process has.
            let _ = released.send(number);
        }
    }

    /// The process, for tests that end it.
    pub(crate) fn pid(&self) -> u32 {
        lock(&self.shared.child).id()
    }
}

impl Shared {
    fn write(&self, number: u64, request: &Request, body: &[u8]) -> std::io::Result<()> {
        let mut stdin = lock(&self.stdin);
        let stdin = stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        write_frame(stdin, &Outgoing { number, request }, body)?;
        stdin.flush()
    }

    /// Hands out what arrives until the stream ends, and says why it did.
    fn read(&self, stdout: ChildStdout, on_event: &mut impl FnMut(Result<Event, DaskError>)) -> DaskError {
        let mut stdout = BufReader::with_capacity(1 << 16, stdout);
        loop {
            let frame = match read_frame(&mut stdout, Limits::TRUSTED) {
                Ok(Some(frame)) => frame,
                Ok(None) => return self.ending(None),
                Err(error) => return self.ending(Some(error.to_string())),
            };
            let incoming: Incoming = match frame.message() {
                Ok(incoming) => incoming,
                Err(error) => return self.ending(Some(error.to_string())),
            };
            if let Some(event) = incoming.event {
                on_event(Ok(event));
                continue;
            }
            let waiting = lock(&self.waiting).as_mut().ok().and_then(|waiting| waiting.remove(&incoming.number));
            let Some(waiting) = waiting else { continue };
            match (incoming.reply, incoming.error) {
                (Some(reply), _) => waiting(Ok((reply, frame.body))),
                (None, Some(failure)) => waiting(Err(Refusal::Said(Box::new(failure)))),
                (None, None) => {
                    let error = DaskError::BridgeLost { why: "it answered with nothing".to_owned() };
                    waiting(Err(Refusal::Lost(error)));
                }
            }
        }
    }

    /// How the process ended. It is ended if it has only stopped making sense.
    fn ending(&self, damage: Option<String>) -> DaskError {
        let status = self.wait(if damage.is_some() { Duration::ZERO } else { GRACE });
        match (damage, status.and_then(|status| status.code())) {
            (None, Some(NO_DISTRIBUTED)) => DaskError::DistributedMissing { python: self.python.clone() },
            (None, Some(CUT_OFF)) => {
                let why = "the connection to the scheduler broke, which forgets with it all that this client held";
                DaskError::BridgeLost { why: why.to_owned() }
            }
            (Some(why), _) => DaskError::BridgeLost { why },
            (None, _) => {
                let why = status.map_or_else(|| "it closed its output".to_owned(), |status| format!("its Python process ended: {status}"));
                DaskError::BridgeLost { why }
            }
        }
    }

    /// Waits for the end of the process, then ends it.
    fn wait(&self, grace: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + grace;
        loop {
            let mut child = lock(&self.child);
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {}
                _ => {
                    let _ = child.kill();
                    return child.wait().ok();
                }
            }
            drop(child);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Its end of input is the process's sign to leave.
        drop(lock(&self.shared.stdin).take());
        self.released = None;
        self.shared.wait(GRACE);
        for thread in self.threads.drain(..) {
            // A hook of a future may hold the last reference, and hooks run on the reader's thread.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
