//! Files as bags, and bags as files.

pub(crate) mod paths;
pub(crate) mod source;

mod blocks;
mod codec;
mod encoding;

mod lines;
pub(crate) mod text;

#[cfg(feature = "avro")]
pub(crate) mod avro;
pub(crate) mod csv;
mod files;
pub(crate) mod json;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub(crate) mod records;

pub(crate) mod write;
