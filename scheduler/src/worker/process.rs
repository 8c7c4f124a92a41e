//! The parent's side: starting worker processes, and ending them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arras_core::portable::executable_id;
use rustix::io::Errno;

use crate::cpu;
use crate::worker::connection::Connection;
use crate::worker::error::WorkerError;
use crate::worker::frame::{Limits, receive_frame, send_frame};
use crate::worker::message::{FromWorker, Secret, Setup, ToWorker, VERSION};
use crate::worker::{WORKER_VARIABLE, require_init};

/// How long a new worker has to say that it serves.
const START: Duration = Duration::from_secs(30);

/// How long the end of a process may take to be seen after its socket closed.
const END: Duration = Duration::from_secs(5);

/// How long a worker whose lifeline has ended has to go.
const GRACE: Duration = Duration::from_secs(2);

/// What a worker process is to be.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSettings {
    /// What it is called in messages to people.
    pub(crate) name: String,
    /// Tasks that run at once.
    pub(crate) threads: usize,
    /// Bytes of values that it holds in memory; what is more goes to disk.
    pub(crate) memory_limit: Option<u64>,
    /// Where that goes, in UTF-8; the temporary folder if none.
    pub(crate) spill_directory: Option<PathBuf>,
}

/// A worker process. Dropping it ends the process and waits for its end.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: Mutex<Child>,
    pid: u32,
    lifeline: UnixStream,
    secret: Secret,
}

impl WorkerProcess {
    /// Starts a worker and waits until it serves.
    ///
    /// # Errors
    /// [`WorkerError::NotInitialised`], [`WorkerError::Start`], [`WorkerError::Refused`], [`WorkerError::Silent`].
    pub(crate) fn start(settings: &WorkerSettings) -> Result<WorkerProcess, WorkerError> {
        require_init().map_err(|_| WorkerError::NotInitialised)?;
        let executable = executable_id().map_err(|error| WorkerError::start(io::Error::other(error)))?.to_string();
        let mut secret = [0; 16];
        fill_with_randomness(&mut secret).map_err(WorkerError::start)?;
        let secret = Secret::new(secret);
        let (lifeline, other) = UnixStream::pair().map_err(WorkerError::start)?;
        // The link reaches the file of this process even after it was replaced or removed.
        let mut command = Command::new("/proc/self/exe");
        let child = command
            .arg0(format!("arras worker {}", settings.name))
            .env(WORKER_VARIABLE, "1")
            .stdin(Stdio::from(OwnedFd::from(other)))
            // Ctrl-C is for the parent to decide about; the lifeline tells the workers.
            .process_group(0)
            .spawn()
            .map_err(WorkerError::start)?;
        // The command holds the worker's end of the lifeline, which nobody else may hold.
        drop(command);
        // From here on, dropping it ends the process.
        let worker = WorkerProcess { pid: child.id(), child: Mutex::new(child), lifeline, secret };
        let setup = Setup {
            version: VERSION,
            secret,
            executable,
            cpu: cpu::features(),
            threads: settings.threads as u32,
            memory_limit: settings.memory_limit.unwrap_or(0),
            spill_directory: settings.spill_directory.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            name: settings.name.clone(),
        };
        send_frame(&worker.lifeline, &ToWorker::Setup(setup), &[], None).map_err(|error| worker.lost(&error))?;
        worker.lifeline.set_read_timeout(Some(START)).map_err(WorkerError::start)?;
        let answer = receive_frame(&worker.lifeline, Limits { header: 1 << 20, body: 0 }).map_err(|error| worker.lost(&error))?;
        match answer.map(|frame| frame.message()).transpose().map_err(|error| worker.lost(&error))? {
            Some(FromWorker::Ready { version: VERSION, .. }) => Ok(worker),
            Some(FromWorker::Ready { version, .. }) => Err(WorkerError::Refused { why: format!("its messages are of version {version}") }),
            Some(FromWorker::Refused { why }) => Err(WorkerError::Refused { why }),
            None => Err(worker.lost(&io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// [`WorkerError::Lost`], [`WorkerError::Refused`].
    pub(crate) fn connect(&self) -> Result<Connection, WorkerError> {
        let (own, other) = UnixStream::pair().map_err(WorkerError::start)?;
        send_frame(&self.lifeline, &ToWorker::Connect, &[], Some(other.as_fd())).map_err(|error| self.lost(&error))?;
        // Only the worker may hold its end: else nobody would notice if it ends before it answers.
        drop(other);
        own.set_read_timeout(Some(START)).map_err(WorkerError::start)?;
        Connection::open(own, self.pid, self.secret)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the process at once.
    pub(crate) fn kill(&self) {
        // Fails only if it has ended and was waited for.
        let _ = self.child().kill();
    }

    /// How the process ended, if it has.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// The error of a worker that does not talk as it should, with how it ended if it did.
    pub(crate) fn lost(&self, error: &io::Error) -> WorkerError {
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            return WorkerError::Silent { pid: self.pid, waited: START };
        }
        // Its socket closes a moment before its end can be seen.
        let deadline = Instant::now() + END;
        let mut status = self.status();
        while status.is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
            status = self.status();
        }
        let why = status.map_or_else(|| error.to_string(), |status| status.to_string());
        WorkerError::Lost { pid: self.pid, why }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.lifeline.shutdown(std::net::Shutdown::Both);
        let deadline = Instant::now() + GRACE;
        while self.status().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(500));
        }
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn fill_with_randomness(bytes: &mut [u8]) -> Result<(), Errno> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()))?;
    }
    Ok(())
}
