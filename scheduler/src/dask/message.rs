//! Messages between this process and the Python that talks to Dask.
//!
//! ```text
//!     ──► { number, request } + body         a number for each request; 0 for those that are not answered
//!     ◄── { number, reply } + body           or { number, error }
//!     ◄── { event }
//! ```
//! They are written as MessagePack maps with names. Futures have numbers that this side chooses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A duration as Dask takes it: none means "without limit" there, and clocks there do not count to the end of time.
pub(crate) fn in_seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().clamp(0.001, 1e9)
}

/// When a duration from now is over; never, if that is beyond what clocks count.
pub(crate) fn deadline_in(timeout: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(timeout?)
}

/// A request on its way out.
#[derive(Debug, Serialize)]
pub(crate) struct Outgoing<'r> {
    pub(crate) number: u64,
    pub(crate) request: &'r Request,
}

/// What comes back: a reply or an error with the number of its request, or an event.
#[derive(Debug, Deserialize)]
pub(crate) struct Incoming {
    #[serde(default)]
    pub(crate) number: u64,
    #[serde(default)]
    pub(crate) reply: Option<Reply>,
    #[serde(default)]
    pub(crate) error: Option<Failure>,
    #[serde(default)]
    pub(crate) event: Option<Event>,
}

#[derive(Debug, Serialize)]
pub(crate) enum Request {
    Connect(Box<Connect>),
    /// The bytes of payloads and data are in the body, in the order of the tasks.
    Submit {
        tasks: Vec<DaskTask>,
        /// Numbers for futures of tasks.
        outputs: Vec<(u64, u32)>,
        executable: String,
        options: SubmitOptionsWire,
    },
    Scatter {
        future: u64,
        name: String,
        broadcast: bool,
    },
    Gather {
        futures: Vec<u64>,
    },
    Release {
        futures: Vec<u64>,
    },
    Cancel {
        futures: Vec<u64>,
    },
    Retry {
        futures: Vec<u64>,
    },
    Replicate {
        futures: Vec<u64>,
        n: Option<u32>,
        workers: Vec<String>,
    },
    WhoHas {
        futures: Vec<u64>,
    },
    Nbytes {
        futures: Vec<u64>,
    },
    Info,
    Stats,
    WaitForWorkers {
        n: u32,
        timeout: Option<f64>,
    },
    RetireWorkers {
        workers: Vec<String>,
        n: u32,
    },
    Restart {
        timeout: Option<f64>,
    },
    Publish {
        name: String,
        futures: Vec<u64>,
        about: BTreeMap<String, String>,
        replace: bool,
    },
    Unpublish {
        name: String,
    },
    Datasets,
    Dataset {
        name: String,
        /// The number of the first future; the others follow.
        first: u64,
    },
    /// Tells from now on when these end.
    Watch {
        futures: Vec<u64>,
    },
    ReportStart {
        path: String,
    },
    ReportStop,
}

/// The first request. The executable's bytes are the body.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Connect {
    pub(crate) address: String,
    pub(crate) scheduler_file: String,
    pub(crate) security: Option<SecurityWire>,
    pub(crate) timeout: f64,
    pub(crate) name: String,
    pub(crate) heartbeat: Option<f64>,
    pub(crate) direct: bool,
    pub(crate) glue: &'static str,
    pub(crate) watch: &'static str,
    pub(crate) executable: String,
    pub(crate) path: String,
    pub(crate) cpu: String,
    pub(crate) same_versions: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct SecurityWire {
    pub(crate) ca_file: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct SubmitOptionsWire {
    pub(crate) retries: Option<u32>,
    pub(crate) priority: Option<i64>,
    pub(crate) resources: BTreeMap<String, f64>,
    pub(crate) workers: Vec<String>,
    pub(crate) allow_other_workers: Option<bool>,
}

/// A task of a Dask graph: its key `(name, index)` and what it does.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DaskTask(pub(crate) String, pub(crate) u64, pub(crate) Work);

#[derive(Debug, Clone, Serialize)]
pub(crate) enum Work {
    /// Runs a sub-plan.
    Run { length: u64, results: u32, inputs: Vec<Dependency> },
    /// Takes one of several results.
    Item { of: u32, item: u32 },
    /// Holds a constant.
    Data { length: u64 },
}

/// What a task reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Dependency {
    /// Another task of the same graph.
    Task(u32),
    /// The future of this number.
    Future(u64),
}

#[derive(Debug, Deserialize)]
pub(crate) enum Reply {
    Ok,
    Connected {
        client: String,
        scheduler: String,
        dashboard: String,
        threads: u32,
        release: String,
    },
    /// The bytes of each value are in the body.
    Gathered {
        lengths: Vec<u64>,
    },
    WhoHas {
        workers: Vec<Vec<String>>,
    },
    Nbytes {
        nbytes: Vec<u64>,
    },
    Info {
        workers: Vec<WorkerInfoWire>,
    },
    Stats {
        workers: Vec<(String, BTreeMap<String, crate::worker::message::Stats>)>,
    },
    Workers {
        workers: Vec<String>,
    },
    Datasets {
        names: Vec<String>,
    },
    Dataset {
        /// Their keys.
        futures: Vec<(String, u64)>,
        about: BTreeMap<String, String>,
    },
}

#[derive(Debug, Deserialize)]
pub(crate) struct WorkerInfoWire {
    pub(crate) address: String,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) threads: u32,
    pub(crate) memory_limit: u64,
    pub(crate) memory: u64,
    pub(crate) resources: BTreeMap<String, f64>,
}

/// An exception, as plain data.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    #[serde(rename = "type")]
    pub(crate) python_type: String,
    pub(crate) message: String,
    pub(crate) traceback: String,
    /// The task's number in its sub-plan.
    pub(crate) task: Option<u32>,
    pub(crate) panic: bool,
    /// The Dask task it happened in.
    pub(crate) key: Option<(String, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum FailureKind {
    /// A task of a sub-plan failed.
    Task,
    /// Workers died.
    WorkerLost,
    Cancelled,
    TimedOut,
    Refused,
    Versions,
    Install,
    Dataset,
    /// Any other exception.
    Python,
}

#[derive(Debug, Deserialize)]
pub(crate) enum Event {
    /// A future has ended.
    Done { future: u64, status: String, error: Option<Failure> },
    /// Dask tasks of this client ran: key, worker, seconds, bytes.
    Ran { ran: Vec<((String, u64), String, f64, u64)> },
    /// The threads of all workers.
    Threads { threads: u32 },
}
