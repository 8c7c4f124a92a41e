//! How to connect, and what a submission asks of the cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::message::{SecurityWire, SubmitOptionsWire};

/// How a [`Client`](super::Client) connects.
///
/// ```
/// use std::time::Duration;
/// use arras_scheduler::dask::{ClientOptions, Executable, Security};
/// let options = ClientOptions::new()
///     .security(Security::new("ca.pem", "client.pem", "client.key"))
///     .executable(Executable::AtPath("/opt/shared/program".into()))
///     .timeout(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub(crate) security: Option<Security>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) executable: Executable,
    pub(crate) timeout: Duration,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) name: String,
    pub(crate) direct: bool,
    pub(crate) any_version: bool,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            security: None,
            python: None,
            executable: Executable::Shipped,
            timeout: Duration::from_secs(30),
            heartbeat: None,
            name: "arras".to_owned(),
            direct: false,
            any_version: false,
        }
    }
}

impl ClientOptions {
    /// No TLS, the executable shipped to the workers, 30 s to connect.
    pub fn new() -> ClientOptions {
        ClientOptions::default()
    }

    /// TLS with these certificates, as the cluster was started with (`--tls-ca-file` and its neighbours). The address then begins with
    /// `tls://`.
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.security = Some(security);
        self
    }

    /// The Python that talks to the cluster, instead of what `ARRAS_PYTHON` names, or `python3`. It needs the package `distributed` of the
    /// cluster's release.
    #[must_use]
    pub fn python(mut self, python: impl Into<PathBuf>) -> Self {
        self.python = Some(python.into());
        self
    }

    /// How the workers come by this executable.
    #[must_use]
    pub fn executable(mut self, executable: Executable) -> Self {
        self.executable = executable;
        self
    }

    /// How long connecting may take, and as long again until the executable runs beside all workers; its bytes, where they are sent, are
    /// allowed a second more for each 20 MB and worker.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often the client shows the scheduler that it is there, where Dask's default does not suit.
    #[must_use]
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = Some(interval);
        self
    }

    /// The client's name, as the scheduler's log shows it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Fetches values straight from the workers, and scatters straight to them, rather than through the scheduler: faster where this
    /// machine reaches them.
    #[must_use]
    pub fn direct_to_workers(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// Accepts a cluster of another release of `distributed` than the one here. Dask promises nothing about that.
    #[must_use]
    pub fn any_version(mut self) -> Self {
        self.any_version = true;
        self
    }
}

/// The files of a TLS identity, in PEM. Dask demands that both sides show one that the authority has signed.
#[derive(Debug, Clone)]
pub struct Security {
    ca_file: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Security {
    /// The authority's certificate, the client's, and the client's private key.
    pub fn new(ca_file: impl Into<PathBuf>, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Security {
        Security { ca_file: ca_file.into(), certificate: certificate.into(), key: key.into() }
    }

    pub(crate) fn to_wire(&self) -> SecurityWire {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        SecurityWire { ca_file: text(&self.ca_file), certificate: text(&self.certificate), key: text(&self.key) }
    }
}

/// How the workers come by the executable of this process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Executable {
    /// Its bytes travel once to each worker, which runs it from memory. The workers' machines must be able to run it: the same
    /// architecture, and a libc that it was linked for, or none, as for a static musl build.
    #[default]
    Shipped,
    /// It lies at this path on every worker already: a shared folder, a container's image. The workers check that it is the same build.
    AtPath(PathBuf),
}

/// What a submission asks of the cluster: for [`Client::with`](super::Client::with).
///
/// ```
/// use arras_scheduler::dask::SubmitOptions;
/// let options = SubmitOptions::new().retries(3).priority(10).resource("GPU", 1.0);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubmitOptions {
    retries: Option<u32>,
    priority: Option<i64>,
    resources: BTreeMap<String, f64>,
    workers: Vec<String>,
    allow_other_workers: Option<bool>,
}

impl SubmitOptions {
    /// The cluster's defaults.
    pub fn new() -> SubmitOptions {
        SubmitOptions::default()
    }

    /// How often a task that fails is tried again.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// What is more urgent has a higher number. 0 is the default.
    #[must_use]
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Runs only on workers that were started with this resource, and takes so much of it from them while it runs.
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>, amount: f64) -> Self {
        self.resources.insert(name.into(), amount);
        self
    }

    /// Runs only on these workers: addresses, host names or names.
    #[must_use]
    pub fn workers<W: Into<String>>(mut self, workers: impl IntoIterator<Item = W>) -> Self {
        self.workers = workers.into_iter().map(Into::into).collect();
        self
    }

    /// Makes [`workers`](SubmitOptions::workers) a wish: others may run it if none of them is there.
    #[must_use]
    pub fn allow_other_workers(mut self, allow: bool) -> Self {
        self.allow_other_workers = Some(allow);
        self
    }

    pub(crate) fn to_wire(&self) -> SubmitOptionsWire {
        SubmitOptionsWire {
            retries: self.retries,
            priority: self.priority,
            resources: self.resources.clone(),
            workers: self.workers.clone(),
            allow_other_workers: self.allow_other_workers,
        }
    }
}
