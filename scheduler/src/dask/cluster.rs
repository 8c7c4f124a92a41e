//! The cluster itself: its workers, what they hold, what it reports.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use arras_core::Result;

use super::client::Client;
use super::connection::Connection;
use super::error::DaskError;
use super::message::{Reply, Request, in_seconds};

/// A Dask worker.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its address: what [`SubmitOptions::workers`](super::SubmitOptions::workers) takes.
    pub address: String,
    /// Its name.
    pub name: String,
    /// The machine it runs on.
    pub host: String,
    /// Tasks that it runs at once.
    pub threads: u32,
    /// Bytes that it may use, 0 for no limit.
    pub memory_limit: u64,
    /// Bytes that its Python process uses.
    pub memory: u64,
    /// The resources that it was started with.
    pub resources: BTreeMap<String, f64>,
}

/// What the process of this executable beside a worker holds and has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// The worker's address.
    pub worker: String,
    /// Values that are held, in memory or on disk.
    pub values: u64,
    /// Bytes of values in memory.
    pub resident_nbytes: u64,
    /// Bytes of values that are on disk only.
    pub spilled_nbytes: u64,
    /// Sub-graphs that were run.
    pub executed: u64,
    /// Tasks that run at once.
    pub threads: u32,
    /// The process.
    pub pid: u32,
}

impl Client {
    /// The workers of the cluster.
    ///
    /// # Errors
    /// A [`DaskError`].
    pub fn workers(&self) -> Result<Vec<WorkerInfo>> {
        let workers = self.connection.ask(&Request::Info, "the cluster's workers", |reply| match reply {
            Reply::Info { workers } => Some(workers),
            _ => None,
        })?;
        let mut workers: Vec<WorkerInfo> = workers
            .into_iter()
            .map(|worker| WorkerInfo {
                address: worker.address,
                name: worker.name,
                host: worker.host,
                threads: worker.threads,
                memory_limit: worker.memory_limit,
                memory: worker.memory,
                resources: worker.resources,
            })
            .collect();
        workers.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(workers)
    }

    /// What the processes of this executable beside the workers hold and have done.
    ///
    /// # Errors
    /// A [`DaskError`].
    pub fn stats(&self) -> Result<Vec<WorkerStats>> {
        let workers = self.connection.ask(&Request::Stats, "what the workers hold", |reply| match reply {
            Reply::Stats { workers } => Some(workers),
            _ => None,
        })?;
        // Other programs may use the same workers.
        let own = workers.into_iter().filter_map(|(worker, mut executables)| {
            let stats = executables.remove(&self.connection.executable)?;
            Some(WorkerStats {
                worker,
                values: stats.values,
                resident_nbytes: stats.resident_nbytes,
                spilled_nbytes: stats.spilled_nbytes,
                executed: stats.executed,
                threads: stats.threads,
                pid: stats.pid,
            })
        });
        let mut own: Vec<WorkerStats> = own.collect();
        own.sort_by(|a, b| a.worker.cmp(&b.worker));
        Ok(own)
    }

    /// Waits until the cluster has `n` workers; no longer than `timeout`, if there is one.
    ///
    /// # Errors
    /// [`DaskError::TimedOut`].
    pub fn wait_for_workers(&self, n: u32, timeout: Option<Duration>) -> Result<()> {
        let request = Request::WaitForWorkers { n, timeout: timeout.map(in_seconds) };
        let what = format!("waiting for {n} workers");
        self.connection.order(&request, &what).map_err(|error| {
            match error {
                DaskError::TimedOut { what, .. } => DaskError::TimedOut { what, waited: timeout },
                error => error,
            }
            .into()
        })
    }

    /// Ends workers in order: what only they hold moves to others first. Returns the addresses of those that went.
    ///
    /// # Errors
    /// A [`DaskError`].
    pub fn retire_workers<W: Into<String>>(&self, workers: impl IntoIterator<Item = W>) -> Result<Vec<String>> {
        let workers: Vec<String> = workers.into_iter().map(Into::into).collect();
        if workers.is_empty() {
            return Ok(workers);
        }
        let retired = self.connection.ask(&Request::RetireWorkers { workers, n: 0 }, "retiring workers", |reply| match reply {
            Reply::Workers { workers } => Some(workers),
            _ => None,
        })?;
        Ok(retired)
    }

    /// Starts all workers anew; all that the cluster held is forgotten, and futures are cancelled. Needs workers with a nanny, as `dask
    /// worker` has by default.
    ///
    /// # Errors
    /// [`DaskError::TimedOut`] if the workers are not back in time.
    pub fn restart(&self, timeout: Option<Duration>) -> Result<()> {
        let request = Request::Restart { timeout: timeout.map(in_seconds) };
        Ok(self.connection.order(&request, "restarting the workers")?)
    }

    /// Runs `body` and writes Dask's report of that time to an HTML file. The scheduler's Python needs the package `bokeh`. A client writes
    /// one report at a time.
    ///
    /// # Errors
    /// A [`DaskError`] if Dask cannot write the report, such as for want of `bokeh`.
    pub fn performance_report<R>(&self, path: impl AsRef<Path>, body: impl FnOnce() -> R) -> Result<R> {
        let path = std::path::absolute(path.as_ref()).map_err(|error| arras_core::Error::io(path.as_ref(), error))?;
        let start = Request::ReportStart { path: path.to_string_lossy().into_owned() };
        self.connection.order(&start, "starting the report")?;
        let mut report = Report { connection: &self.connection, stopped: false };
        let result = body();
        report.stop()?;
        Ok(result)
    }
}

/// A report that is being made. It ends also where its body panics, else there would be no other.
struct Report<'c> {
    connection: &'c Connection,
    stopped: bool,
}

impl Report<'_> {
    fn stop(&mut self) -> Result<(), DaskError> {
        self.stopped = true;
        self.connection.order(&Request::ReportStop, "writing the report")
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if !self.stopped {
            let _ = self.stop();
        }
    }
}
