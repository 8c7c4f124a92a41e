//! What every operation stands on: element types, chunks, expressions, and how they become tasks.

pub(crate) mod block;
pub(crate) mod blockwise;
pub(crate) mod chunks;
pub(crate) mod dtype;
pub(crate) mod expr;
pub(crate) mod fold;
pub(crate) mod gather;
pub(crate) mod lower;
pub(crate) mod moments;
pub(crate) mod position;
pub(crate) mod program;
pub(crate) mod simplify;
pub(crate) mod tile;
pub(crate) mod user;
