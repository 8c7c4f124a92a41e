//! Steps of a run: what is done to elements as they stream by.

mod accumulate;
pub(crate) mod elementwise;
mod indexed;
mod sample;
mod take;
mod tuples;
