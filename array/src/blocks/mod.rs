//! Functions of whole blocks, with their neighbours if need be.

pub(crate) mod map_blocks;
pub(crate) mod overlap;
pub(crate) mod push;
pub(crate) mod window;
