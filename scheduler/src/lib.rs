//! When and where: schedulers that drive plans, and how collections are computed.
//!
//! ```text
//!     collection.compute_with(&scheduler)
//!          │ graph(), cull, freeze
//!          ▼
//!        Plan ──► Scheduler::run ──► Values ──► finish()
//!                   ├ Synchronous     one thread, in rank order
//!                   └ Threads         workers of our own, work stealing, nested runs
//!                        │
//!                        └ Bookkeeping: what is ready, held, releasable; reads no clock, does no I/O
//! ```
//! [`Compute`] is what users call; [`Scheduler`] is what a new way of running things implements; [`Observer`]s watch.

mod bookkeeping;
mod cancel;
mod compute;
mod current;
mod observer;
mod passes;
mod report;
mod scheduler;
mod slots;
mod synchronous;
mod threads;

pub use cancel::CancelToken;
pub use compute::{Compute, prepare};
pub use current::{current_scheduler, enclosing_scheduler, with_scheduler};
pub use observer::{Event, Observer};
pub use report::{Recorder, RunReport};
pub use scheduler::{Configured, RunOptions, Scheduler};
pub use synchronous::Synchronous;
pub use threads::{Threads, cpu_count};
