//! Operations on each element: the table, what its rows call, and what is composed of them.

pub(crate) mod arithmetic;
pub(crate) mod choose;
pub(crate) mod complex;
pub(crate) mod composed;
pub(crate) mod functions;
pub(crate) mod map;
pub(crate) mod operations;
pub(crate) mod promote;
