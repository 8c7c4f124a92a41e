//! Spilled values: on disk, in files without a name.
//!
//! ```text
//!     segment (a file that no folder lists)   [value][value][value]…          up to 256 MiB, then the next
//!     Slot = segment + offset, length, checksum                               the last slot to go takes the file with it
//! ```
//! A file without a name is gone when its process ends, in whatever way, so there is nothing to tidy up.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use arras_core::{BoxError, Value};
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
        let mut writer = BufWriter::with_capacity(64 << 10, At { file: &file, position: offset, hash: Xxh3::new(), failure: None });
        let written = guarded(|| value.to_wire(&mut writer)).and_then(|()| Ok(writer.flush()?));
        let (at, _) = writer.into_parts();
        if let Err(error) = written {
            // What was written of it is cut off again.
            let (file, end) = (Arc::clone(&file), at.position.min(offset));
            if file.set_len(end).is_ok() {
                self.current = Some((file, end));
            }
            // What the disk said, not what the format made of it.
            return Err(at.failure.map_or(SpillError::Value(error), SpillError::Disk));
        }
        let slot = Slot { offset, length: at.position - offset, checksum: at.hash.digest(), file: Arc::clone(&file) };
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
        guarded(|| Ok(Value::from_wire(&bytes)?))
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
