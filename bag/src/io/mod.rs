//! Files as bags, and bags as files.

pub(crate) mod paths;
pub(crate) mod source;

mod blocks;
mod codec;
mod encoding;

mod lines;
pub(crate) mod text;

pub(crate) mod csv;
mod files;
pub(crate) mod json;
pub(crate) mod records;

pub(crate) mod write;
