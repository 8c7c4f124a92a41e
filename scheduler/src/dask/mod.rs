//! Dask: plans run on a cluster that somebody already operates, by a stock `dask scheduler` and stock `dask worker`s of any release since
//! 2023.9.2.
//!
//! ```text
//!     this process                Python, beside it             the cluster
//!     Client ── frames ─────────► bridge: a Dask client ──────► dask scheduler: places, steals, retries, recomputes
//!       plan, cut into bundles      graph of sub-graphs           │
//!                                                                 ▼
//!                                                               dask worker (Python) ──► this executable again, in worker mode
//!                                                                 holds handles            holds the values, runs the sub-graphs
//! ```
//! Dask moves and retries coarse sub-graphs, which costs it a millisecond each; the tasks inside run on this library's own threads, which
//! costs 44 ns each. Nothing is installed by hand: a plugin brings a small Python module to the scheduler and the workers, as source, and
//! the executable itself to the workers.
//!
//! A Dask cluster trusts whoever connects to it: a client runs what it likes on the workers. Keep its ports closed to others, or use TLS
//! ([`ClientOptions::security`]), where both sides show a certificate.

mod bridge;
mod calls;
mod cell;
mod client;
mod cluster;
mod connection;
mod datasets;
mod environment;
mod error;
mod events;
mod future;
mod graph;
mod local;
mod local_options;
mod message;
mod options;
mod parts;
mod remote;
mod run;
mod submitted;
mod watching;

pub use calls::{AsCompleted, Waited, When, as_completed, wait};
pub use cell::Status;
pub use client::Client;
pub use cluster::{WorkerInfo, WorkerStats};
pub use environment::PythonEnvironment;
pub use error::DaskError;
pub use future::{Awaiting, Future, all};
pub use local::{ClusterProcess, LocalCluster};
pub use local_options::LocalOptions;
pub use options::{ClientOptions, Executable, Security, SubmitOptions};
