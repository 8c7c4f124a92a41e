//! The client of a Dask cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arras_core::{Persist, Plan, Result, Value};

use super::connection::{Address, Connection};
use super::environment::PythonEnvironment;
use super::error::DaskError;
use super::local::LocalCluster;
use super::local_options::LocalOptions;
use super::options::{ClientOptions, Executable, SubmitOptions};
use super::run::{Results, run};
use crate::compute::Compute;
use crate::scheduler::{RunOptions, Scheduler};
use crate::worker::require_init;

/// A client of a Dask cluster: a [`Scheduler`] that runs plans on its workers, and futures as Dask's own client has them.
///
/// Connecting starts this executable beside each worker, so `main` has to begin with [`init`](crate::init). Plans are cut into sub-graphs
/// of some milliseconds; the cluster moves, steals and retries those, and runs each on the threads of the executable beside the worker,
/// where the values stay. Clones share the connection. When the last clone, future and remote value is dropped, the cluster forgets what
/// they held.
///
/// ```no_run
/// use arras_core::delayed;
/// use arras_scheduler::Compute;
/// use arras_scheduler::dask::Client;
///
/// fn main() -> arras_core::Result<()> {
///     arras_scheduler::init();
///     let client = Client::connect("tcp://scheduler:8786")?;
///     let x = delayed(f64::sqrt, (2.0,));
///     assert_eq!(x.compute_with(&client)?, 2f64.sqrt());
///     let future = client.submit(f64::powi, (2.0, 10))?;
///     assert_eq!(future.result()?, 1024.0);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) connection: Arc<Connection>,
    pub(crate) options: Arc<SubmitOptions>,
}

impl Client {
    /// Joins the cluster of the scheduler at this address, such as `tcp://host:8786`.
    ///
    /// # Errors
    /// A [`DaskError`] that says what is missing: Python, the package `distributed`, an equal release of it, a scheduler at that address,
    /// an executable that runs on the workers; [`WorkerError::NotInitialised`](crate::WorkerError::NotInitialised) if `main` does not call
    /// [`init`](crate::init).
    pub fn connect(address: &str) -> Result<Client> {
        Client::connect_with(address, &ClientOptions::default())
    }

    /// As [`connect`](Client::connect), with options.
    ///
    /// # Errors
    /// As for [`connect`](Client::connect).
    pub fn connect_with(address: &str, options: &ClientOptions) -> Result<Client> {
        Client::open(&Address::Tcp(address.to_owned()), options, None)
    }

    /// Joins the cluster whose scheduler wrote this file (`dask scheduler --scheduler-file`), as on job queues.
    ///
    /// # Errors
    /// As for [`connect`](Client::connect).
    pub fn scheduler_file(path: impl AsRef<Path>) -> Result<Client> {
        Client::scheduler_file_with(path, &ClientOptions::default())
    }

    /// As [`scheduler_file`](Client::scheduler_file), with options.
    ///
    /// # Errors
    /// As for [`connect`](Client::connect).
    pub fn scheduler_file_with(path: impl AsRef<Path>, options: &ClientOptions) -> Result<Client> {
        Client::open(&Address::File(path.as_ref().to_owned()), options, None)
    }

    /// Starts a cluster on this machine, a real `dask scheduler` and so many `dask worker`s, and joins it. The cluster ends with the last
    /// clone, future and remote value of the client, or with this process.
    ///
    /// Needs Python with the package `distributed`: see [`PythonEnvironment`](super::PythonEnvironment).
    ///
    /// ```no_run
    /// use arras_scheduler::dask::Client;
    /// let client = Client::local(2, 1)?;
    /// println!("{client:?}");
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`connect`](Client::connect), and [`DaskError::LocalCluster`].
    pub fn local(workers: usize, threads: usize) -> Result<Client> {
        Client::local_with(&LocalOptions::new(workers, threads), &ClientOptions::default())
    }

    /// As [`local`](Client::local), with options. The cluster is run by the client's Python, if that is given and the cluster's is not, and
    /// the other way round.
    ///
    /// # Errors
    /// As for [`local`](Client::local).
    pub fn local_with(cluster: &LocalOptions, options: &ClientOptions) -> Result<Client> {
        require_init()?;
        let mut cluster = cluster.clone();
        if let (Some(python), true) = (&options.python, cluster.python.is_none()) {
            cluster = cluster.python(python);
        }
        let cluster = LocalCluster::start(&cluster)?;
        let mut options = options.clone();
        if options.python.is_none() {
            options.python = Some(cluster.python().to_owned());
        }
        let address = Address::Tcp(cluster.address().to_owned());
        // The workers are at hand.
        options.direct = true;
        let cluster: Arc<dyn Send + Sync> = Arc::new(cluster);
        if options.executable == Executable::Shipped {
            // The workers are on this machine and end before this process does. The link leads to this build even after a new one took its
            // place, for workers that are started later too.
            let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
            let there = options.clone().executable(Executable::AtPath(own));
            match Client::open(&address, &there, Some(Arc::clone(&cluster))) {
                Err(error) if matches!(error.find(), Some(DaskError::Install { .. })) => {}
                outcome => return outcome,
            }
        }
        Client::open(&address, &options, Some(cluster))
    }

    fn open(address: &Address, options: &ClientOptions, cluster: Option<Arc<dyn Send + Sync>>) -> Result<Client> {
        let python = options.python.clone().unwrap_or_else(PythonEnvironment::named);
        let connection = Connection::open(address, options, python, cluster)?;
        Ok(Client { connection, options: Arc::default() })
    }

    /// This client, its submissions with these options.
    ///
    /// ```no_run
    /// # use arras_core::delayed;
    /// # use arras_scheduler::{Compute, dask::{Client, SubmitOptions}};
    /// # let client = Client::connect("tcp://scheduler:8786")?;
    /// let urgent = client.with(SubmitOptions::new().priority(10).retries(2));
    /// let x = delayed(f64::sqrt, (2.0,)).compute_with(&urgent)?;
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[must_use]
    pub fn with(&self, options: SubmitOptions) -> Client {
        Client { connection: Arc::clone(&self.connection), options: Arc::new(options) }
    }

    /// Computes the values of a collection and leaves them on the workers. What is built on the collection that is returned reads them
    /// there.
    ///
    /// # Errors
    /// As for [`compute`](Compute::compute).
    pub fn persist<C: Persist>(&self, collection: &C) -> Result<C> {
        collection.persist_with(self)
    }

    /// The scheduler's address.
    pub fn address(&self) -> &str {
        &self.connection.welcome.scheduler
    }

    /// Where the cluster's dashboard is, if it has one.
    pub fn dashboard(&self) -> Option<&str> {
        Some(self.connection.welcome.dashboard.as_str()).filter(|address| !address.is_empty())
    }

    /// The release of `distributed` that this client talks with.
    pub fn release(&self) -> &str {
        &self.connection.welcome.release
    }

    /// The process that talks to the cluster for this client. If it is ended, the cluster forgets what the client held.
    pub fn bridge_pid(&self) -> u32 {
        self.connection.bridge.pid()
    }
}

impl Scheduler for Client {
    fn name(&self) -> String {
        "dask".to_owned()
    }

    fn n_workers(&self) -> usize {
        self.connection.events.threads() as usize
    }

    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        run(&self.connection, plan, options, &self.options.to_wire(), Results::Fetched)
    }

    fn persist(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        run(&self.connection, plan, options, &self.options.to_wire(), Results::Remote)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, {} threads)", self.address(), self.n_workers())
    }
}
