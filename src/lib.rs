//! Lazy, chunked arrays, bags and dataframes over one task graph, run on one thread, all cores, several processes or a Dask cluster.
//!
//! ```text
//!     Array<T>   Bag<T>   Frame   Delayed<T>   Parallel         what you write: nothing is computed yet
//!         └────────┴────────┴─────────┴───────────┘
//!                            │ graph()
//!                            ▼
//!                          Graph                                 a keyed map of tasks: look into it, draw it, edit it
//!                            │ compute(), compute_with(&scheduler)
//!                            ▼
//!     Synchronous      Threads      Processes      dask::Client   the same bits, whichever runs it
//! ```
//!
//! # Arrays
//!
//! ```
//! # #[cfg(feature = "array")] {
//! use arras::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let n = 100_000;
//! let rng = Rng::seed(1);
//! let x = rng.uniform(-1.0, 1.0, n, 10_000)?;
//! let y = rng.uniform(-1.0, 1.0, n, 10_000)?;
//! let hit_test = (x.powi(2) + y.powi(2)).lt(1.0);
//! let pi = 4.0 * hit_test.sum() / n as f64;
//! println!("{}", pi.explain()?);
//! let a = pi.compute()?;
//! let b = pi.compute_with(&Synchronous)?;
//! assert_eq!(a, b);
//! assert!((a.sum() - std::f64::consts::PI).abs() < 0.02);
//! # Ok(())
//! # }
//! # main().unwrap() }
//! ```
//!
//! # Bags
//!
//! ```
//! # #[cfg(feature = "bag")] {
//! use arras::prelude::*;
//!
//! let counts = Bag::from_sequence(["the cat sat on the mat", "the dog sat on the mat"], 2)
//!     .flat_map(|line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
//!     .foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b)
//!     .compute()?;
//! assert_eq!(counts[0], ("the".to_owned(), 4));
//! # }
//! # Ok::<(), arras::Error>(())
//! ```
//!
//! # Delayed values, and graphs by hand
//!
//! ```
//! use arras::prelude::*;
//! let x = delayed(|| 20.0, ());
//! let y = delayed(f64::powi, (&x, 2));
//! assert_eq!(((x + y) / 2.0).compute()?, 210.0);
//!
//! let mut graph = Graph::new();
//! graph.insert("a", value(2i64));
//! graph.insert("b", value(2i64));
//! graph.insert("result", task(|x: &i64, y: &i64| x + y, ("a", "b")));
//! assert_eq!(arras::get::<i64>(&graph, "result")?, 4);
//! # Ok::<(), arras::Error>(())
//! ```
//!
//! # Parallel
//!
//! ```
//! # #[cfg(feature = "parallel")] {
//! use arras::prelude::*;
//! let roots = Parallel::new().n_jobs(3).run((0..6).map(|i| delayed(f64::sqrt, (f64::from(i * i),))))?;
//! assert_eq!(roots, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
//! # }
//! # Ok::<(), arras::Error>(())
//! ```
//!
//! # Processes and clusters
//!
//! ```no_run
//! # #[cfg(all(feature = "array", feature = "dask"))]
//! # mod program {
//! use arras::dask::Client;
//! use arras::prelude::*;
//!
//! # pub
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     arras::init(); // first: a worker is this program, started again
//!     let mean = Rng::seed(1).uniform(0.0, 1.0, 100_000_000, 1_000_000)?.mean();
//!     println!("{}", mean.compute_with(&Processes::new(2)?)?);
//!     println!("{}", mean.compute_with(&Client::connect("tcp://scheduler:8786")?)?);
//!     Ok(())
//! }
//! # }
//! ```
//! The guide `docs/cluster.md` goes from a laptop to a job queue in a page.
//!
//! # Features
//!
//! `array`, `bag` and `parallel` are on by default; `frame` brings polars, which takes minutes to compile; `dask` brings the client of Dask clusters and no crate. `zarr` brings arrays
//! in Zarr, `hdf5` those in NetCDF and HDF5 files, `images` stacks of images, `linalg` factorisations; `avro` and `parquet` bring bags of such files, `xz` and `zstd` bags of files that are compressed so (gz, bz2 and lz4 always are
//! read); `cloud` brings object stores and web servers to both. A feature chooses what is there, never how it behaves.
// Where `init()` stands in `main` is what those examples are about.
#![allow(clippy::needless_doctest_main)]
#![forbid(unsafe_code)]

pub use arras_core::*;
pub use arras_scheduler::{
    CancelToken, Compute, Configured, Event, Observer, Processes, Recorder, RunOptions, RunReport, Scheduler, Synchronous, Threads,
    WorkerError, cpu_count, current_scheduler, enclosing_scheduler, init, prepare, with_scheduler,
};

#[cfg(feature = "dask")]
pub use arras_scheduler::dask;

#[cfg(feature = "array")]
pub use arras_array as array;
#[cfg(feature = "bag")]
pub use arras_bag as bag;
#[cfg(feature = "frame")]
pub use arras_frame as frame;
#[cfg(feature = "parallel")]
pub use arras_parallel as parallel;

#[cfg(all(any(feature = "array", feature = "bag"), feature = "frame"))]
mod convert;
#[cfg(all(feature = "array", feature = "frame"))]
pub use convert::ArrayToFrame;
#[cfg(all(feature = "bag", feature = "frame"))]
pub use convert::ToFrame;

/// What most programs need: `use arras::prelude::*;`.
pub mod prelude {
    #[cfg(all(feature = "array", feature = "frame"))]
    pub use crate::ArrayToFrame;
    #[cfg(all(feature = "bag", feature = "frame"))]
    pub use crate::ToFrame;
    #[cfg(feature = "array")]
    pub use arras_array::{Array, Axes, Chunks, Rng, s};
    #[cfg(feature = "bag")]
    pub use arras_bag::Bag;
    pub use arras_core::{Collection, Delayed, Graph, Key, alias, delayed, task, task_of_many, try_delayed, value, with};
    #[cfg(feature = "frame")]
    pub use arras_frame::{Frame, col, len, lit};
    #[cfg(feature = "parallel")]
    pub use arras_parallel::Parallel;
    pub use arras_scheduler::{Compute, Processes, RunReport, Scheduler, Synchronous, Threads, with_scheduler};
}
