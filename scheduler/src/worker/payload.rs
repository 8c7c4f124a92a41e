//! Payloads: values on their way, unopened.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use arras_core::portable::WireError;
use arras_core::{BoxError, Value};

use crate::worker::frame::Frame;
use crate::worker::shared_memory::SharedMemory;

/// Serialised forms above this size go through shared memory.
pub(crate) const SHARED_FROM: usize = 256 << 10;

/// A value's serialised form: in a message's body, or in shared memory. It can be handed from one process to another without being looked into.
#[derive(Debug)]
pub(crate) enum Payload {
    Bytes(Vec<u8>),
    Shared(SharedMemory),
}

impl Payload {
    /// The form of a value; in shared memory if it is large.
    ///
    /// # Errors
    /// What the value's `Serialize` or the operating system reports.
    pub(crate) fn of(value: &Value) -> Result<Payload, BoxError> {
        let mut small = Small { bytes: Vec::new(), overflow: false };
        match value.to_wire(&mut small) {
            Ok(()) => Ok(Payload::Bytes(small.bytes)),
            Err(_) if small.overflow => Ok(Payload::Shared(SharedMemory::written(|out| value.to_wire(out))?)),
            Err(error) => Err(error),
        }
    }

    /// The form of a value, in a message's body.
    ///
    /// # Errors
    /// What the value's `Serialize` reports.
    pub(crate) fn bytes_of(value: &Value) -> Result<Payload, BoxError> {
        let mut bytes = Vec::new();
        value.to_wire(&mut bytes)?;
        Ok(Payload::Bytes(bytes))
    }

    /// What came with a frame.
    pub(crate) fn of_frame(frame: Frame) -> io::Result<Payload> {
        match frame.descriptor {
            Some(descriptor) => Ok(Payload::Shared(SharedMemory::received(descriptor)?)),
            None => Ok(Payload::Bytes(frame.body)),
        }
    }

    /// Bytes of the form.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Shared(memory) => memory.len(),
        }
    }

    /// What goes into the body of a frame.
    pub(crate) fn body(&self) -> &[u8] {
        match self {
            Payload::Bytes(bytes) => bytes,
            Payload::Shared(_) => &[],
        }
    }

    /// What rides on a frame.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Payload::Bytes(_) => None,
            Payload::Shared(memory) => Some(memory.descriptor()),
        }
    }

    /// The value.
    ///
    /// # Errors
    /// [`WireError`].
    pub(crate) fn value(&self) -> Result<Value, WireError> {
        match self {
            Payload::Bytes(bytes) => Value::from_wire(bytes),
            Payload::Shared(memory) => {
                let map = memory.map().map_err(|error| WireError::Damaged { why: format!("shared memory: {error}") })?;
                Value::from_wire(&map)
            }
        }
    }
}

/// How long the serialised form is, if it is written in a few pieces: then it costs next to nothing to write it once for the length and once more to a stream, and no
/// copy of it is ever made.
///
/// # Errors
/// What the value's `Serialize` reports.
pub(crate) fn length_in_few_pieces(value: &Value) -> Result<Option<u64>, BoxError> {
    let mut counter = Counter { length: 0, pieces: 0 };
    match value.to_wire(&mut counter) {
        Ok(()) => Ok(Some(counter.length)),
        Err(_) if counter.pieces > PIECES => Ok(None),
        Err(error) => Err(error),
    }
}

const PIECES: u32 = 256;

/// Counts, and gives up when it is called often.
struct Counter {
    length: u64,
    pieces: u32,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        self.pieces += 1;
        if self.pieces > PIECES { Err(io::Error::other("many pieces")) } else { Ok(bytes.len()) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes little and gives up when it is much, before much was copied.
struct Small {
    bytes: Vec<u8>,
    overflow: bool,
}

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > SHARED_FROM {
            self.overflow = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_go_in_the_body_and_large_ones_in_shared_memory() {
        for (n, shared) in [(0usize, false), (1000, false), (SHARED_FROM, true), (3_000_000, true)] {
            let numbers: Vec<u8> = (0..n).map(|i| (i % 100) as u8).collect();
            let payload = Payload::of(&Value::new(numbers.clone())).unwrap();
            assert_eq!(matches!(payload, Payload::Shared(_)), shared, "{n}");
            assert!(payload.len() > n as u64);
            assert_eq!(payload.value().unwrap().get::<Vec<u8>>().unwrap(), &numbers);
        }
    }

    #[test]
    fn the_length_is_known_beforehand_where_that_is_cheap() {
        let text = Value::new("x".repeat(100_000));
        let Payload::Bytes(bytes) = Payload::bytes_of(&text).unwrap() else { panic!("shared") };
        assert_eq!(length_in_few_pieces(&text).unwrap(), Some(bytes.len() as u64));
        assert_eq!(length_in_few_pieces(&Value::new(vec![1.5f64; 1000])).unwrap(), None);
    }

    #[test]
    fn a_value_that_cannot_be_written_says_so() {
        #[derive(serde::Deserialize)]
        struct Never;
        impl serde::Serialize for Never {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("never"))
            }
        }
        assert!(Payload::of(&Value::new(Never)).unwrap_err().to_string().contains("never"));
        assert!(length_in_few_pieces(&Value::new(Never)).unwrap_err().to_string().contains("never"));
    }
}
