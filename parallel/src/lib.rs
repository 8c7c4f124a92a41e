//! The joblib front end: many calls, as many at a time as you say, results in order.
//!
//! ```text
//!     Parallel::new().n_jobs(3).run(calls)
//!          │ each call a task of one layer: ("parallel-9f2c…", i)
//!          ▼
//!        Graph ──► Plan ──► the same schedulers that run arrays and bags
//! ```
//! ```
//! use arras_parallel::{Parallel, delayed};
//! let roots = Parallel::new().n_jobs(3).run((0..6).map(|i| delayed(f64::sqrt, (f64::from(i * i),))))?;
//! assert_eq!(roots, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
//! # Ok::<(), arras_core::Error>(())
//! ```
#![forbid(unsafe_code)]

mod jobs;
mod progress;
mod run;

pub use arras_core::{delayed, try_delayed};
pub use arras_scheduler::cpu_count;
pub use jobs::effective_n_jobs;
pub use run::Parallel;
