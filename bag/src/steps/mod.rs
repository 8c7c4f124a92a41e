//! Steps of a run: what is done to elements as they stream by.

pub(crate) mod elementwise;
mod take;
