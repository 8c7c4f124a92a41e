//! Pythons: the one that is there, and one with Dask, made ready in the user's cache folder.
//!
//! ```text
//!     find       ARRAS_PYTHON, else python3 ──► has it `distributed`? ──► its path
//!     prepare    ~/.cache/arras/python-3.11-distributed-2026.8.0 ──works?──► its bin/python
//!                    ▲ renamed when it is complete
//!                .new-…: python3 -m venv, pip install distributed==2026.8.0        one preparer at a time: a lock beside it
//! ```
//! Nothing outside that folder is touched, and what is in it can be deleted at any time.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::error::DaskError;
use crate::worker::WORKER_VARIABLE;

/// The exit code by which a Python says that it has no Dask.
pub(crate) const NO_DISTRIBUTED: i32 = 3;

/// Prints the release of `distributed`.
const RELEASE: &str = "
import sys
sys.path[:] = [folder for folder in sys.path if folder]
try:
    import distributed
except ImportError:
    sys.exit(3)
print(distributed.__version__)
";

/// Prints the release of Python, as far as environments depend on it.
const PYTHON_RELEASE: &str = "import sys; print('%d.%d' % sys.version_info[:2])";

/// Pythons that have Dask.
#[derive(Debug)]
pub struct PythonEnvironment;

impl PythonEnvironment {
    /// The Python that is there: what the environment variable `ARRAS_PYTHON` names, else `python3`. It has the package `distributed`.
    ///
    /// # Errors
    /// [`DaskError::PythonMissing`], [`DaskError::DistributedMissing`], which says what to install.
    pub fn find() -> Result<PathBuf, DaskError> {
        let python = PythonEnvironment::named();
        release(&python)?;
        Ok(python)
    }

    /// A Python environment that has this release of `distributed`, or the newest, and what that needs: one of arras's own in the user's cache
    /// folder, `$XDG_CACHE_HOME/arras` or `~/.cache/arras`. The first call downloads some 10 MB with `pip`; later ones find it there, as does
    /// every other program of this user. Run Dask's commands in it as modules (`python -m distributed.cli.dask_worker`): the scripts beside the
    /// interpreter do not know where they are.
    ///
    /// It is made with the Python that [`find`](PythonEnvironment::find) looks at, which needs no packages for that.
    ///
    /// ```no_run
    /// use arras_scheduler::dask::{ClientOptions, PythonEnvironment};
    /// let python = PythonEnvironment::prepare(Some("2026.8.0"))?;
    /// let options = ClientOptions::new().python(python);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`DaskError::PythonMissing`]; [`DaskError::Environment`] with the words of `venv` or `pip`.
    pub fn prepare(version: Option<&str>) -> Result<PathBuf, DaskError> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache"))).ok_or_else(|| {
            DaskError::Environment { folder: PathBuf::from("~/.cache/arras"), why: "neither XDG_CACHE_HOME nor HOME is set".to_owned() }
        })?;
        prepare(&PythonEnvironment::named(), &cache.join("arras"), version)
    }

    /// The Python that is asked for, there or not.
    pub(crate) fn named() -> PathBuf {
        std::env::var_os("ARRAS_PYTHON").filter(|python| !python.is_empty()).map_or_else(|| PathBuf::from("python3"), PathBuf::from)
    }
}

/// The release of `distributed` that a Python has.
fn release(python: &Path) -> Result<String, DaskError> {
    let output = run(python, ["-c", RELEASE])?;
    match output.status.code() {
        Some(0) => Ok(text(&output.stdout)),
        _ => Err(DaskError::DistributedMissing { python: python.to_owned() }),
    }
}

fn prepare(base: &Path, folder: &Path, version: Option<&str>) -> Result<PathBuf, DaskError> {
    let failed = |why: String| DaskError::Environment { folder: folder.to_owned(), why };
    let io = |error: io::Error| failed(error.to_string());
    if let Some(version) = version
        && !version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    {
        return Err(failed(format!("{version:?} is no release")));
    }
    let output = run(base, ["-c", PYTHON_RELEASE])?;
    if !output.status.success() {
        return Err(failed(said(base, &output)));
    }
    let name = format!("python-{}-distributed{}", text(&output.stdout), version.map(|version| format!("-{version}")).unwrap_or_default());
    let place = folder.join(&name);
    let python = place.join("bin/python");
    let works = || python.exists() && release(&python).is_ok_and(|found| version.is_none_or(|version| version == found));
    if works() {
        return Ok(python);
    }

    fs::create_dir_all(folder).map_err(io)?;
    // The lock goes with the file's last descriptor, so also when this process is killed.
    let lock = File::create(folder.join(format!("{name}.lock"))).map_err(io)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| io(error.into()))?;
    // Somebody else may have prepared it meanwhile.
    if works() {
        return Ok(python);
    }
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(folder).map_err(io)?;
    let inside = new.path().join("environment");
    let step = |python: &Path, arguments: &[&OsStr]| {
        let output = run(python, arguments)?;
        if output.status.success() { Ok(()) } else { Err(failed(said(python, &output))) }
    };
    step(base, &["-m".as_ref(), "venv".as_ref(), inside.as_os_str()])?;
    let package = version.map_or_else(|| "distributed".to_owned(), |version| format!("distributed=={version}"));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", &package].map(OsStr::new);
    step(&inside.join("bin/python"), &pip)?;
    // What does not work and is in its place goes with the temporary folder.
    match fs::rename(&place, new.path().join("old")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    fs::rename(&inside, &place).map_err(io)?;
    if works() { Ok(python) } else { Err(failed(format!("{} has no {package} after it was installed", python.display()))) }
}

fn run(python: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Output, DaskError> {
    let mut command = Command::new(python);
    command.args(arguments).env_remove(WORKER_VARIABLE).stdin(Stdio::null());
    command.output().map_err(|source| DaskError::PythonMissing { python: python.to_owned(), source: Arc::new(source) })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// The last words of a command that failed.
fn said(python: &Path, output: &Output) -> String {
    let words = [text(&output.stdout), text(&output.stderr)].join("\n");
    let words = words.trim();
    let tail = words.char_indices().rev().nth(1500).map_or(words, |(start, _)| &words[start..]);
    format!("{} ended with {}: {tail}", python.display(), output.status)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A Python in name only: it makes "environments" of itself, and writes down what it installs.
    const FAKE: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$2" in
    venv) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit 0 ;;
    pip)
        eval "package=\${$#}"
        echo "$package" >> "$LOG"
        case "$package" in *9999*) echo "no such release" >&2; exit 1 ;; esac
        sleep 0.2
        echo "${package#distributed==}" > "$here/release"
        exit 0 ;;
    *sys.version_info*) echo 3.11; exit 0 ;;
esac
test -f "$here/release" || exit 3
cat "$here/release"
"#;

    struct Fake {
        folder: tempfile::TempDir,
    }

    impl Fake {
        fn new() -> Fake {
            let folder = tempfile::tempdir().unwrap();
            let fake = Fake { folder };
            let script = FAKE.replace("$LOG", fake.folder.path().join("log").to_str().unwrap());
            fs::write(fake.python(), script).unwrap();
            fs::set_permissions(fake.python(), fs::Permissions::from_mode(0o755)).unwrap();
            fake
        }
        fn python(&self) -> PathBuf {
            self.folder.path().join("python")
        }
        fn cache(&self) -> PathBuf {
            self.folder.path().join("cache/arras")
        }
        fn prepare(&self, version: Option<&str>) -> Result<PathBuf, DaskError> {
            loop {
                match prepare(&self.python(), &self.cache(), version) {
                    // A test beside this one started a process while the fake was being written, which holds it open for a moment.
                    Err(DaskError::PythonMissing { source, .. }) if source.kind() == io::ErrorKind::ExecutableFileBusy => {
                        std::thread::yield_now();
                    }
                    prepared => return prepared,
                }
            }
        }
        fn installed(&self) -> Vec<String> {
            fs::read_to_string(self.folder.path().join("log")).unwrap_or_default().lines().map(str::to_owned).collect()
        }
        fn there(&self) -> Vec<String> {
            let names = fs::read_dir(self.cache()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let nowhere = Path::new("/nowhere/python3");
        assert!(matches!(release(nowhere), Err(DaskError::PythonMissing { python, .. }) if python == nowhere));
        assert!(matches!(prepare(nowhere, Path::new("/nowhere"), None), Err(DaskError::PythonMissing { .. })));
        let fake = Fake::new();
        let error = release(&fake.python()).unwrap_err();
        assert!(error.to_string().contains("-m pip install distributed"), "{error}");
    }

    #[test]
    fn an_environment_is_made_once_for_each_release() {
        let fake = Fake::new();
        let python = fake.prepare(Some("2026.8.0")).unwrap();
        assert_eq!(python, fake.cache().join("python-3.11-distributed-2026.8.0/bin/python"));
        assert_eq!(fake.prepare(Some("2026.8.0")).unwrap(), python);
        fake.prepare(Some("2023.9.3")).unwrap();
        fake.prepare(None).unwrap();
        assert_eq!(fake.installed(), ["distributed==2026.8.0", "distributed==2023.9.3", "distributed"]);
        assert_eq!(fake.there(), ["python-3.11-distributed", "python-3.11-distributed-2023.9.3", "python-3.11-distributed-2026.8.0"]);
    }

    #[test]
    fn two_that_prepare_at_once_prepare_once() {
        let fake = Fake::new();
        std::thread::scope(|scope| {
            let preparers: Vec<_> = (0..4).map(|_| scope.spawn(|| fake.prepare(Some("1.0")).unwrap())).collect();
            for preparer in preparers {
                preparer.join().unwrap();
            }
        });
        assert_eq!(fake.installed(), ["distributed==1.0"]);
    }

    #[test]
    fn one_that_does_not_work_any_more_is_made_anew() {
        let fake = Fake::new();
        let python = fake.prepare(Some("1.0")).unwrap();
        fs::write(python.parent().unwrap().join("release"), "0.9").unwrap();
        assert_eq!(fake.prepare(Some("1.0")).unwrap(), python);
        assert_eq!(release(&python).unwrap(), "1.0");
        assert_eq!(fake.installed().len(), 2);
    }

    #[test]
    fn what_fails_leaves_nothing_and_says_why() {
        let fake = Fake::new();
        let error = fake.prepare(Some("9999")).unwrap_err();
        assert!(matches!(&error, DaskError::Environment { why, .. } if why.contains("no such release")), "{error}");
        assert_eq!(fake.there(), [""; 0]);
        assert!(fake.prepare(Some("1.0; rm")).unwrap_err().to_string().contains("is no release"));
    }
}
