//! Folders that come into being whole: written under a hidden name, and renamed.

use std::path::Path;
use std::{fs, io};

use arras_core::BoxError;

/// Whether something may be written at a path: nothing is there, or what is to be replaced.
pub(crate) fn replaceable(path: &Path, is_known: impl Fn(&Path) -> bool, what: &str) -> Result<(), BoxError> {
    let empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if path.symlink_metadata().is_err() || is_known(path) || empty() {
        return Ok(());
    }
    Err(format!("{}: something is there that is {what}: it is left as it is", path.display()).into())
}

/// Gives a folder its name. What had it before is removed, after that; if the new one cannot have it, the old one gets it back.
pub(crate) fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    let Err(error) = fs::rename(temporary, path) else { return Ok(()) };
    if path.symlink_metadata().is_err() {
        return Err(error);
    }
    let old = temporary.with_extension("old");
    fs::rename(path, &old)?;
    if let Err(error) = fs::rename(temporary, path) {
        fs::rename(&old, path)?;
        return Err(error);
    }
    if old.is_dir() { fs::remove_dir_all(&old) } else { fs::remove_file(&old) }
}
