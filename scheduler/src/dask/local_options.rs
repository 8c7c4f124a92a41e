//! What a local cluster is to be: workers, memory, names, certificates.

use std::path::PathBuf;
use std::time::Duration;

use super::message::in_seconds;
use super::options::Security;

/// What a [`LocalCluster`](super::LocalCluster) is to be.
///
/// ```
/// use arras_scheduler::dask::LocalOptions;
/// let options = LocalOptions::new(2, 1).memory_limit(4 << 30).resource("GPU", 1.0).dashboard(":8787");
/// ```
#[derive(Debug, Clone)]
pub struct LocalOptions {
    workers: usize,
    threads: usize,
    pub(crate) python: Option<PathBuf>,
    memory_limit: Option<u64>,
    nanny: bool,
    resources: Vec<(String, f64)>,
    name: String,
    dashboard: Option<String>,
    security: Option<Security>,
    logs: Option<PathBuf>,
    timeout: Duration,
    pub(crate) environment: Vec<(String, String)>,
}

impl LocalOptions {
    /// So many worker processes with so many threads each; at least one of both.
    pub fn new(workers: usize, threads: usize) -> LocalOptions {
        LocalOptions {
            workers: workers.max(1),
            threads: threads.max(1),
            python: None,
            memory_limit: None,
            nanny: true,
            resources: Vec::new(),
            name: "worker".to_owned(),
            dashboard: None,
            security: None,
            logs: None,
            timeout: Duration::from_secs(60),
            environment: Vec::new(),
        }
    }

    /// The Python to run Dask with, instead of the one that [`PythonEnvironment::find`](super::PythonEnvironment::find) finds.
    #[must_use]
    pub fn python(mut self, python: impl Into<PathBuf>) -> Self {
        self.python = Some(python.into());
        self
    }

    /// Bytes that each worker may use; the default is its share of the machine's memory.
    #[must_use]
    pub fn memory_limit(mut self, nbytes: u64) -> Self {
        self.memory_limit = Some(nbytes);
        self
    }

    /// Workers that nobody restarts when they end.
    #[must_use]
    pub fn without_nannies(mut self) -> Self {
        self.nanny = false;
        self
    }

    /// So much of a resource on each worker, for [`SubmitOptions::resource`](super::SubmitOptions::resource).
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>, amount: f64) -> Self {
        self.resources.push((name.into(), amount));
        self
    }

    /// What the workers are called: `name-0`, `name-1` and so on.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Dask's dashboard, at this address, such as `:8787`; it needs the Python package `bokeh`. There is none by default.
    #[must_use]
    pub fn dashboard(mut self, address: impl Into<String>) -> Self {
        self.dashboard = Some(address.into());
        self
    }

    /// TLS between all processes; clients need [`ClientOptions::security`](super::ClientOptions::security) too.
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.security = Some(security);
        self
    }

    /// A folder for a log file of each process. By default they write to the standard error of this process.
    #[must_use]
    pub fn logs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.logs = Some(folder.into());
        self
    }

    /// How long the cluster may take to start; a minute by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A variable in the environment of all processes, such as `DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES`.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The arguments of the supervisor.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--frames".to_owned()];
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        add("--workers", self.workers.to_string());
        add("--threads", self.threads.to_string());
        add("--name", self.name.clone());
        add("--timeout", in_seconds(self.timeout).to_string());
        if let Some(limit) = self.memory_limit {
            add("--memory-limit", limit.to_string());
        }
        if !self.resources.is_empty() {
            let resources: Vec<String> = self.resources.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
            add("--resources", resources.join(","));
        }
        if let Some(address) = &self.dashboard {
            add("--dashboard", address.clone());
        }
        if let Some(security) = &self.security {
            let files = security.to_wire();
            add("--tls-ca-file", files.ca_file);
            add("--tls-cert", files.certificate);
            add("--tls-key", files.key);
        }
        if let Some(folder) = &self.logs {
            add("--logs", folder.to_string_lossy().into_owned());
        }
        if !self.nanny {
            arguments.push("--no-nanny".to_owned());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_arguments_of_the_supervisor() {
        let options = LocalOptions::new(0, 3).memory_limit(300_000_000).resource("GPU", 2.0).resource("X", 0.5).without_nannies();
        let arguments = options.arguments().join(" ");
        let expected =
            "--frames --workers 1 --threads 3 --name worker --timeout 60 --memory-limit 300000000 --resources GPU=2,X=0.5 --no-nanny";
        assert_eq!(arguments, expected);
    }
}
