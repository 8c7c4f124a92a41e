//! Arrays some of whose elements do not count.

pub(crate) mod masked_array;
pub(crate) mod operations;
pub(crate) mod reductions;
