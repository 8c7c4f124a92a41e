//! Arrays of positions, of draws, of functions and of values that are computed elsewhere.

pub(crate) mod arrays;
pub(crate) mod choice;
pub(crate) mod distributions;
pub(crate) mod iota;
pub(crate) mod law;
pub(crate) mod random;
pub(crate) mod sources;
