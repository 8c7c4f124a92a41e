//! Many elements made few: reductions, running sums, quantiles, bins, sets, tests.

pub(crate) mod covariance;
pub(crate) mod cumulative;
pub(crate) mod custom;
pub(crate) mod difference;
pub(crate) mod histogram;
pub(crate) mod measures;
pub(crate) mod quantile;
pub(crate) mod reduce;
pub(crate) mod search;
pub mod stats;
pub(crate) mod unique;
