//! One object by its URL: looked at, read as a stream, written as a stream.
//!
//! ```text
//!     read     task ──next──► runtime: collect some 256 KiB of the answer ──► task        the next ones are on their way while these are used
//!     write    task ──some MiB──► runtime: part 1, part 2, … ──finish──► the object       nothing is there before that
//! ```

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use url::Url;

use crate::{Error, Result, open_store, runtime};

/// One object of a store. Cloning copies pointers.
#[derive(Clone)]
pub struct Object {
    url: String,
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Object").field(&self.url).finish()
    }
}

/// What a store says of an object without handing it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The object's URL.
    pub url: String,
    /// Its size in bytes.
    pub nbytes: u64,
    /// When it was last written: nanoseconds since 1970.
    pub modified: u64,
    /// What changes with its content, where the store has such a thing.
    pub version: Option<String>,
}

impl Look {
    fn of(url: String, meta: ObjectMeta) -> Look {
        let modified = meta.last_modified.timestamp_nanos_opt().unwrap_or(0).max(0) as u64;
        Look { url, nbytes: meta.size, modified, version: meta.e_tag.or(meta.version) }
    }
}

/// Clients by the part of the URL that names a server and a bucket: each holds connections, so there is one for all objects.
fn shared_store(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    static STORES: Mutex<Option<HashMap<String, Arc<dyn ObjectStore>>>> = Mutex::new(None);
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let stores = stores.get_or_insert_default();
    // Some clouds' web addresses name the bucket in the first part of the path.
    let bucket = match url.scheme() {
        "https" => url.path().split('/').nth(1).unwrap_or_default(),
        _ => "",
    };
    let place = format!("{}/{bucket}", &url[..url::Position::BeforePath]);
    if let Some(store) = stores.get(&place) {
        return Ok(Arc::clone(store));
    }
    let store = open_store(url, crate::options())?.0;
    stores.insert(place, Arc::clone(&store));
    Ok(store)
}

impl Object {
    /// The object at a URL: `s3://bucket/key`, `gs://…`, `az://…`, `abfss://…`, `https://…`, `http://…`. Does not ask the store anything. Options come from the environment, once a
    /// bucket and process.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn open(url: &str) -> Result<Object> {
        let wrong = |why: String| Error::Url { url: url.to_owned(), why };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let (_, path) = object_store::ObjectStoreScheme::parse(&parsed).map_err(|error| wrong(error.to_string()))?;
        Ok(Object { url: url.to_owned(), store: shared_store(&parsed)?, path })
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn error(&self, source: object_store::Error) -> Error {
        Error::Store { object: self.url.clone(), source }
    }

    /// What the store says of it, if it is there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn look(&self) -> Result<Option<Look>> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        match wait(async move { store.head(&path).await })? {
            Ok(meta) => Ok(Some(Look::of(self.url.clone(), meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    /// All objects below it, taken as a folder, sorted by URL. All of them are held.
    ///
    /// # Errors
    /// [`Error::Store`], also from servers that cannot list, as web servers.
    pub fn list(&self) -> Result<Vec<Look>> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let below = (!path.as_ref().is_empty()).then_some(path);
        let listed = wait(async move { store.list(below.as_ref()).try_collect::<Vec<_>>().await })?;
        let mut found = Vec::new();
        for meta in listed.map_err(|error| self.error(error))? {
            found.push(Look::of(self.url_of(&meta.location), meta));
        }
        found.sort_by(|a, b| a.url.cmp(&b.url));
        Ok(found)
    }

    /// The objects in it, taken as a folder, but not those in folders below, sorted by URL.
    ///
    /// # Errors
    /// As for [`list`](Object::list).
    pub fn list_folder(&self) -> Result<Vec<Look>> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let below = (!path.as_ref().is_empty()).then_some(path);
        let listed = wait(async move { store.list_with_delimiter(below.as_ref()).await })?;
        let objects = listed.map_err(|error| self.error(error))?.objects;
        let mut found: Vec<Look> = objects.into_iter().map(|meta| Look::of(self.url_of(&meta.location), meta)).collect();
        found.sort_by(|a, b| a.url.cmp(&b.url));
        Ok(found)
    }

    /// The URL of another object of the bucket.
    fn url_of(&self, path: &Path) -> String {
        // What the URL says before the key; a key is at its end, where percent signs mean something.
        let decoded = percent_decoded(&self.url);
        let root = match self.path.as_ref() {
            "" => self.url.trim_end_matches('/').to_owned(),
            own => decoded
                .trim_end_matches('/')
                .strip_suffix(own)
                .map_or_else(|| decoded.clone(), |root| root.trim_end_matches('/').to_owned()),
        };
        format!("{root}/{}", path.as_ref().replace('%', "%25"))
    }

    /// The key, as it is in the store.
    pub fn key(&self) -> &str {
        self.path.as_ref()
    }

    /// The bytes of the object, or of a range of it that may go beyond its end, as a stream.
    ///
    /// # Errors
    /// [`Error::Store`], also if there is no such object; later errors come out of the stream.
    pub fn read(&self, range: Option<Range<u64>>) -> Result<ObjectReader> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = wait(async move { store.get_opts(&path, options).await })?;
        let stream = got.map_err(|error| self.error(error))?.into_stream();
        Ok(ObjectReader { url: self.url.clone(), next: Some(ask(stream)?), now: Bytes::new() })
    }

    /// A range of the object's bytes, which must lie within it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn read_range(&self, range: Range<u64>) -> Result<Bytes> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        wait(async move { store.get_range(&path, range).await })?.map_err(|error| self.error(error))
    }

    /// A writer of the object. What is there stays until [`ObjectWriter::finish`]; without that nothing is written.
    pub fn write(&self) -> ObjectWriter {
        ObjectWriter { object: self.clone(), buffer: Vec::new(), parts: None, error: None }
    }

    /// Deletes the object, if it is there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn delete(&self) -> Result<()> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        match wait(async move { store.delete(&path).await })? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(error)),
        }
    }
}

fn percent_decoded(url: &str) -> String {
    percent_encoding::percent_decode_str(url).decode_utf8_lossy().into_owned()
}

/// Runs a request on the runtime, and waits for it, on any thread.
fn wait<T: Send + 'static>(request: impl Future<Output = T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = channel();
    runtime()?.spawn(async move {
        let _ = sender.send(request.await);
    });
    receiver.recv().map_err(|_| Error::Runtime("a request has panicked".to_owned()))
}

type Stream = futures_util::stream::BoxStream<'static, object_store::Result<Bytes>>;

/// Some bytes, and the stream that the next ones come from, if there are any.
type Piece = (object_store::Result<Bytes>, Option<Stream>);

/// So many bytes are handed over at a time.
const PIECE: usize = 256 * 1024;

fn ask(mut stream: Stream) -> Result<Receiver<Piece>> {
    let (sender, receiver) = channel();
    runtime()?.spawn(async move {
        let mut piece = BytesMut::new();
        let piece = loop {
            match stream.next().await {
                // Large answers are handed on as they are.
                Some(Ok(bytes)) if piece.is_empty() && bytes.len() >= PIECE => break (Ok(bytes), Some(stream)),
                Some(Ok(bytes)) => piece.extend_from_slice(&bytes),
                Some(Err(error)) => break (Err(error), None),
                None => break (Ok(piece.freeze()), None),
            }
            if piece.len() >= PIECE {
                break (Ok(piece.freeze()), Some(stream));
            }
        };
        // Whoever does not want it any more has dropped the other end, and with it goes the stream.
        let _ = sender.send(piece);
    });
    Ok(receiver)
}

/// The bytes of an object. Errors of the store come as [`io::Error`] with an [`Error`] inside.
pub struct ObjectReader {
    url: String,
    next: Option<Receiver<Piece>>,
    now: Bytes,
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            let Some(next) = self.next.take() else { return Ok(0) };
            let (piece, stream) = next.recv().map_err(|_| io::Error::other(format!("{}: the request has panicked", self.url)))?;
            self.now = piece.map_err(|source| io::Error::other(Error::Store { object: self.url.clone(), source }))?;
            if let Some(stream) = stream {
                self.next = Some(ask(stream).map_err(io::Error::other)?);
            }
        }
        let n = buffer.len().min(self.now.len());
        self.now.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}

/// A part of a large object. Most stores want at least 5 MiB, and take at most 10,000 of them.
const PART: usize = 8 << 20;

/// Parts of one size are enough up to here; then they grow, so that objects of any size that stores take are possible.
const EQUAL_PARTS: usize = 1_000;

/// Writes an object: small ones by one request, large ones in parts of some MiB while they come. Dropping it unfinished leaves what was there.
pub struct ObjectWriter {
    object: Object,
    buffer: Vec<u8>,
    parts: Option<(Box<dyn MultipartUpload>, usize)>,
    /// After an error there is nothing more to be written.
    error: Option<Arc<str>>,
}

impl ObjectWriter {
    fn part_size(&self) -> usize {
        self.parts.as_ref().map_or(PART, |(_, n)| PART * (1 + n / EQUAL_PARTS))
    }

    fn send(&mut self) -> Result<()> {
        let bytes = PutPayload::from(std::mem::take(&mut self.buffer));
        let (store, path) = (Arc::clone(&self.object.store), self.object.path.clone());
        let parts = self.parts.take();
        let sent = wait(async move {
            let (mut upload, n) = match parts {
                Some(parts) => parts,
                None => (store.put_multipart(&path).await?, 0),
            };
            match upload.put_part(bytes).await {
                Ok(()) => Ok((upload, n + 1)),
                Err(error) => {
                    let _ = upload.abort().await;
                    Err(error)
                }
            }
        })?;
        self.parts = Some(sent.map_err(|error| self.object.error(error))?);
        Ok(())
    }

    /// Puts the object where it belongs, in place of one that is there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn finish(mut self) -> Result<()> {
        if let Some(error) = &self.error {
            return Err(Error::Runtime(error.to_string()));
        }
        if self.parts.is_some() && !self.buffer.is_empty() {
            self.send()?;
        }
        let (store, path) = (Arc::clone(&self.object.store), self.object.path.clone());
        let put = match self.parts.take() {
            None => {
                let bytes = PutPayload::from(std::mem::take(&mut self.buffer));
                wait(async move { store.put(&path, bytes).await })?
            }
            Some((mut upload, _)) => wait(async move {
                match upload.complete().await {
                    Ok(put) => Ok(put),
                    Err(error) => {
                        let _ = upload.abort().await;
                        Err(error)
                    }
                }
            })?,
        };
        put.map(drop).map_err(|error| self.object.error(error))
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = &self.error {
            return Err(io::Error::other(error.to_string()));
        }
        let n = bytes.len().min(self.part_size() - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..n]);
        if self.buffer.len() == self.part_size()
            && let Err(error) = self.send()
        {
            self.error = Some(error.to_string().into());
            return Err(io::Error::other(error));
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some((mut upload, _)) = self.parts.take() {
            // Parts that nobody puts together cost money in some stores.
            let _ = wait(async move { upload.abort().await });
        }
    }
}
