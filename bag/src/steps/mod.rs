//! Steps of a run: what is done to elements as they stream by.

mod elementwise;
mod take;
