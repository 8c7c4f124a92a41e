//! What makes one value of a bag.

mod approximate;
mod extremes;
mod histogram;
mod moments;
mod questions;
pub(crate) mod reduce;

pub use histogram::{Buckets, Histogram};
pub use moments::Stats;
