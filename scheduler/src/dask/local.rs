//! A Dask cluster on this machine: real `dask scheduler` and `dask worker` processes, for as long as a value lives.
//!
//! ```text
//!     LocalCluster ── stdin, stdout: frames ──► python -c <arras_cluster.py> ──┬── dask scheduler
//!       dropped: stdin closes, all of it ends                                 └── dask worker …   (a nanny, its worker, this executable)
//! ```
//! However this process ends, its end of the pipe closes, and the supervisor ends the cluster; if that is killed too, the kernel does.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::environment::{NO_DISTRIBUTED, PythonEnvironment};
use super::error::DaskError;
use super::local_options::LocalOptions;
use crate::worker::WORKER_VARIABLE;
use crate::worker::frame::{Limits, read_frame, write_frame};

const SOURCE: &str = include_str!("../../python/arras_cluster.py");

/// How long the cluster may take to end.
const GRACE: Duration = Duration::from_secs(15);

/// What the supervisor says is short.
const LIMITS: Limits = Limits { header: 1 << 20, body: 0 };

/// A process of a local cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterProcess {
    /// `scheduler`, or the worker's name.
    pub name: String,
    /// The process: of a worker with a nanny, the nanny.
    pub pid: u32,
    /// The processes below it: of a nanny, the worker itself and what it started.
    #[serde(default)]
    pub children: Vec<u32>,
}

/// A Dask cluster on this machine that ends with this value: a scheduler and workers that listen on the loopback interface only.
///
/// Every user of this machine can reach them there; where that is a concern, use [`security`](LocalOptions::security).
///
/// ```no_run
/// use arras_scheduler::dask::{Client, LocalCluster, LocalOptions};
/// let cluster = LocalCluster::start(&LocalOptions::new(2, 1))?;
/// let client = Client::connect(cluster.address())?;
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug)]
pub struct LocalCluster {
    python: PathBuf,
    about: About,
    supervisor: Mutex<Supervisor>,
}

#[derive(Debug)]
struct Supervisor {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// What the supervisor says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct About {
    error: Option<String>,
    address: String,
    scheduler_file: PathBuf,
    dashboard: Option<String>,
    processes: Vec<ClusterProcess>,
}

/// What it can be asked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    AddWorkers(usize),
    Workers(usize),
    Pids(bool),
}

impl LocalCluster {
    /// Starts a cluster and waits until all its workers have joined.
    ///
    /// # Errors
    /// [`DaskError::PythonMissing`], [`DaskError::DistributedMissing`], or [`DaskError::LocalCluster`] with the reason.
    pub fn start(options: &LocalOptions) -> Result<LocalCluster, DaskError> {
        let python = options.python.clone().unwrap_or_else(PythonEnvironment::named);
        let mut child = Command::new(&python)
            .args(["-c", SOURCE])
            .args(options.arguments())
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .env_remove(WORKER_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| DaskError::PythonMissing { python: python.clone(), source: Arc::new(source) })?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("asked for above"));
        // From here on, dropping it ends the processes.
        let mut supervisor = Supervisor { child, stdin, stdout };
        let about = supervisor.answer(&python)?;
        Ok(LocalCluster { python, about, supervisor: Mutex::new(supervisor) })
    }

    /// Where the scheduler is, for clients.
    pub fn address(&self) -> &str {
        &self.about.address
    }

    /// The file in which the scheduler says where it is; it goes with the cluster.
    pub fn scheduler_file(&self) -> &Path {
        &self.about.scheduler_file
    }

    /// Where the dashboard is, if there is one.
    pub fn dashboard(&self) -> Option<&str> {
        self.about.dashboard.as_deref()
    }

    /// The Python that runs it.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// Starts another worker, and waits until it has joined.
    ///
    /// # Errors
    /// [`DaskError::LocalCluster`].
    pub fn add_worker(&self) -> Result<(), DaskError> {
        self.ask(&Request::AddWorkers(1)).map(|_| ())
    }

    /// Waits until there are so many workers, as after one was lost that its nanny starts again.
    ///
    /// # Errors
    /// [`DaskError::LocalCluster`] if they are not there in time.
    pub fn wait_for_workers(&self, n: usize) -> Result<(), DaskError> {
        self.ask(&Request::Workers(n)).map(|_| ())
    }

    /// The processes: the scheduler, the workers, and below each what it has started.
    ///
    /// # Errors
    /// [`DaskError::LocalCluster`] if the supervisor is gone.
    pub fn processes(&self) -> Result<Vec<ClusterProcess>, DaskError> {
        Ok(self.ask(&Request::Pids(true))?.processes)
    }

    fn ask(&self, request: &Request) -> Result<About, DaskError> {
        let mut supervisor = self.supervisor();
        let stdin = supervisor.stdin.as_mut().expect("open until it is dropped");
        write_frame(stdin, request, &[]).map_err(|error| DaskError::LocalCluster { why: format!("its supervisor is gone: {error}") })?;
        supervisor.answer(&self.python)
    }

    fn supervisor(&self) -> MutexGuard<'_, Supervisor> {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    fn answer(&mut self, python: &Path) -> Result<About, DaskError> {
        let frame = read_frame(&mut self.stdout, LIMITS).and_then(|frame| frame.map(|frame| frame.message::<About>()).transpose());
        let why = match frame {
            Ok(Some(mut about)) => match about.error.take() {
                None => return Ok(about),
                Some(why) => why,
            },
            Ok(None) => {
                let status = self.end();
                if status.as_ref().and_then(std::process::ExitStatus::code) == Some(NO_DISTRIBUTED) {
                    return Err(DaskError::DistributedMissing { python: python.to_owned() });
                }
                status.map_or_else(|| "its supervisor does not answer".to_owned(), |status| format!("its supervisor ended with {status}"))
            }
            Err(error) => error.to_string(),
        };
        Err(DaskError::LocalCluster { why })
    }

    /// Ends the cluster and waits for its end.
    fn end(&mut self) -> Option<std::process::ExitStatus> {
        self.stdin = None;
        let deadline = Instant::now() + GRACE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                // The kernel then ends its children.
                _ => {
                    let _ = self.child.kill();
                    return self.child.wait().ok();
                }
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_is_not_there_or_has_no_dask_is_named() {
        let options = LocalOptions::new(1, 1).python("/nowhere/python3");
        assert!(matches!(LocalCluster::start(&options), Err(DaskError::PythonMissing { .. })));
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python");
        std::fs::write(&python, "#!/bin/sh\nexit 3\n").unwrap();
        std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let error = LocalCluster::start(&LocalOptions::new(1, 1).python(&python)).unwrap_err();
        assert!(matches!(error, DaskError::DistributedMissing { .. }), "{error}");
    }
}
