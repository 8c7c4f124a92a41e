//! Frames: how messages lie in a stream of bytes.
//!
//! ```text
//!     header length: u32 │ body length: u64 │ header: MessagePack │ body: bytes         lengths little-endian
//!     └── a descriptor may ride on the first byte (Unix sockets only)
//! ```
//! Lengths are checked before anything is allocated for them, and what is allocated in one go is bounded: a frame that lies about its length costs its sender the bytes.

use std::io::{self, BufWriter, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use arras_core::BoxError;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg,
    sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

const PREFIX: usize = 12;

/// Bytes that are reserved at once for a part of a frame; longer ones grow as they arrive.
const RESERVED: u64 = 256 << 20;

/// Bodies up to this size are sent together with the header.
const SMALL: usize = 16 << 10;

/// How long the parts of a frame may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a header.
    pub header: u32,
    /// Bytes of a body.
    pub body: u64,
}

impl Limits {
    /// For peers that have not shown the session's secret yet.
    pub const STRANGER: Limits = Limits { header: 4096, body: 0 };
    /// For peers that have.
    pub const TRUSTED: Limits = Limits { header: 1 << 30, body: 1 << 40 };
}

/// A frame that was read.
#[derive(Debug)]
pub struct Frame {
    header: Vec<u8>,
    /// The bytes after the header.
    pub body: Vec<u8>,
    /// The descriptor that came with it.
    pub descriptor: Option<OwnedFd>,
}

impl Frame {
    /// The header, as a message of this type.
    ///
    /// # Errors
    /// `InvalidData` if it is none.
    pub fn message<M: DeserializeOwned>(&self) -> io::Result<M> {
        rmp_serde::from_slice(&self.header).map_err(|error| invalid(format!("a message that cannot be read: {error}")))
    }
}

pub(crate) fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Prefix and header as they are sent.
fn head(message: &impl Serialize, body: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; PREFIX];
    message.serialize(&mut rmp_serde::Serializer::new(&mut head).with_struct_map()).map_err(io::Error::other)?;
    let length = u32::try_from(head.len() - PREFIX).ok().filter(|&length| length <= Limits::TRUSTED.header);
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, format!("a message of {} bytes is too long", head.len()));
    let length = length.ok_or_else(too_long)?;
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..PREFIX].copy_from_slice(&(body as u64).to_le_bytes());
    Ok(head)
}

/// Writes a frame.
///
/// # Errors
/// What the stream reports; `InvalidInput`, and nothing is sent, for a message of more than 1 GiB.
pub fn write_frame(writer: &mut impl Write, message: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let mut head = head(message, body.len())?;
    if body.len() <= SMALL {
        head.extend_from_slice(body);
        return writer.write_all(&head);
    }
    writer.write_all(&head)?;
    writer.write_all(body)
}

/// Writes a frame whose body is what `write` writes, `length` bytes. If it fails, or writes another number, the stream is of no use any more.
///
/// # Errors
/// What the stream or `write` reports; another number of bytes than `length`.
pub(crate) fn stream_frame(
    stream: &UnixStream,
    message: &impl Serialize,
    length: u64,
    write: impl FnOnce(&mut dyn Write) -> Result<(), BoxError>,
) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(SMALL, stream);
    writer.write_all(&head(message, length as usize)?)?;
    let mut body = Exactly { writer, left: length };
    write(&mut body).map_err(io::Error::other)?;
    if body.left > 0 {
        return Err(invalid(format!("a body that is {} bytes short of the {length} that were announced", body.left)));
    }
    body.flush()
}

/// Takes so many bytes and no more.
struct Exactly<W> {
    writer: W,
    left: u64,
}

impl<W: Write> Write for Exactly<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(invalid("a body that is longer than was announced"));
        }
        let n = self.writer.write(bytes)?;
        self.left -= n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Writes a frame with a descriptor.
///
/// # Errors
/// As for [`write_frame`].
pub fn send_frame(stream: &UnixStream, message: &impl Serialize, body: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let Some(descriptor) = descriptor else { return write_frame(&mut &*stream, message, body) };
    let head = head(message, body.len())?;
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    let sent = rustix::io::retry_on_intr(|| sendmsg(stream, &[IoSlice::new(&head)], &mut ancillary, SendFlags::NOSIGNAL))?;
    (&*stream).write_all(&head[sent..])?;
    (&*stream).write_all(body)
}

/// Reads a frame; none if the stream ends before one begins.
///
/// # Errors
/// What the stream reports; `UnexpectedEof` for a frame cut short; `InvalidData` for one that is longer than allowed.
pub fn read_frame(reader: &mut impl Read, limits: Limits) -> io::Result<Option<Frame>> {
    let mut prefix = [0; PREFIX];
    let mut filled = 0;
    while filled < PREFIX {
        match reader.read(&mut prefix[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    read_rest(reader, prefix, limits, None).map(Some)
}

/// Reads a frame and the descriptor that came with it; none if the stream ends before one begins.
///
/// # Errors
/// As for [`read_frame`].
pub fn receive_frame(stream: &UnixStream, limits: Limits) -> io::Result<Option<Frame>> {
    let mut prefix = [0; PREFIX];
    let mut filled = 0;
    let mut descriptor = None;
    while filled < PREFIX {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(stream, &mut [IoSliceMut::new(&mut prefix[filled..])], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        })?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                descriptor = descriptor.or(descriptors.last());
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            // So it is, too, if this process may have no further descriptor: then this fails, and says it.
            rustix::io::fcntl_dupfd_cloexec(stream, 0)?;
            return Err(invalid("more descriptors than a frame carries"));
        }
        match received.bytes {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    read_rest(&mut &*stream, prefix, limits, descriptor).map(Some)
}

fn read_rest(reader: &mut impl Read, prefix: [u8; PREFIX], limits: Limits, descriptor: Option<OwnedFd>) -> io::Result<Frame> {
    let (header, body) = prefix.split_at(4);
    let header = u32::from_le_bytes(header.try_into().expect("four bytes"));
    let body = u64::from_le_bytes(body.try_into().expect("eight bytes"));
    if header > limits.header || body > limits.body {
        return Err(invalid(format!("a frame of {header} + {body} bytes, where {} + {} are allowed", limits.header, limits.body)));
    }
    Ok(Frame { header: read_exactly(reader, header.into())?, body: read_exactly(reader, body)?, descriptor })
}

fn read_exactly(reader: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length.min(RESERVED) as usize).map_err(io::Error::other)?;
    reader.take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn written(message: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &message, body).unwrap();
        bytes
    }

    #[test]
    fn frames_read_back_one_after_another() {
        let large = vec![7; SMALL + 1];
        let bytes = [written("a", b""), written("ü", b"body"), written("c", &large)].concat();
        let mut reader = &bytes[..];
        for (message, body) in [("a", &b""[..]), ("ü", b"body"), ("c", &large)] {
            let frame = read_frame(&mut reader, Limits::TRUSTED).unwrap().unwrap();
            assert_eq!(frame.message::<String>().unwrap(), message);
            assert_eq!(frame.body, body);
        }
        assert!(read_frame(&mut reader, Limits::TRUSTED).unwrap().is_none());
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error() {
        let bytes = written("message", b"body");
        for cut in 1..bytes.len() {
            let error = read_frame(&mut &bytes[..cut], Limits::TRUSTED).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_read_or_allocated() {
        for (header, body) in [(u32::MAX, 0), (4097, 0), (1, 1), (1, u64::MAX)] {
            let mut bytes = u32::to_le_bytes(header).to_vec();
            bytes.extend(u64::to_le_bytes(body));
            let error = read_frame(&mut &bytes[..], Limits::STRANGER).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{header} {body}");
        }
        // A length that is allowed and a lie costs what arrives, and no more.
        let mut bytes = u32::to_le_bytes(0).to_vec();
        bytes.extend(u64::to_le_bytes(1 << 40));
        assert_eq!(read_frame(&mut &bytes[..], Limits::TRUSTED).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_streamed_body_has_the_length_that_was_announced_or_is_an_error() {
        for written in 0..7usize {
            let (a, b) = UnixStream::pair().unwrap();
            let sent = stream_frame(&a, &"message", 4, |out| Ok(out.write_all(&[5; 7][..written])?));
            assert_eq!(sent.is_ok(), written == 4, "{written}: {sent:?}");
            drop(a);
            let received = receive_frame(&b, Limits::TRUSTED);
            assert_eq!(received.is_ok_and(|frame| frame.is_some_and(|frame| frame.body == [5; 4])), written == 4, "{written}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_an_error_before_anything_is_sent() {
        struct Long;
        impl Serialize for Long {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&vec![0; (1 << 30) + 1])
            }
        }
        let mut sent = Vec::new();
        assert_eq!(write_frame(&mut sent, &Long, b"body").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(sent, b"");
    }

    #[test]
    fn a_descriptor_rides_on_its_own_frame() {
        let (a, b) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(b"in the file").unwrap();
        send_frame(&a, &"first", b"x", None).unwrap();
        send_frame(&a, &"second", &[1; 100], Some(file.as_fd())).unwrap();
        send_frame(&a, &"third", b"", None).unwrap();
        drop(a);
        for (message, length, carries) in [("first", 1, false), ("second", 100, true), ("third", 0, false)] {
            let frame = receive_frame(&b, Limits::TRUSTED).unwrap().unwrap();
            assert_eq!(
                (frame.message::<String>().unwrap().as_str(), frame.body.len(), frame.descriptor.is_some()),
                (message, length, carries)
            );
            if let Some(descriptor) = frame.descriptor {
                use std::os::unix::fs::FileExt;
                let mut text = [0; 11];
                std::fs::File::from(descriptor).read_exact_at(&mut text, 0).unwrap();
                assert_eq!(&text, b"in the file");
            }
        }
        assert!(receive_frame(&b, Limits::TRUSTED).unwrap().is_none());
    }
}
