//! The worker's side: from the lifeline to its end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arras_core::portable::executable_id;
use arras_core::{BoxError, Error, Panic, Plan, SubPlan, Value};
use rustix::fs::FileType;

use crate::guard::{discard, guarded};
use crate::observer::{Event, Observer};
use crate::scheduler::{RunOptions, Scheduler};
use crate::worker::frame::{Frame, Limits, invalid, receive_frame, send_frame, stream_frame};
use crate::worker::message::{FromWorker, Reply, Request, Secret, Setup, Stats, TaskEvent, ToWorker, VERSION};
use crate::worker::payload::{Payload, SHARED_FROM, length_in_few_pieces};
use crate::worker::permits::Permits;
use crate::worker::store::{Store, StoreError};
use crate::{CancelToken, Synchronous, Threads, cpu};

/// How long the last words on the standard output may take.
const FLUSH: Duration = Duration::from_secs(1);

/// How long another worker may take for the next bytes of a value.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Bytes of small values that are handed back together, about.
const BATCH: usize = 4 << 20;

/// Serves, if the standard input is the lifeline of a worker. A program that a worker's task starts inherits the environment, but not that.
pub(crate) fn serve_if_worker() {
    let is_socket = rustix::fs::fstat(io::stdin()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    if !is_socket {
        return;
    }
    if let Err(error) = lifeline().and_then(|stream| serve(&stream)) {
        eprintln!("arras: a worker process ends: {error}");
    }
    end();
}

/// The standard input as a socket of our own; tasks that read from it find nothing.
fn lifeline() -> io::Result<UnixStream> {
    let stream = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(UnixStream::from(stream))
}

/// Ends the process at once, whatever its threads are doing: no destructors that could wait for them.
fn end() -> ! {
    let (sender, receiver) = std::sync::mpsc::channel();
    // A task may hold the lock of the standard output for ever.
    std::thread::spawn(move || {
        let _ = io::stdout().flush();
        let _ = sender.send(());
    });
    let _ = receiver.recv_timeout(FLUSH);
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

/// Serves until the lifeline ends.
fn serve(lifeline: &UnixStream) -> io::Result<()> {
    let Some(first) = receive_frame(lifeline, Limits { header: 1 << 20, body: 0 })? else { return Ok(()) };
    let ToWorker::Setup(setup) = first.message()? else { return Err(invalid("the first message of a lifeline is no setup")) };
    let executable = executable_id().map_err(io::Error::other)?.to_string();
    if let Some(why) = why_not(&setup, &executable) {
        send_frame(lifeline, &FromWorker::Refused { why }, &[], None)?;
        return Ok(());
    }
    let worker = Arc::new(Worker::new(&setup));
    send_frame(lifeline, &FromWorker::Ready { version: VERSION, pid: std::process::id(), executable }, &[], None)?;
    while let Some(frame) = receive_frame(lifeline, Limits::STRANGER)? {
        let (ToWorker::Connect, Some(descriptor)) = (frame.message()?, frame.descriptor) else {
            return Err(invalid("a message on a lifeline that is no connection"));
        };
        let (worker, stream) = (Arc::clone(&worker), UnixStream::from(descriptor));
        std::thread::Builder::new().name("arras-connection".to_owned()).spawn(move || {
            // A connection that fails is closed; whoever holds the other end sees that.
            let _ = worker.converse(&stream);
        })?;
    }
    Ok(())
}

fn why_not(setup: &Setup, executable: &str) -> Option<String> {
    if setup.version != VERSION {
        return Some(format!("its messages are of version {VERSION}, and those of its parent of version {}", setup.version));
    }
    if !setup.executable.is_empty() && setup.executable != executable {
        return Some(format!(
            "its executable is {executable}, and its parent's is {}: functions travel within one build only",
            setup.executable
        ));
    }
    cpu::missing_features(&setup.cpu)
        .map(|missing| format!("its CPU lacks {missing}, which the CPU of the submitting machine has and functions may rely on"))
}

/// What the connections of a worker share.
struct Worker {
    secret: Secret,
    threads: Threads,
    /// Of the sub-plans that run at once: each runs on the thread of its connection, too.
    permits: Permits,
    store: Store,
    runs: Mutex<HashMap<u64, CancelToken>>,
    executed: AtomicU64,
}

impl Worker {
    fn new(setup: &Setup) -> Worker {
        let directory = if setup.spill_directory.is_empty() { std::env::temp_dir() } else { PathBuf::from(&setup.spill_directory) };
        Worker {
            secret: setup.secret,
            threads: Threads::new(setup.threads.max(1) as usize),
            permits: Permits::new(setup.threads.max(1) as usize),
            store: Store::new((setup.memory_limit > 0).then_some(setup.memory_limit), directory),
            runs: Mutex::default(),
            executed: AtomicU64::new(0),
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<u64, CancelToken>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the requests of a connection, one after another.
    fn converse(&self, stream: &UnixStream) -> io::Result<()> {
        let Some(first) = receive_frame(stream, Limits::STRANGER)? else { return Ok(()) };
        if !matches!(first.message()?, Request::Hello { secret } if secret == self.secret) {
            let why = "the connection does not show the secret of this session".to_owned();
            return send_frame(stream, &Reply::Refused { why }, &[], None);
        }
        send_frame(stream, &Reply::Welcome, &[], None)?;
        while let Some(frame) = receive_frame(stream, Limits::TRUSTED)? {
            match frame.message()? {
                Request::Hello { .. } => return Err(invalid("a second hello")),
                Request::Execute { run, arguments, results, trace, observe } => {
                    let tracer = trace.then_some(stream);
                    let (reply, events) = self.execute(run, &arguments, &results, frame.body, tracer, observe);
                    send_frame(stream, &reply, &events, None)?;
                }
                Request::Put { id } => send_frame(stream, &self.put(id, frame), &[], None)?,
                Request::Get { id, shared } => self.hand_out(stream, id, shared)?,
                Request::PutAll { ids, lens } => send_frame(stream, &self.put_all(&ids, &lens, &frame.body), &[], None)?,
                Request::GetAll { ids } => {
                    let (lens, body) = self.get_all(&ids);
                    send_frame(stream, &Reply::Values { lens }, &body, None)?;
                }
                Request::Drop { ids } => self.store.remove(&ids),
                Request::Stats => send_frame(stream, &Reply::Stats(self.stats()), &[], None)?,
                Request::Cancel { run } => {
                    if let Some(token) = self.runs().get(&run) {
                        token.cancel();
                    }
                    self.permits.look();
                    send_frame(stream, &Reply::Ok, &[], None)?;
                }
                Request::Ping => send_frame(stream, &Reply::Ok, &[], None)?,
            }
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        let [(resident, resident_nbytes), (spilled_values, spilled_nbytes)] = self.store.held();
        Stats {
            values: resident + spilled_values,
            resident_nbytes,
            spilled_nbytes,
            spilled_values,
            executed: self.executed.load(Ordering::Relaxed),
            threads: self.threads.n_workers() as u32,
            pid: std::process::id(),
        }
    }

    fn put(&self, id: u64, frame: Frame) -> Reply {
        let damaged = |why: String| Reply::Damaged { why };
        let frame = match arriving(frame) {
            Ok(Ok(frame)) => frame,
            Ok(Err(Reply::Damaged { why })) => return damaged(why),
            // It may still be had from somebody else.
            Ok(Err(_)) | Err(_) => return Reply::Missing { id },
        };
        let stored = guarded(|| {
            let value = Payload::of_frame(frame)?.value()?;
            let nbytes = value.nbytes() as u64;
            self.store.insert(vec![(id, value, nbytes)])?;
            Ok(nbytes)
        });
        stored.map_or_else(|error| damaged(error.to_string()), |nbytes| Reply::Stored { nbytes })
    }

    fn hand_out(&self, stream: &UnixStream, id: u64, shared: bool) -> io::Result<()> {
        let (value, nbytes) = match self.store.get(id) {
            Ok(found) => found,
            Err(StoreError::Missing(id)) => return send_frame(stream, &Reply::Missing { id }, &[], None),
            Err(other) => return send_frame(stream, &Reply::Damaged { why: other.to_string() }, &[], None),
        };
        let streamed = if shared { None } else { guarded(|| length_in_few_pieces(&value)).ok().flatten() };
        if let Some(len) = streamed {
            let write = |out: &mut dyn Write| guarded(|| value.to_wire(out));
            let sent = stream_frame(stream, &Reply::Value { nbytes, len }, len, write);
            discard(value);
            return sent;
        }
        let payload = guarded(|| if shared { Payload::of(&value) } else { Payload::bytes_of(&value) });
        // It may have been dropped from the store meanwhile.
        discard(value);
        match payload {
            Ok(payload) => send_frame(stream, &Reply::Value { nbytes, len: payload.len() }, payload.body(), payload.descriptor()),
            Err(error) => send_frame(stream, &Reply::Damaged { why: error.to_string() }, &[], None),
        }
    }

    fn put_all(&self, ids: &[u64], lens: &[u64], mut body: &[u8]) -> Reply {
        let stored = guarded(|| {
            let mut values = Vec::with_capacity(ids.len());
            let mut sum = 0;
            for (&id, &len) in ids.iter().zip(lens) {
                let bytes =
                    usize::try_from(len).ok().and_then(|len| body.split_off(..len)).ok_or("a body that ends before its values do")?;
                let value = Value::from_wire(bytes)?;
                let nbytes = value.nbytes() as u64;
                sum += nbytes;
                values.push((id, value, nbytes));
            }
            if values.len() < ids.len() || !body.is_empty() {
                return Err("a body that does not hold as many values as it says".into());
            }
            self.store.insert(values)?;
            Ok(sum)
        });
        stored.map_or_else(|error| Reply::Damaged { why: error.to_string() }, |nbytes| Reply::Stored { nbytes })
    }

    /// The lengths and the bytes of the first values, as far as nothing speaks against them.
    fn get_all(&self, ids: &[u64]) -> (Vec<u64>, Vec<u8>) {
        let (mut lens, mut body) = (Vec::with_capacity(ids.len()), Vec::new());
        for &id in ids {
            let start = body.len();
            let Ok((value, nbytes)) = self.store.get(id) else { break };
            let goes = start < BATCH && nbytes <= SHARED_FROM as u64 && guarded(|| value.to_wire(&mut body)).is_ok();
            discard(value);
            if !goes {
                body.truncate(start);
                break;
            }
            lens.push((body.len() - start) as u64);
        }
        (lens, body)
    }

    /// Runs a sub-plan when its turn comes. The reply, and what goes into its body.
    fn execute(
        &self,
        run: u64,
        arguments: &[u64],
        results: &[u64],
        part: Vec<u8>,
        tracer: Option<&UnixStream>,
        observe: bool,
    ) -> (Reply, Vec<u8>) {
        let token = CancelToken::new();
        self.runs().insert(run, token.clone());
        self.executed.fetch_add(1, Ordering::Relaxed);
        let reply = match self.permits.wait(&token) {
            Some(_permit) => self.execute_now(&token, arguments, results, part, tracer, observe),
            None => (Reply::Cancelled, Vec::new()),
        };
        self.runs().remove(&run);
        reply
    }

    fn execute_now(
        &self,
        token: &CancelToken,
        arguments: &[u64],
        results: &[u64],
        part: Vec<u8>,
        tracer: Option<&UnixStream>,
        observe: bool,
    ) -> (Reply, Vec<u8>) {
        let values = match self.store.check_out(arguments) {
            Ok(values) => values,
            Err(StoreError::Missing(id)) => return (Reply::Missing { id }, Vec::new()),
            Err(error) => return (Reply::Damaged { why: error.to_string() }, Vec::new()),
        };
        let mut events = Vec::new();
        let reply = guarded(|| Ok(self.run(token, values, results, part, tracer, observe.then_some(&mut events))));
        self.store.check_in(arguments);
        (reply.unwrap_or_else(|error| failed(None, &error)), events)
    }

    fn run(
        &self,
        token: &CancelToken,
        values: Vec<Value>,
        results: &[u64],
        part: Vec<u8>,
        tracer: Option<&UnixStream>,
        events: Option<&mut Vec<u8>>,
    ) -> Reply {
        let plan = match SubPlan::from_bytes(&part).map_err(BoxError::from).and_then(|part| Ok(part.bind(values)?)) {
            Ok(plan) => Arc::new(plan),
            Err(error) => return failed(None, &error),
        };
        drop(part);
        if plan.outputs().len() != results.len() {
            return failed(None, &format!("{} names for {} results", results.len(), plan.outputs().len()).into());
        }
        let recorder = Arc::new(TaskRecorder::default());
        let mut options = RunOptions { cancel: vec![token.clone()], ..RunOptions::default() };
        if events.is_some() {
            options = options.observe(recorder.clone());
        }
        let started = Instant::now();
        let outcome = match tracer {
            Some(stream) => match stream.try_clone() {
                Ok(stream) => Synchronous.run(&plan, &options.observe(Arc::new(Tracer { stream }))),
                Err(error) => return failed(None, &error.into()),
            },
            None => self.threads.run(&plan, &options),
        };
        let nanoseconds = started.elapsed().as_nanos() as u64;
        discard(plan);
        match outcome {
            Ok(values) => {
                let sized: Vec<(u64, Value, u64)> = results
                    .iter()
                    .zip(values)
                    // A size may be found by the user's own code. If that panics, so it does when somebody asks for the value, which is then told by its number.
                    .map(|(&id, value)| (id, guarded(|| Ok(value.nbytes() as u64)).unwrap_or(0), value))
                    .map(|(id, n, value)| (id, value, n))
                    .collect();
                let nbytes = sized.iter().map(|&(.., nbytes)| nbytes).collect();
                if let Some(events) = events {
                    *events = recorder.encoded();
                }
                match self.store.insert(sized) {
                    Ok(()) => Reply::Done { nbytes, nanoseconds },
                    Err(error) => failed(None, &error.into()),
                }
            }
            Err(Error::Cancelled { .. }) => Reply::Cancelled,
            Err(Error::Task { key, source, .. }) => {
                let source: &(dyn std::error::Error + 'static) = &*source;
                let task = key.index().first().copied().unwrap_or(u32::MAX);
                match source.downcast_ref::<Panic>() {
                    Some(panic) => Reply::Failed { task, message: panic.message().to_owned(), panic: true },
                    None => Reply::Failed { task, message: source.to_string(), panic: false },
                }
            }
            Err(error) => failed(None, &error.into()),
        }
    }
}

/// The frame with the value: the one that was sent, or, if that carries a socket, the reply that comes there: of another worker that was asked for the value.
fn arriving(frame: Frame) -> io::Result<Result<Frame, Reply>> {
    let Some(descriptor) = &frame.descriptor else { return Ok(Ok(frame)) };
    if FileType::from_raw_mode(rustix::fs::fstat(descriptor)?.st_mode) != FileType::Socket {
        return Ok(Ok(frame));
    }
    let stream = UnixStream::from(descriptor.try_clone()?);
    // A worker that was stopped must not stop this one too.
    stream.set_read_timeout(Some(ARRIVAL))?;
    let frame = receive_frame(&stream, Limits::TRUSTED)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(match frame.message()? {
        Reply::Value { .. } => Ok(frame),
        other => Err(other),
    })
}

fn failed(task: Option<u32>, error: &BoxError) -> Reply {
    Reply::Failed { task: task.unwrap_or(u32::MAX), message: error.to_string(), panic: error.is::<Panic>() }
}

/// Says which task starts.
struct Tracer {
    stream: UnixStream,
}

impl Observer for Tracer {
    fn event(&self, _: &Plan, event: &Event<'_>) {
        if let Event::Started { task, .. } = event {
            let _ = send_frame(&self.stream, &Reply::Started { task: *task }, &[], None);
        }
    }
}

/// Takes down what happened.
#[derive(Default)]
struct TaskRecorder {
    events: Mutex<Vec<TaskEvent>>,
}

impl Observer for TaskRecorder {
    fn event(&self, _: &Plan, event: &Event<'_>) {
        let event = match *event {
            Event::Finished { task, worker, nbytes, duration } => {
                TaskEvent::Finished { task, worker: worker as u32, nbytes: nbytes as u64, nanoseconds: duration.as_nanos() as u64 }
            }
            Event::Freed { task, .. } => TaskEvent::Freed { task },
            _ => return,
        };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl TaskRecorder {
    fn encoded(&self) -> Vec<u8> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.is_empty() { Vec::new() } else { rmp_serde::to_vec(&*events).expect("numbers can be written") }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    fn put(descriptor: impl Into<OwnedFd>) -> Frame {
        let (a, b) = UnixStream::pair().unwrap();
        let descriptor = descriptor.into();
        send_frame(&a, &Request::Put { id: 1 }, &[], Some(descriptor.as_fd())).unwrap();
        receive_frame(&b, Limits::TRUSTED).unwrap().unwrap()
    }

    #[test]
    fn a_value_arrives_from_another_worker_or_it_is_said_why_not() {
        let worker = |reply: Option<(Reply, &[u8])>| {
            let (here, there) = UnixStream::pair().unwrap();
            if let Some((reply, body)) = reply {
                send_frame(&there, &reply, body, None).unwrap();
            }
            drop(there);
            arriving(put(here))
        };
        let arrived = worker(Some((Reply::Value { nbytes: 3, len: 3 }, b"abc"))).unwrap().unwrap();
        assert_eq!(arrived.body, b"abc");
        assert!(matches!(worker(Some((Reply::Missing { id: 9 }, b""))), Ok(Err(Reply::Missing { id: 9 }))));
        assert!(matches!(worker(Some((Reply::Damaged { why: "no".into() }, b""))), Ok(Err(Reply::Damaged { .. }))));
        assert_eq!(worker(None).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let file = put(tempfile::tempfile().unwrap());
        assert!(arriving(file).unwrap().unwrap().descriptor.is_some(), "what is no socket is shared memory, or is refused as that");
    }
}
