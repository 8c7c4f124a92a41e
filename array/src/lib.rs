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

mod array;
mod blocks;
mod creation;
mod display;
mod elementwise;
mod engine;
mod error;
mod indexing;
mod linear;
mod masked;
mod reductions;
mod shape;
mod storage;
mod svg;

pub use array::Array;
pub use blocks::blockwise::{
    BlockAxes, OutputAxes, blockwise, blockwise_lists, blockwise_lists_with, blockwise_with, map_blocks, map_blocks_with,
};
pub use blocks::gufunc::{Gufunc, apply_gufunc, apply_gufunc_with};
pub use blocks::location::BlockLocation;
pub use blocks::overlap::{Boundary, Depth};
pub use blocks::several::{Arrays, Elements, Outputs};
pub use creation::arrays::{Indexing, fromfunction, indices, meshgrid};
pub use creation::random::Rng;
pub use elementwise::choose::{Mode, choose, piecewise, select, where_};
pub use elementwise::promote::{Promote, promote};
pub use engine::block::Block;
pub use engine::chunks::Chunks;
pub use engine::dtype::{Bits, Complex32, Complex64, ComplexNumber, DType, Element, Float, Inexact, Integer, Number, Ordered, Real};
pub use engine::expr::IntoOperand;
pub use error::{Error, Result};
pub use indexing::flat::ravel_multi_index;
pub use indexing::selected::Selected;
pub use linear::contract::einsum;
pub use linear::fft::{FftNorm, Spectral, Transform, fftfreq, rfftfreq};
#[cfg(feature = "linalg")]
pub use linear::linalg::LeastSquares;
pub use linear::norms::MatrixNorm;
pub use masked::masked_array::{Masked, masked_array};
pub use masked::operations::IntoMasked;
pub use ndarray;
pub use ndarray::s;
pub use reductions::covariance::Covariance;
pub use reductions::cumulative::Scan;
pub use reductions::difference::Spacing;
pub use reductions::histogram::{Bins, Histogram, histogram2d, histogramdd};
pub use reductions::measures::{Closeness, Norm};
pub use reductions::quantile::{QuantileMethod, Quantiles};
pub use reductions::reduce::Axes;
pub use reductions::search::Side;
pub use reductions::stats;
pub use reductions::unique::Unique;
pub use shape::broadcast::{broadcast_arrays, unify_chunks};
pub use shape::concatenate::{concatenate, stack};
pub use shape::join::{block, column_stack, dstack, hstack, vstack};
pub use shape::pad::{Pad, PadStatistic};
#[cfg(feature = "hdf5")]
pub use storage::netcdf::Dataset;
pub use storage::sink::{ChunkSink, SinkArray};
#[cfg(feature = "zarr")]
pub use storage::zarr::{Compressor, Zarr, ZarrSink};
