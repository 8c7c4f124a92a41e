//! What every method stands on: batches, the runs that stream them through a partition's steps, hash maps in first-seen order, trees of combines.

pub(crate) mod batch;
pub(crate) mod exchange;
pub(crate) mod groups;
pub(crate) mod numbers;
pub(crate) mod progress;
pub(crate) mod run;
pub(crate) mod tree;
