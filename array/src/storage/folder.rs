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

/// Makes a folder and those on the way to it, and notes in it how many of those were not there.
pub(crate) fn create(temporary: &Path) -> io::Result<()> {
    let made = temporary.ancestors().skip(1).take_while(|folder| folder.symlink_metadata().is_err()).count();
    fs::create_dir_all(temporary)?;
    // A worker that was lost may have begun already: what it made is noted.
    if made > 0 { fs::write(temporary.join(MADE), made.to_string()) } else { Ok(()) }
}

/// Takes away a folder of [`create`], and the folders that it made on the way, if nothing is in them.
pub(crate) fn abandon(temporary: &Path) {
    let made = fs::read_to_string(temporary.join(MADE)).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    // A task in another process may be late, and put a file where all were removed.
    for _ in 0..10 {
        if fs::remove_dir_all(temporary).is_ok() || temporary.symlink_metadata().is_err() {
            break;
        }
    }
    for folder in temporary.ancestors().skip(1).take(made) {
        let _ = fs::remove_dir(folder);
    }
}

const MADE: &str = ".arras-made";

/// Gives a folder its name. What had it before is removed, after that; if the new one cannot have it, the old one gets it back.
pub(crate) fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::remove_file(temporary.join(MADE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let aside = temporary.with_extension("old");
    let mut attempts = 0;
    loop {
        let had_it = fs::rename(path, &aside).is_ok();
        let Err(error) = fs::rename(temporary, path) else { break };
        attempts += 1;
        let in_the_way = path.symlink_metadata().is_ok();
        if had_it && (!in_the_way || fs::rename(&aside, path).is_ok()) {
            let _ = fs::rename(&aside, path);
            return Err(error);
        }
        // Another run has given a folder of its own the name in between: the last one has it.
        if !in_the_way || attempts == 100 {
            return Err(error);
        }
        remove(&aside);
    }
    remove(&aside);
    Ok(())
}

/// Takes something away that nobody knows any more. What cannot be removed stays under its hidden name.
fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}
