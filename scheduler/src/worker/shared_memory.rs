//! Shared memory: large values on their way between processes of one machine.
//!
//! ```text
//!     writer   value ──one copy──► memfd, then sealed: nobody can change, cut or extend it, its writer included
//!     reader   descriptor ──► sealed? ──► mapped, read-only ──one copy──► value
//! ```
//! It has no name, so nobody else can open it, and it is gone with its last descriptor, however its holders end.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use arras_core::BoxError;
use memmap2::Mmap;
use rustix::fs::{MemfdFlags, SealFlags};

use crate::worker::frame::invalid;

/// Memory that other processes can be given to read.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    file: File,
    len: u64,
}

fn seals() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
}

impl SharedMemory {
    /// Memory that holds what `write` writes.
    ///
    /// # Errors
    /// What the operating system or `write` reports.
    pub(crate) fn written(write: impl FnOnce(&mut dyn Write) -> Result<(), BoxError>) -> Result<SharedMemory, BoxError> {
        let file = File::from(rustix::fs::memfd_create(c"arras", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        let mut writer = BufWriter::with_capacity(64 << 10, file);
        write(&mut writer)?;
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        rustix::fs::fcntl_add_seals(&file, seals())?;
        let len = file.metadata()?.len();
        Ok(SharedMemory { file, len })
    }

    /// Memory that somebody else wrote.
    ///
    /// # Errors
    /// `InvalidData` unless it is sealed, so that it cannot change under its reader.
    pub(crate) fn received(descriptor: OwnedFd) -> io::Result<SharedMemory> {
        let found = rustix::fs::fcntl_get_seals(&descriptor).unwrap_or(SealFlags::empty());
        if !found.contains(seals()) {
            return Err(invalid("shared memory that its sender could still change"));
        }
        let file = File::from(descriptor);
        let len = file.metadata()?.len();
        Ok(SharedMemory { file, len })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The bytes.
    ///
    /// # Errors
    /// What the operating system reports.
    pub(crate) fn map(&self) -> io::Result<Mmap> {
        // SAFETY: the memory is sealed against writing and against being cut, which both constructors see to, so no process can change what the map shows or
        // take a page of it away, and the map keeps it alive.
        let map = unsafe { memmap2::MmapOptions::new().populate().map(&self.file)? };
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_cannot_be_changed() {
        let memory = SharedMemory::written(|out| Ok(out.write_all(b"value")?)).unwrap();
        assert_eq!(&memory.map().unwrap()[..], b"value");
        assert!(memory.file.set_len(0).is_err());
        assert!((&memory.file).write_all(b"x").is_err());
        let copy = SharedMemory::received(memory.file.try_clone().unwrap().into()).unwrap();
        drop(memory);
        assert_eq!((copy.len(), &copy.map().unwrap()[..]), (5, &b"value"[..]));
    }

    #[test]
    fn memory_that_can_change_is_refused() {
        let unsealed = rustix::fs::memfd_create(c"arras", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(SharedMemory::received(unsealed).is_err());
        assert!(SharedMemory::received(tempfile::tempfile().unwrap().into()).is_err());
    }

    #[test]
    fn nothing_is_fine() {
        let memory = SharedMemory::written(|_| Ok(())).unwrap();
        assert!(memory.map().unwrap().is_empty());
    }
}
