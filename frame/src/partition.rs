//! Partitions: what the tasks of a frame hand to each other.
//!
//! ```text
//!     Partition(DataFrame)      in this process: shared column buffers, never copied
//!     ── on the wire ──►        token of the rest (16 bytes) │ rows (8 bytes) │ Arrow IPC file
//! ```

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arras_core::{Measure, Tokenizer, Value};
use polars::prelude::{CompatLevel, DataFrame, IpcReader, IpcWriter, SerReader, SerWriter};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::quiet::quiet_polars;

/// One partition's rows: a [`DataFrame`] that a task can hand to another.
///
/// Cloning shares the columns. On the wire it is an Arrow IPC file behind a checksum, so that bytes damaged on the way are an error and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition(DataFrame);

impl Partition {
    /// A partition of these rows.
    pub fn new(rows: DataFrame) -> Partition {
        Partition(rows)
    }

    /// The rows.
    pub fn frame(&self) -> &DataFrame {
        &self.0
    }

    /// The rows, by value.
    pub fn into_frame(self) -> DataFrame {
        self.0
    }

    /// The partition as a task's value, with its size known.
    pub(crate) fn into_value(self) -> Value {
        Value::measured(self)
    }
}

impl Measure for Partition {
    /// As polars estimates it: slices count for their own rows, shared buffers once for each holder.
    fn nbytes(&self) -> usize {
        self.0.estimated_size() + size_of::<DataFrame>()
    }
}

const TOKEN: usize = size_of::<u128>();
const HEADER: usize = TOKEN + size_of::<u64>();

fn token_of(bytes: &[u8]) -> u128 {
    Tokenizer::new().hashed(bytes).finish().bits()
}

impl Serialize for Partition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let _quiet = quiet_polars();
        let mut bytes = vec![0; HEADER];
        bytes[TOKEN..].copy_from_slice(&(self.0.height() as u64).to_le_bytes());
        let mut writer = IpcWriter::new(&mut bytes).with_compat_level(CompatLevel::newest()).with_parallel(false);
        writer.finish(&mut self.0.clone()).map_err(S::Error::custom)?;
        let token = token_of(&bytes[TOKEN..]);
        bytes[..TOKEN].copy_from_slice(&token.to_le_bytes());
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Partition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Partition, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        decode(&bytes).map_err(D::Error::custom)
    }
}

fn decode(bytes: &[u8]) -> Result<Partition, String> {
    let Some((token, rest)) = bytes.split_first_chunk::<TOKEN>() else { return Err("a partition cut short".to_owned()) };
    if u128::from_le_bytes(*token) != token_of(rest) {
        return Err("a partition damaged on the way: its checksum does not fit".to_owned());
    }
    let Some((height, file)) = rest.split_first_chunk::<{ HEADER - TOKEN }>() else { return Err("a partition cut short".to_owned()) };
    let height = usize::try_from(u64::from_le_bytes(*height)).map_err(|error| error.to_string())?;
    let _quiet = quiet_polars();
    // The checksum fits, so these are bytes that some version of this code wrote; what polars cannot make of them is still no reason to go down.
    let read = catch_unwind(AssertUnwindSafe(|| IpcReader::new(Cursor::new(file)).finish()));
    let rows = read.map_err(|_| "polars panicked on a partition's bytes".to_owned())?.map_err(|error| error.to_string())?;
    let rows = if rows.width() == 0 { DataFrame::empty_with_height(height) } else { rows };
    if rows.height() != height {
        return Err(format!("a partition of {} rows where {height} were written", rows.height()));
    }
    Ok(Partition(rows))
}
