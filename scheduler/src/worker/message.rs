//! Messages between a worker and whoever started it: the headers of frames.
//!
//! ```text
//!     lifeline      Setup ──►   ◄── Ready          then Connect with a descriptor, as often as wanted; its end ends the worker
//!     connection    Hello ──►   ◄── Welcome        then one request, one reply; values and sub-plans are bodies
//! ```
//! They are written as MessagePack maps with names, as programs in other languages speak them too.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// The version of these messages. The worker refuses another.
pub const VERSION: u32 = 2;

/// What only the one who started a worker can show.
pub type Secret = ByteArray<16>;

/// Over the lifeline, to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// First.
    Setup(Setup),
    /// The descriptor that comes with it is a connection.
    Connect,
}

/// What a worker is to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    /// [`VERSION`].
    pub version: u32,
    /// What every connection must show.
    pub secret: Secret,
    /// The token of the executable's contents, in hexadecimal; not checked if empty.
    pub executable: String,
    /// CPU features that functions may rely on, a word each; the worker's CPU must have them.
    pub cpu: String,
    /// Tasks that run at once.
    pub threads: u32,
    /// Bytes of values that are held in memory; what is more goes to disk. 0 for no limit.
    pub memory_limit: u64,
    /// The folder for what goes to disk; the temporary folder if empty.
    pub spill_directory: String,
    /// What the worker is called in messages to people.
    pub name: String,
}

/// Over the lifeline, from the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The worker serves.
    Ready {
        /// [`VERSION`].
        version: u32,
        /// The process.
        pid: u32,
        /// The token of its executable's contents.
        executable: String,
    },
    /// The worker cannot serve, and ends.
    Refused {
        /// Why.
        why: String,
    },
}

/// Over a connection, to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// First.
    Hello {
        /// What [`Setup`] said.
        secret: Secret,
    },
    /// Run the sub-plan in the body.
    Execute {
        /// A number for [`Request::Cancel`].
        run: u64,
        /// The values it takes.
        arguments: Vec<u64>,
        /// What its results are to be called.
        results: Vec<u64>,
        /// Run task by task, and say which one starts.
        #[serde(default)]
        trace: bool,
        /// Report what happened, task by task.
        #[serde(default)]
        observe: bool,
    },
    /// Keep the value in the body, or in the shared memory that comes with it; or the one that arrives, as the reply to a [`Request::Get`], on the socket that comes with
    /// it: [`Reply::Missing`] if it does not.
    Put {
        /// What it is to be called.
        id: u64,
    },
    /// Hand a value back.
    Get {
        /// The value.
        id: u64,
        /// In shared memory rather than in the body.
        shared: bool,
    },
    /// Keep the values in the body, one after another.
    PutAll {
        /// What they are to be called.
        ids: Vec<u64>,
        /// Bytes of the serialised form of each.
        lens: Vec<u64>,
    },
    /// Hand small values back, in one body.
    GetAll {
        /// The values.
        ids: Vec<u64>,
    },
    /// Forget values. No reply.
    Drop {
        /// The values; those that are not there are ignored.
        ids: Vec<u64>,
    },
    /// What is held and done.
    Stats,
    /// Start no further tasks of a run.
    Cancel {
        /// The number that [`Request::Execute`] gave it.
        run: u64,
    },
    /// Answer.
    Ping,
}

/// Over a connection, from the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To Hello.
    Welcome,
    /// To Hello, or a request out of order; the connection ends.
    Refused {
        /// Why.
        why: String,
    },
    /// Of a traced run: a task starts.
    Started {
        /// Its number in the sub-plan.
        task: u32,
    },
    /// The run is over, its results are kept. What happened, if that was asked for, is in the body: a MessagePack sequence of [`TaskEvent`]s.
    Done {
        /// The size of each result.
        nbytes: Vec<u64>,
        /// How long the run took.
        nanoseconds: u64,
    },
    /// A task failed, or the sub-plan could not be read. Nothing is kept.
    Failed {
        /// Its number in the sub-plan; `u32::MAX` if there is none.
        task: u32,
        /// What it said.
        message: String,
        /// Whether it panicked.
        panic: bool,
    },
    /// The run was cancelled. Nothing is kept.
    Cancelled,
    /// The value is kept.
    Stored {
        /// Its size in memory.
        nbytes: u64,
    },
    /// The value is in the body, or in the shared memory that comes with it.
    Value {
        /// Its size in memory.
        nbytes: u64,
        /// Bytes of its serialised form.
        len: u64,
    },
    /// The first of the values that were asked for are in the body, one after another. The first that is missing from it, all of them perhaps, is to be asked for alone: it may be
    /// large, or there may be something to say about it.
    Values {
        /// Bytes of the serialised form of each.
        lens: Vec<u64>,
    },
    /// A value is not there.
    Missing {
        /// The value.
        id: u64,
    },
    /// A value could not be read or written.
    Damaged {
        /// Why.
        why: String,
    },
    /// To Stats.
    Stats(Stats),
    /// To Cancel and Ping.
    Ok,
}

/// What a worker holds and has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Values that are held, in memory or on disk.
    pub values: u64,
    /// Bytes of values in memory.
    pub resident_nbytes: u64,
    /// Bytes of values that are on disk only.
    pub spilled_nbytes: u64,
    /// Values that are on disk only.
    pub spilled_values: u64,
    /// Sub-plans that were run.
    pub executed: u64,
    /// Tasks that run at once.
    pub threads: u32,
    /// The process.
    pub pid: u32,
}

/// What happened to a task of a sub-plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskEvent {
    /// It ran.
    Finished {
        /// Its number in the sub-plan.
        task: u32,
        /// The thread of the worker.
        worker: u32,
        /// The size of its value.
        nbytes: u64,
        /// How long its function ran.
        nanoseconds: u64,
    },
    /// Its value was dropped.
    Freed {
        /// Its number in the sub-plan.
        task: u32,
    },
}

/// The events in the body of [`Reply::Done`].
///
/// # Errors
/// Bytes that are none.
pub fn task_events(bytes: &[u8]) -> Result<Vec<TaskEvent>, rmp_serde::decode::Error> {
    if bytes.is_empty() { Ok(Vec::new()) } else { rmp_serde::from_slice(bytes) }
}
