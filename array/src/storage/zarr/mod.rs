//! Zarr arrays, versions 2 and 3, read and written block by block. The format is zarrs'; where chunks lie, and which task touches which of them, is decided here.
//!
//! ```text
//!     stored chunks   ┌──┬──┬──┬──┐          a block of the array holds whole stored chunks,          write: each chunk once, by one task
//!                     ├──┼──┼──┼──┤   ⇒      or, when read, parts of them                             read:  each chunk by the tasks of the blocks that it lies in
//!                     └──┴──┴──┴──┘
//!     folder/zarr.json (or .zarray)          shape, type, codecs, fill value, attributes
//!     folder/c/0/1     (or 0.1)              one chunk, or one shard of them; none where all is the fill value
//! ```

mod metadata;
mod place;
mod read;
mod write;

pub use metadata::Compressor;
pub use read::Zarr;
pub use write::ZarrSink;
