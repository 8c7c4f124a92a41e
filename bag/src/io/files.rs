//! Whole files as elements.

use std::io::Read;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bag::Bag;
use crate::error::Error;
use crate::io::blocks::Part;
use crate::io::paths::FilePaths;
use crate::io::records::{self, Format, Next, Records};
use crate::io::source;

/// Files that are read whole, and what kind they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WholeText;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WholeBytes;

impl Format for WholeText {
    const OPERATION: &'static str = "whole_text_files";
}

impl Format for WholeBytes {
    const OPERATION: &'static str = "binary_files";
}

/// A file of which nothing is read yet, or all.
struct WholeReader(Option<Part>);

impl WholeReader {
    fn read<T>(&mut self, read: impl FnOnce(&Part) -> Result<T, Error>) -> Next<(Arc<str>, T)> {
        let Some(part) = self.0.take() else { return Ok(None) };
        Ok(Some(Ok((part.source.path.to_string_lossy().into(), read(&part)?))))
    }
}

fn read_all(part: &Part, mut input: Box<dyn Read + Send>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(usize::try_from(part.source.nbytes).unwrap_or_default().min(1 << 30) + 1);
    input.read_to_end(&mut bytes).map_err(|error| part.source.read_error(error, bytes.len() as u64))?;
    Ok(bytes)
}

impl Records<(Arc<str>, String)> for WholeText {
    type Reader = WholeReader;
    fn open(&self, part: &Part, _: u64) -> Result<WholeReader, Error> {
        Ok(WholeReader(Some(part.clone())))
    }
    fn next(reader: &mut WholeReader) -> Next<(Arc<str>, String)> {
        reader.read(|part| {
            String::from_utf8(read_all(part, part.source.open_decoded()?)?).map_err(|error| {
                let offset = error.utf8_error().valid_up_to();
                let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..offset]).count() as u64 + 1;
                Error::NotUtf8 { path: part.source.path.clone(), line: Some(line), offset: offset as u64 }
            })
        })
    }
    fn check_rest(_: &mut WholeReader) -> Result<(), Error> {
        Ok(())
    }
}

impl Records<(Arc<str>, Vec<u8>)> for WholeBytes {
    type Reader = WholeReader;
    fn open(&self, part: &Part, _: u64) -> Result<WholeReader, Error> {
        Ok(WholeReader(Some(part.clone())))
    }
    fn next(reader: &mut WholeReader) -> Next<(Arc<str>, Vec<u8>)> {
        reader.read(|part| read_all(part, part.source.open()?))
    }
    fn check_rest(_: &mut WholeReader) -> Result<(), Error> {
        Ok(())
    }
}

fn whole_files(paths: impl FilePaths) -> Result<Vec<Vec<Part>>, Error> {
    Ok(source::find_all(&paths.into_patterns())?.into_iter().map(|source| vec![Part::whole(source)]).collect())
}

impl Bag<(Arc<str>, String)> {
    /// Whole text files, each with its path or URL: one partition a file ([`coalesce`](Bag::coalesce) puts several together). Compressed files are decompressed. Files are read when
    /// the bag is computed; each is held whole.
    ///
    /// # Errors
    /// As for [`Bag::read_text`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.txt");
    /// std::fs::write(&path, "one\ntwo\n")?;
    /// let files = evaluate(&Bag::whole_text_files(&path)?)?;
    /// assert!(files[0].0.ends_with("a.txt") && files[0].1 == "one\ntwo\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn whole_text_files(paths: impl FilePaths) -> Result<Self, Error> {
        let partitions = whole_files(paths)?;
        for part in partitions.iter().flatten() {
            part.source.codec().check(&part.source.path)?;
        }
        records::read(&WholeText, partitions, false)
    }
}

impl Bag<(Arc<str>, Vec<u8>)> {
    /// Whole files, each with its path or URL, as the bytes that they are: one partition a file ([`coalesce`](Bag::coalesce) puts several together). Files are read when the bag is computed.
    ///
    /// # Errors
    /// At build those of [`Bag::read_text`]; at run [`Error::MissingFile`] or [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.bin");
    /// std::fs::write(&path, [0, 255])?;
    /// assert_eq!(evaluate(&Bag::binary_files(&path)?)?[0].1, [0, 255]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn binary_files(paths: impl FilePaths) -> Result<Self, Error> {
        records::read(&WholeBytes, whole_files(paths)?, false)
    }
}
