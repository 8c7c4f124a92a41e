//! Spilled values: on disk, in files without a name.
//!
//! ```text
//!     segment (a file that no folder lists)   [value][value][value]…          up to 256 MiB, then the next
//!     Slot = segment + offset, length, checksum                               the last slot to go takes the file with it
//! ```
//! Values are written as LZ4 frames, which takes less time than the bytes that it saves: what does not get smaller is written as it is.
//!
//! A file without a name is gone when its process ends, in whatever way, so there is nothing to tidy up.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use arras_core::{BoxError, Value};
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::guard::guarded;

/// A segment takes no further values once it is this long.
const SEGMENT: u64 = 256 << 20;

/// Writes values to disk.
#[derive(Debug)]
pub(crate) struct Spill {
    directory: PathBuf,
    current: Option<(Arc<File>, u64)>,
}

/// Why a value is not on disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpillError {
    /// The disk may be full, or gone; it may be better later.
    #[error(transparent)]
    Disk(io::Error),
    /// The value cannot be written, here or elsewhere.
    #[error("a value that cannot be written: {0}")]
    Value(BoxError),
}

/// Where a spilled value is.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    file: Arc<File>,
    offset: u64,
    length: u64,
    checksum: u64,
    /// The bytes of the value before it was compressed.
    unpacked: u64,
}

impl Spill {
    pub(crate) fn new(directory: PathBuf) -> Spill {
        Spill { directory, current: None }
    }

    /// Writes a value.
    ///
    /// # Errors
    /// What the value's `Serialize` or the disk reports. The disk is as full as before.
    pub(crate) fn write(&mut self, value: &Value) -> Result<Slot, SpillError> {
        let (file, offset) = match self.current.take() {
            Some((file, end)) if end < SEGMENT => (file, end),
            _ => (Arc::new(tempfile::tempfile_in(&self.directory).map_err(SpillError::Disk)?), 0),
        };
        let at = At { file: &file, position: offset, hash: Xxh3::new(), failure: None };
        let (at, written, unpacked) = write_packed(value, at);
        if let Err(error) = written {
            // What was written of it is cut off again.
            let (file, end) = (Arc::clone(&file), at.position.min(offset));
            if file.set_len(end).is_ok() {
                self.current = Some((file, end));
            }
            // What the disk said, not what the format made of it.
            return Err(at.failure.map_or(SpillError::Value(error), SpillError::Disk));
        }
        let slot = Slot { offset, length: at.position - offset, checksum: at.hash.digest(), unpacked, file: Arc::clone(&file) };
        let end = at.position;
        self.current = Some((file, end));
        Ok(slot)
    }
}

impl Slot {
    /// Reads the value back.
    ///
    /// # Errors
    /// What the disk reports; bytes that are not those that were written.
    pub(crate) fn read(&self) -> Result<Value, BoxError> {
        let length = usize::try_from(self.length)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length)?;
        bytes.resize(length, 0);
        self.file.read_exact_at(&mut bytes, self.offset)?;
        if xxh3_64(&bytes) != self.checksum {
            return Err("a spilled value was damaged on disk: its checksum does not fit".into());
        }
        let mut unpacked = Vec::new();
        unpacked.try_reserve_exact(usize::try_from(self.unpacked)?)?;
        FrameDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked)?;
        drop(bytes);
        guarded(|| Ok(Value::from_wire(&unpacked)?))
    }
}

/// Writes a value through the compressor. Says how many bytes went into it.
fn write_packed<'f>(value: &Value, at: At<'f>) -> (At<'f>, Result<(), BoxError>, u64) {
    let mut writer = Counted { out: FrameEncoder::with_frame_info(frame(), BufWriter::with_capacity(64 << 10, at)), n: 0 };
    let written = guarded(|| value.to_wire(&mut writer));
    let written = written.and_then(|()| Ok(writer.out.try_finish()?)).and_then(|()| Ok(writer.out.get_mut().flush()?));
    let (at, _) = writer.out.into_inner().into_parts();
    (at, written, writer.n)
}

/// Blocks as large as a level of the cache, each for itself: the file has a checksum of its own.
fn frame() -> FrameInfo {
    FrameInfo::new().block_size(BlockSize::Max256KB).block_mode(BlockMode::Independent)
}

/// Counts what goes through it.
struct Counted<W> {
    out: W,
    n: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.n += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes to a place of a file, and sums up what it writes.
struct At<'f> {
    file: &'f File,
    position: u64,
    hash: Xxh3,
    failure: Option<io::Error>,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write_at(bytes, self.position).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            io::Error::from(kind)
        })?;
        self.position += n as u64;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_and_their_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path().to_owned());
        let slots: Vec<Slot> = (0..20u64).map(|i| spill.write(&Value::new(vec![i; 1000])).unwrap()).collect();
        for (i, slot) in slots.iter().enumerate().rev() {
            assert_eq!(slot.read().unwrap().get::<Vec<u64>>().unwrap(), &vec![i as u64; 1000]);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn what_can_be_packed_is_and_what_cannot_takes_no_more() {
        let mut spill = Spill::new(std::env::temp_dir());
        let mut bits = 1u64;
        let random: Vec<u64> = (0..100_000)
            .map(|_| {
                bits ^= bits << 13;
                bits ^= bits >> 7;
                bits ^= bits << 17;
                bits
            })
            .collect();
        for (value, most) in [(vec![7u64 << 40; 100_000], 20_000), (random, 901_000)] {
            let slot = spill.write(&Value::new(value.clone())).unwrap();
            assert!(slot.length < most, "{} bytes", slot.length);
            assert_eq!(slot.read().unwrap().get::<Vec<u64>>().unwrap(), &value);
        }
    }

    #[test]
    fn damage_on_disk_is_found() {
        let mut spill = Spill::new(std::env::temp_dir());
        let slot = spill.write(&Value::new("text".to_owned())).unwrap();
        slot.file.write_all_at(b"T", slot.length - 4).unwrap();
        assert!(slot.read().unwrap_err().to_string().contains("checksum"));
        slot.file.set_len(3).unwrap();
        assert!(slot.read().is_err());
    }

    #[test]
    fn it_is_told_whether_the_disk_or_the_value_is_to_blame() {
        use crate::guard::Rude;
        let written = Spill::new("/nowhere/at/all".into()).write(&Value::new(1));
        assert!(matches!(written, Err(SpillError::Disk(_))), "{written:?}");
        let mut spill = Spill::new(std::env::temp_dir());
        for rude in [Rude::Refuses, Rude::PanicsWhenWritten] {
            let written = spill.write(&Value::new(rude));
            assert!(matches!(written, Err(SpillError::Value(_))), "{written:?}");
        }
        let slot = spill.write(&Value::new(Rude::PanicsWhenRead)).unwrap();
        assert_eq!(slot.offset, 0, "what was written of the others is gone");
        assert!(slot.read().unwrap_err().to_string().contains("read"));
    }
}
