//! A peer in a process of its own, that stays alive between its runs.
//!
//! ```text
//!     Peer::run ── run tree {"levels":13} ──► standard input          prepares once a case, times itself
//!               ◄── {"seconds": 0.917} ────── standard output
//! ```
//! Ours runs while the peer waits for its next line, so the two can take turns. The scripts' side is `peers/serve.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::error::{Error, Result};

/// A peer's process. Dropping it closes its standard input, which ends it, and waits for it.
pub struct Peer {
    process: Child,
    /// `None` only while dropping.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a peer. What it writes to standard error is passed on.
    ///
    /// # Errors
    /// [`Error::PeerStart`].
    pub fn start(mut command: Command) -> Result<Peer> {
        let program = format!("{command:?}");
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|source| Error::PeerStart { program, source })?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("asked for above"));
        Ok(Peer { process, requests, answers })
    }

    /// Asks for one run, and waits for it. Returns the seconds that the peer measured.
    ///
    /// # Errors
    /// [`Error::PeerFailed`] if the peer says so, [`Error::PeerLost`] if it ended or speaks another language.
    pub fn run(&mut self, case: &str, parameters: &Value) -> Result<f64> {
        let request = format!("run {case} {parameters}");
        let mut answer = String::new();
        let sent = writeln!(self.requests.as_mut().expect("open until dropped"), "{request}");
        let heard = sent.and_then(|()| self.answers.read_line(&mut answer));
        let lost = |why: String| Error::PeerLost { request: request.clone(), why };
        match heard {
            Err(error) => return Err(lost(error.to_string())),
            Ok(0) => return Err(lost("it ended; see what it wrote above".to_owned())),
            Ok(_) => {}
        }
        let parsed: Value = serde_json::from_str(&answer).map_err(|_| lost(format!("it answered {:?}", answer.trim_end())))?;
        if let Some(message) = parsed["error"].as_str() {
            return Err(Error::PeerFailed { message: message.to_owned() });
        }
        parsed["seconds"].as_f64().filter(|&seconds| seconds > 0.0).ok_or_else(|| lost(format!("it answered {:?}", answer.trim_end())))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.requests = None;
        // Nobody is left to be told.
        let _ = self.process.wait();
    }
}
