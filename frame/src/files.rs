//! Files: which ones a path, a pattern or a list of them means.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arras_core::Tokenizer;
use polars::prelude::PlRefPath;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What names files: a path, a pattern such as `"data/*.csv"`, or a list of either.
///
/// A text is a pattern if it holds `*`, `?` or `[` and no file has exactly this name. The files of a pattern come sorted by name; those of a list
/// in the order of the list.
pub trait Files {
    /// The paths and patterns, in order.
    fn patterns(&self) -> Vec<PathBuf>;
}

macro_rules! one {
    ($($path:ty),*) => { $(impl Files for $path {
        fn patterns(&self) -> Vec<PathBuf> {
            vec![PathBuf::from(self)]
        }
    })* };
}
one!(str, String, Path, PathBuf);

impl<F: Files> Files for [F] {
    fn patterns(&self) -> Vec<PathBuf> {
        self.iter().flat_map(Files::patterns).collect()
    }
}

impl<F: Files, const N: usize> Files for [F; N] {
    fn patterns(&self) -> Vec<PathBuf> {
        self.as_slice().patterns()
    }
}

impl<F: Files> Files for Vec<F> {
    fn patterns(&self) -> Vec<PathBuf> {
        self.as_slice().patterns()
    }
}

impl<F: Files + ?Sized> Files for &F {
    fn patterns(&self) -> Vec<PathBuf> {
        (**self).patterns()
    }
}

/// A file as it was when the frame was built.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct File {
    /// As the user named it, for errors.
    pub(crate) path: PathBuf,
    /// The absolute path, as polars wants it: a process that works in another directory means the same file.
    pub(crate) location: PlRefPath,
    n_bytes: u64,
    /// Nanoseconds since 1970; 0 where the file system does not tell.
    modified: u64,
}

impl File {
    fn new(path: PathBuf) -> Result<File> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::MissingFile { path: path.clone() },
            _ => Error::Io { path: path.clone(), source: Arc::new(source) },
        };
        let metadata = std::fs::metadata(&path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(Error::Directory { path });
        }
        let absolute = std::path::absolute(&path).map_err(failed)?;
        let Ok(location) = PlRefPath::try_from_path(&absolute) else { return Err(Error::PathEncoding { path: absolute }) };
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or(0);
        Ok(File { path, location, n_bytes: metadata.len(), modified })
    }

    /// Adds what tells this file from others and from what it may become.
    pub(crate) fn tokenize(&self, tokenizer: &mut Tokenizer) {
        tokenizer.text(self.location.as_str()).number(self.n_bytes).number(self.modified);
    }
}

/// The files that are meant, each looked at once.
///
/// # Errors
/// [`Error::NoFiles`], [`Error::MissingFile`], [`Error::Directory`], [`Error::Pattern`], [`Error::PathEncoding`], [`Error::Io`].
pub(crate) fn find(files: &(impl Files + ?Sized)) -> Result<Vec<File>> {
    let mut found = Vec::new();
    for pattern in files.patterns() {
        match pattern.to_str() {
            Some(text) if text.contains(['*', '?', '[']) && !pattern.exists() => found.extend(matches_of(text)?),
            _ => found.push(File::new(pattern)?),
        }
    }
    if found.is_empty() {
        return Err(Error::NoFiles { pattern: String::new() });
    }
    Ok(found)
}

fn matches_of(pattern: &str) -> Result<Vec<File>> {
    let matches = glob::glob(pattern).map_err(|source| Error::Pattern { pattern: pattern.to_owned(), source: Arc::new(source) })?;
    let mut paths = Vec::new();
    for path in matches {
        let path = path.map_err(|error| Error::Io { path: error.path().to_owned(), source: Arc::new(error.into()) })?;
        // A pattern asks for files; folders among its matches are passed over, as a shell's user would expect of `data/*`.
        if !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::NoFiles { pattern: pattern.to_owned() });
    }
    paths.sort();
    paths.into_iter().map(File::new).collect()
}
