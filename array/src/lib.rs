//! Lazy, chunked n-dimensional arrays over ndarray.
//!
//! ```text
//!     Array<T>  ──►  Expr                      shape, type and chunks known at once; slices and transposes pushed down
//!                     │ lower
//!                     ▼
//!                   layers of tasks            a region of operations, with the reduction that consumes it, is one kernel a block
//!                     │ a scheduler
//!                     ▼
//!                   Blocks  ──►  ndarray
//! ```
//! ```
//! use arras_array::Array;
//! use arras_scheduler::{Compute, Synchronous};
//!
//! let n = 10_000;
//! let rng = arras_array::Rng::seed(1);
//! let x = rng.uniform(-1.0, 1.0, n, 1_000)?;
//! let y = rng.uniform(-1.0, 1.0, n, 1_000)?;
//! let hit_test = (x.powi(2) + y.powi(2)).lt(1.0);
//! let pi = 4.0 * hit_test.sum() / n as f64;
//! let a = pi.item().compute()?;
//! let b = pi.item().compute_with(&Synchronous)?;
//! assert_eq!(a.to_bits(), b.to_bits());
//! assert!((a - 3.14).abs() < 0.05);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod arithmetic;
mod array;
mod axes;
mod block;
mod blockwise;
mod broadcast;
mod choice;
mod choose;
mod chunks;
mod complex;
mod concatenate;
mod contract;
mod covariance;
mod creation;
mod cumulative;
mod custom;
mod diagonal;
mod difference;
mod display;
mod distributions;
mod dtype;
mod elementwise;
mod error;
mod expr;
mod fft;
mod fold;
mod functions;
mod gather;
mod histogram;
mod iota;
mod join;
mod law;
#[cfg(feature = "linalg")]
mod linalg;
mod lower;
mod map;
mod map_blocks;
mod measures;
mod moments;
mod npy;
mod operations;
mod overlap;
mod pad;
mod position;
mod program;
mod promote;
mod push;
mod quantile;
mod random;
mod rechunk;
mod reduce;
mod reshape;
mod search;
mod selected;
mod set;
mod simplify;
mod sources;
pub mod stats;
mod svg;
mod take;
mod tile;
mod unique;
mod user;
mod view;
mod vindex;
mod window;

pub use array::Array;
pub use block::Block;
pub use broadcast::{broadcast_arrays, unify_chunks};
pub use choose::{Mode, choose, piecewise, select, where_};
pub use chunks::Chunks;
pub use concatenate::{concatenate, stack};
pub use contract::einsum;
pub use creation::{Indexing, fromfunction, indices, meshgrid};
pub use cumulative::Scan;
pub use dtype::{Bits, Complex32, Complex64, ComplexNumber, DType, Element, Float, Inexact, Integer, Number, Ordered, Real};
pub use error::{Error, Result};
pub use expr::IntoOperand;
pub use fft::{FftNorm, Spectral, Transform, fftfreq, rfftfreq};
pub use histogram::{Bins, Histogram, histogram2d, histogramdd};
pub use join::{block, column_stack, dstack, hstack, vstack};
#[cfg(feature = "linalg")]
pub use linalg::LeastSquares;
pub use map_blocks::Location;
pub use measures::{Closeness, Norm};
pub use ndarray;
pub use ndarray::s;
pub use overlap::{Boundary, Depth};
pub use pad::{Pad, PadStatistic};
pub use promote::{Promote, promote};
pub use quantile::{QuantileMethod, Quantiles};
pub use random::Rng;
pub use reduce::Axes;
pub use search::Side;
pub use selected::Selected;
pub use sources::BlockLocation;
pub use unique::Unique;
