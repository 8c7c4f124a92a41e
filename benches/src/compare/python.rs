//! The environment of the Python peers, made when first needed.
//!
//! ```text
//!     peers/requirements.txt ── python3 -m venv, pip install ──► target/peers-venv/        requirements.stamp, written last
//! ```
//! The stamp holds the requirements and the interpreter's version. When it says something else, or is missing because the making was interrupted, the environment is made
//! anew.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{Error, Result};
use super::peer::Peer;

/// The environment of the Python peers.
pub struct Python {
    interpreter: PathBuf,
    scripts: PathBuf,
}

impl Python {
    /// Makes the environment in `target/peers-venv`, or finds it made, for the scripts and `requirements.txt` of the folder `scripts`. Needs the network when it makes it.
    ///
    /// `base` is the interpreter to make it with, such as `python3`.
    ///
    /// # Errors
    /// [`Error::NoPython`], [`Error::Environment`], [`Error::File`].
    pub fn prepare(base: &str, target: &Path, scripts: &Path) -> Result<Python> {
        let version =
            Command::new(base).arg("--version").output().map_err(|source| Error::NoPython { program: base.to_owned(), source })?;
        let requirements = scripts.join("requirements.txt");
        let wanted = fs::read_to_string(&requirements).map_err(Error::file(&requirements))?;
        let wanted = format!("{}\n{wanted}", String::from_utf8_lossy(&version.stdout).trim());

        fs::create_dir_all(target).map_err(Error::file(target))?;
        // Two comparisons at the same time must not make the environment together. The lock goes with the file.
        let lock = target.join("peers-venv.lock");
        let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(Error::file(&lock))?;
        let folder = target.join("peers-venv");
        let stamp = folder.join("requirements.stamp");
        let interpreter = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        let made = fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == wanted);
        let alive = || Command::new(&interpreter).arg("--version").output().is_ok_and(|output| output.status.success());
        if !(made && alive()) {
            eprintln!("making the environment of the Python peers in {} …", folder.display());
            step(Command::new(base).args(["-m", "venv", "--clear"]).arg(&folder))?;
            let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
            step(Command::new(&interpreter).args(install).arg(&requirements))?;
            fs::write(&stamp, wanted).map_err(Error::file(&stamp))?;
        }
        drop(locked);
        Ok(Python { interpreter, scripts: scripts.to_owned() })
    }

    /// The interpreter of the environment.
    pub fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// Starts a script of the folder, told to use no more than this many threads.
    ///
    /// # Errors
    /// [`Error::PeerStart`].
    pub fn start(&self, script: &str, threads: usize) -> Result<Peer> {
        self.start_with(self.interpreter.clone(), script, threads)
    }

    /// Starts a script of the folder by another interpreter, which has what the environment has not.
    ///
    /// # Errors
    /// [`Error::PeerStart`].
    pub fn start_with(&self, interpreter: PathBuf, script: &str, threads: usize) -> Result<Peer> {
        let mut command = Command::new(interpreter);
        command.arg(self.scripts.join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
        for name in [
            "ARRAS_PEER_THREADS",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "NUMEXPR_MAX_THREADS",
        ] {
            command.env(name, threads.to_string());
        }
        Peer::start(command)
    }
}

/// Runs one step of the making to its end.
fn step(command: &mut Command) -> Result<()> {
    let output = match command.output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat(),
        Err(error) => error.to_string(),
    };
    Err(Error::Environment { step: format!("{command:?}").replace('"', ""), output: output.trim_end().to_owned() })
}
