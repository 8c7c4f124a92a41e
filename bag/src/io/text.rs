//! Text files as bags of lines.
//!
//! ```text
//!     "logs/2026-*.gz" ──match, sort, stat──► a TextFile a partition ──(at run)──► lines, a batch at a time
//! ```
//! At build each file is looked at, not read: its path, size and time of change make the names of the tasks, so equal reads are done once and a file
//! that changed is read anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arras_core::{Func, Inputs, Name, Tokenizer, Value};
use serde::{Deserialize, Serialize};

use crate::bag::{Bag, Base, Segment};
use crate::engine::run::cursor_value;
use crate::error::Error;
use crate::io::lines::Lines;

/// A file to be read by one task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TextFile {
    pub(crate) path: PathBuf,
    nbytes: u64,
    /// Nanoseconds since 1970, where the file system tells.
    modified: Option<u64>,
    pub(crate) lossy: bool,
}

/// How to read text: [`Bag::read_text`] with its options spelled out.
///
/// ```no_run
/// use arras_bag::ReadText;
/// let lines = ReadText::new("mail/*.txt").lossy().read()?;
/// # Ok::<(), arras_bag::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReadText {
    patterns: Vec<PathBuf>,
    lossy: bool,
}

impl ReadText {
    /// Reads these files: one path or pattern, or several in a vector, array or slice.
    pub fn new(paths: impl TextPaths) -> ReadText {
        ReadText { patterns: paths.into_patterns(), lossy: false }
    }

    /// Puts U+FFFD in place of what is not UTF-8, where by default it is an error.
    pub fn lossy(mut self) -> ReadText {
        self.lossy = true;
        self
    }

    /// The bag of lines: see [`Bag::read_text`].
    ///
    /// # Errors
    /// As for [`Bag::read_text`].
    pub fn read(&self) -> Result<Bag<String>, Error> {
        let mut paths = Vec::new();
        for pattern in &self.patterns {
            find_files(pattern, &mut paths)?;
        }
        if paths.is_empty() {
            return Err(Error::NoMatch { pattern: String::new() });
        }
        let mut tokenizer = Tokenizer::new();
        tokenizer.number(u64::from(self.lossy));
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let file = look_at(path, self.lossy)?;
            tokenizer.hashed(file.path.as_os_str()).number(file.nbytes).number(file.modified.unwrap_or(0));
            files.push(Value::new(file));
        }
        let token = tokenizer.finish();
        let story = format!("read_text({} file{})", files.len(), if files.len() == 1 { "" } else { "s" });
        let base = Base::of_values(Name::from_token("read_text", token), files, story);
        let open = Func::erased::<ReadText, _>(|inputs: &Inputs<'_>| Ok(cursor_value(Lines::open(inputs.get::<TextFile>(0)?)?)));
        Ok(Bag::new(vec![Segment::of_open::<String>(base, open)]))
    }
}

impl Bag<String> {
    /// The lines of text files, without their line ends (`\n` or `\r\n`): one partition a file.
    ///
    /// `paths` is one path or pattern (`"logs/*.txt"`, `"logs/**/*.gz"`), or several in a vector, array or slice, whose order is kept; the files of one
    /// pattern are sorted, its folders left out. Files whose names end in `.gz` are decompressed. The files are looked at now, and read when
    /// the bag is computed, in pieces, line by line: the text is never held whole. A file that names itself like a pattern is taken by its name.
    ///
    /// # Errors
    /// At build [`Error::MissingFile`], [`Error::NoMatch`], [`Error::Pattern`], [`Error::IsFolder`] or [`Error::Io`]; at run [`Error::NotUtf8`] (see
    /// [`ReadText::lossy`]), [`Error::Damaged`], [`Error::MissingFile`] or [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("corpus.txt");
    /// std::fs::write(&path, "one\ntwo\r\n\nvier ä")?;
    /// assert_eq!(evaluate(&Bag::read_text(&path)?)?, ["one", "two", "", "vier ä"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_text(paths: impl TextPaths) -> Result<Bag<String>, Error> {
        ReadText::new(paths).read()
    }
}

/// One path or pattern.
pub trait PathPattern {
    #[doc(hidden)]
    fn to_pattern(&self) -> PathBuf;
}

/// Paths and patterns of files to read: one of them, or a vector, array or slice.
pub trait TextPaths {
    #[doc(hidden)]
    fn into_patterns(self) -> Vec<PathBuf>;
}

macro_rules! path_pattern {
    ($($type:ty),*) => { $(
        impl PathPattern for $type {
            fn to_pattern(&self) -> PathBuf {
                PathBuf::from(self)
            }
        }
        impl TextPaths for $type {
            fn into_patterns(self) -> Vec<PathBuf> {
                vec![self.to_pattern()]
            }
        }
        impl TextPaths for &$type {
            fn into_patterns(self) -> Vec<PathBuf> {
                vec![self.to_pattern()]
            }
        }
    )* };
}
path_pattern!(String, PathBuf);

macro_rules! borrowed_path_pattern {
    ($($type:ty),*) => { $(
        impl PathPattern for &$type {
            fn to_pattern(&self) -> PathBuf {
                PathBuf::from(self)
            }
        }
        impl TextPaths for &$type {
            fn into_patterns(self) -> Vec<PathBuf> {
                vec![self.to_pattern()]
            }
        }
    )* };
}
borrowed_path_pattern!(str, Path);

impl<P: PathPattern> TextPaths for Vec<P> {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}

impl<P: PathPattern> TextPaths for &[P] {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}

impl<P: PathPattern> TextPaths for &Vec<P> {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}

impl<P: PathPattern, const N: usize> TextPaths for [P; N] {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}

/// Adds the files of a path or pattern.
fn find_files(pattern: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    let text = pattern.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(text) = text.filter(|_| !pattern.exists()) else {
        paths.push(pattern.to_owned());
        return Ok(());
    };
    let bad = |why: &dyn std::fmt::Display| Error::Pattern { pattern: text.to_owned(), why: why.to_string() };
    let mut found = Vec::new();
    for entry in glob::glob(text).map_err(|error| bad(&error))? {
        let path = entry.map_err(|error| Error::Io { path: error.path().to_owned(), source: Arc::new(error.into()) })?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::NoMatch { pattern: text.to_owned() });
    }
    found.sort();
    paths.append(&mut found);
    Ok(())
}

/// Looks at a file without reading it.
fn look_at(path: PathBuf, lossy: bool) -> Result<TextFile, Error> {
    let path = std::path::absolute(&path).unwrap_or(path);
    let metadata = std::fs::metadata(&path).map_err(|error| io_error(&path, error))?;
    if metadata.is_dir() {
        return Err(Error::IsFolder { path });
    }
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_nanos() as u64);
    Ok(TextFile { path, nbytes: metadata.len(), modified, lossy })
}

pub(crate) fn io_error(path: &Path, error: std::io::Error) -> Error {
    let path = path.to_owned();
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::MissingFile { path },
        _ => Error::Io { path, source: Arc::new(error) },
    }
}
