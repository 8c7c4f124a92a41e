//! Functions of whole blocks, with their neighbours if need be.

pub(crate) mod along;
pub(crate) mod blockwise;
pub(crate) mod delayed;
pub(crate) mod gufunc;
pub(crate) mod location;
pub(crate) mod map_blocks;
pub(crate) mod overlap;
pub(crate) mod push;
pub(crate) mod several;
pub(crate) mod window;
