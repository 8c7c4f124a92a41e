//! Where bytes come from: a file or an object, looked at when a bag is built, opened when it runs, whole or from some byte on.
//!
//! ```text
//!     "logs/*.gz"  "s3://bucket/logs/*.gz" ──match, sort, look──► Source { path, size, time of change }        at build
//!                                                                   │ open, open_from(byte)                    at run
//!                                                                   ▼
//!                                                                 Read ──(decoder, by the name's ending)──► Read
//! ```

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arras_core::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::io::codec::Codec;

/// Some bytes with a name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Source {
    /// A path, or the URL of an object.
    pub(crate) path: PathBuf,
    pub(crate) nbytes: u64,
    /// What tells one version from the next: the time of change in nanoseconds, where it is known.
    modified: u64,
    /// The store's own name of the version, if it has such names.
    version: Option<String>,
}

/// The text, if it is a URL that is no local file's.
pub(crate) fn as_url(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
    (is_scheme && !rest.is_empty() && scheme != "file").then_some(text)
}

/// The path that a `file://` URL names; any other path as it is.
pub(crate) fn local_path(path: &Path) -> PathBuf {
    let Some(rest) = path.to_str().and_then(|text| text.strip_prefix("file://")) else { return path.to_owned() };
    // An empty host or this one.
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    PathBuf::from(percent_encoding::percent_decode_str(rest).decode_utf8_lossy().into_owned())
}

impl Source {
    /// Looks at a file or object without reading it.
    pub(crate) fn look(path: &Path) -> Result<Source, Error> {
        if let Some(url) = as_url(path) {
            return remote::look(url);
        }
        let path = local_path(path);
        let path = std::path::absolute(&path).unwrap_or(path);
        let metadata = std::fs::metadata(&path).map_err(|error| io_error(&path, error))?;
        if metadata.is_dir() {
            return Err(Error::IsFolder { path });
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Source { path, nbytes: metadata.len(), modified: modified.map_or(0, |since| since.as_nanos() as u64), version: None })
    }

    /// Adds what tells it from other files, and from other versions of itself.
    pub(crate) fn tokenize(&self, tokenizer: &mut Tokenizer) {
        tokenizer.hashed(self.path.as_os_str()).number(self.nbytes).number(self.modified);
        tokenizer.text(self.version.as_deref().unwrap_or_default());
    }

    /// Whether it comes from a server of which nobody knows whether it hands out parts of files.
    pub(crate) fn is_web(&self) -> bool {
        as_url(&self.path).is_some_and(|url| url.starts_with("http://") || url.starts_with("https://"))
    }

    /// How the name says it is compressed.
    pub(crate) fn codec(&self) -> Codec {
        Codec::of_path(&self.path)
    }

    /// The bytes as they are stored.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, Error> {
        match as_url(&self.path) {
            Some(url) => remote::open(url),
            None => Ok(Box::new(File::open(&self.path).map_err(|error| io_error(&self.path, error))?)),
        }
    }

    /// The bytes after decompression.
    pub(crate) fn open_decoded(&self) -> Result<Box<dyn Read + Send>, Error> {
        self.codec().decoder(self.open()?, &self.path)
    }

    /// The bytes from `start` on. Those up to `end` are wanted for sure, a few after it perhaps.
    pub(crate) fn open_from(&self, start: u64, end: u64) -> Result<Box<dyn Read + Send>, Error> {
        if let Some(url) = as_url(&self.path) {
            return remote::open_from(url, start, end, self.nbytes);
        }
        let opened = || -> io::Result<File> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(start))?;
            Ok(file)
        };
        let file = opened().map_err(|error| io_error(&self.path, error))?;
        let nbytes = file.metadata().map_err(|error| io_error(&self.path, error))?.len();
        if nbytes < self.nbytes {
            return Err(Error::Shrunk { path: self.path.clone(), before: self.nbytes, after: nbytes });
        }
        Ok(Box::new(file))
    }

    /// What an error of reading says.
    pub(crate) fn read_error(&self, error: io::Error, offset: u64) -> Error {
        // What a reader inside of another one has said already.
        if let Some(said) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            return said.clone();
        }
        let codec = self.codec();
        match error.kind() {
            // What a decoder says of its input; the operating system says other things of files.
            _ if codec != Codec::Plain && error.raw_os_error().is_none() && !is_of_store(&error) => {
                Error::Damaged { path: self.path.clone(), format: codec.name(), offset, source: Arc::new(error) }
            }
            _ => io_error(&self.path, error),
        }
    }
}

fn is_of_store(error: &io::Error) -> bool {
    #[cfg(feature = "cloud")]
    return error.get_ref().is_some_and(|inner| inner.is::<arras_store::Error>());
    #[cfg(not(feature = "cloud"))]
    {
        let _ = error;
        false
    }
}

pub(crate) fn io_error(path: &Path, error: io::Error) -> Error {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => Error::MissingFile { path },
        _ => Error::Io { path, source: Arc::new(error) },
    }
}

/// The files that a path or pattern names, in order.
pub(crate) fn find(pattern: &Path, found: &mut Vec<Source>) -> Result<(), Error> {
    if let Some(url) = as_url(pattern) {
        return remote::find(url, found);
    }
    let pattern = local_path(pattern);
    let text = pattern.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(text) = text.filter(|_| !pattern.exists()) else {
        found.push(Source::look(&pattern)?);
        return Ok(());
    };
    let bad = |why: &dyn std::fmt::Display| Error::Pattern { pattern: text.to_owned(), why: why.to_string() };
    let mut paths = Vec::new();
    for entry in glob::glob(text).map_err(|error| bad(&error))? {
        let path = entry.map_err(|error| Error::Io { path: error.path().to_owned(), source: Arc::new(error.into()) })?;
        if !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::NoMatch { pattern: text.to_owned() });
    }
    paths.sort();
    for path in paths {
        found.push(Source::look(&path)?);
    }
    Ok(())
}

/// The files that paths and patterns name, at least one.
pub(crate) fn find_all(patterns: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    patterns.iter().try_for_each(|pattern| find(pattern, &mut found))?;
    if found.is_empty() {
        return Err(Error::NoMatch { pattern: String::new() });
    }
    Ok(found)
}

#[cfg(not(feature = "cloud"))]
mod remote {
    use super::*;

    fn not_here<T>(url: &str) -> Result<T, Error> {
        Err(Error::Url { url: url.to_owned(), why: "to read and write by URL, turn the feature `cloud` on".to_owned() })
    }
    pub(super) fn look(url: &str) -> Result<Source, Error> {
        not_here(url)
    }
    pub(super) fn open(url: &str) -> Result<Box<dyn Read + Send>, Error> {
        not_here(url)
    }
    pub(super) fn open_from(url: &str, _: u64, _: u64, _: u64) -> Result<Box<dyn Read + Send>, Error> {
        not_here(url)
    }
    pub(super) fn find(url: &str, _: &mut Vec<Source>) -> Result<(), Error> {
        not_here(url)
    }
}

#[cfg(feature = "cloud")]
pub(crate) mod remote {
    use arras_store::{Look, Object, ObjectReader};

    use super::*;

    pub(crate) fn store_error(url: &str, error: arras_store::Error) -> Error {
        match error {
            arras_store::Error::Url { url, why } => Error::Url { url, why },
            error => Error::Io { path: url.into(), source: Arc::new(io::Error::other(error)) },
        }
    }

    fn source(look: Look) -> Source {
        Source { path: look.url.into(), nbytes: look.nbytes, modified: look.modified, version: look.version }
    }

    pub(super) fn look(url: &str) -> Result<Source, Error> {
        let found = Object::open(url).and_then(|object| object.look()).map_err(|error| store_error(url, error))?;
        found.map(source).ok_or_else(|| Error::MissingFile { path: url.into() })
    }

    pub(super) fn open(url: &str) -> Result<Box<dyn Read + Send>, Error> {
        let object = Object::open(url).map_err(|error| store_error(url, error))?;
        // The store's own words for a missing object do not say so in a typed way.
        match object.read(None) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(error) => match object.look() {
                Ok(None) => Err(Error::MissingFile { path: url.into() }),
                _ => Err(store_error(url, error)),
            },
        }
    }

    /// The bytes of an object, asked for in ranges: first what is wanted for sure, then a little more at a time.
    struct Ranges {
        object: Object,
        now: Option<ObjectReader>,
        position: u64,
        next: u64,
        nbytes: u64,
    }

    /// After the range that is wanted for sure: enough for the rest of a line.
    const FIRST_MORE: u64 = 64 * 1024;

    impl Read for Ranges {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                if let Some(reader) = &mut self.now {
                    let n = reader.read(buffer)?;
                    if n > 0 || buffer.is_empty() {
                        return Ok(n);
                    }
                    self.now = None;
                }
                if self.position >= self.nbytes {
                    return Ok(0);
                }
                let end = self.nbytes.min(self.position + self.next);
                self.now = Some(self.object.read(Some(self.position..end)).map_err(io::Error::other)?);
                self.next = if self.next < FIRST_MORE { FIRST_MORE } else { 2 * self.next };
                self.position = end;
            }
        }
    }

    pub(super) fn open_from(url: &str, start: u64, end: u64, nbytes: u64) -> Result<Box<dyn Read + Send>, Error> {
        let object = Object::open(url).map_err(|error| store_error(url, error))?;
        let end = end.min(nbytes);
        let now = match start < end {
            true => Some(object.read(Some(start..end)).map_err(|error| store_error(url, error))?),
            false => None,
        };
        Ok(Box::new(Ranges { object, now, position: end.max(start), next: FIRST_MORE, nbytes }))
    }

    pub(super) fn find(url: &str, found: &mut Vec<Source>) -> Result<(), Error> {
        let is_web = url.starts_with("http://") || url.starts_with("https://");
        // In web addresses a question mark begins a query, and brackets are what they are.
        let Some(first) = url.find(if is_web { &['*'][..] } else { &['*', '?', '['][..] }) else {
            found.push(look(url)?);
            return Ok(());
        };
        let folder_end = url[..first].rfind('/').expect("a URL has slashes") + 1;
        let bad = |why: &dyn std::fmt::Display| Error::Pattern { pattern: url.to_owned(), why: why.to_string() };
        if url[..folder_end].ends_with("://") {
            return Err(bad(&"the server or bucket must be named"));
        }
        let pattern = glob::Pattern::new(&url[folder_end..]).map_err(|error| bad(&error))?;
        let options = glob::MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..Default::default() };
        let folder = Object::open(&url[..folder_end]).map_err(|error| store_error(url, error))?;
        let prefix = match folder.key() {
            "" => String::new(),
            key => format!("{key}/"),
        };
        let n = found.len();
        let listed = if url[folder_end..].contains('/') { folder.list() } else { folder.list_folder() };
        for look in listed.map_err(|error| store_error(url, error))? {
            let object = Object::open(&look.url).map_err(|error| store_error(url, error))?;
            if object.key().strip_prefix(&prefix).is_some_and(|name| pattern.matches_with(name, options)) {
                found.push(source(look));
            }
        }
        if found.len() == n {
            return Err(Error::NoMatch { pattern: url.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_are_told_apart() {
        for (text, url) in
            [("s3://b/x", true), ("https://h/x", true), ("a/b", false), ("/a://b", false), ("file:///a", false), ("s3://", false)]
        {
            assert_eq!(as_url(Path::new(text)).is_some(), url, "{text}");
        }
        assert_eq!(local_path(Path::new("file:///a%20b/c")), Path::new("/a b/c"));
        assert_eq!(local_path(Path::new("/a%20b")), Path::new("/a%20b"));
    }
}
