//! Ours and a peer, side by side in the same run.
//!
//! ```text
//!     Row ── prepare(&Setting) ──► Contest      ours │ peer │ ours │ peer │ …      the best of each
//!                                                                │
//!                                                                ▼
//!                                             Outcome ──► a line of the table, an entry of compare.json
//! ```
//! The two take turns, so that what else the machine does hits both. A row is one entry of [`rows`]: see the README for how to add one.

mod error;
mod peer;
mod python;
mod report;
mod rows_array;
mod rows_bag;
mod rows_cluster;
mod rows_memory;
mod rows_pi;
mod rows_storage;
mod rows_tasks;

pub use error::{Error, Result};
pub use peer::Peer;
pub use python::Python;
pub use report::{Outcome, Report, bar};

use ndarray::ArcArray1;
use rayon::prelude::*;
use serde_json::Value;

/// All rows, in the order in which they run.
pub fn rows() -> Vec<Row> {
    let mut rows = rows_tasks::rows();
    rows.extend(rows_pi::rows());
    rows.extend(rows_array::rows());
    rows.extend(rows_bag::rows());
    rows.extend(rows_memory::rows());
    rows.extend(rows_storage::rows());
    rows.extend(rows_cluster::rows());
    rows
}

/// What is compared with what.
pub struct Row {
    /// `family/case`, chosen by filters.
    pub name: &'static str,
    /// Against whom.
    pub rival: Rival,
    /// Prepares both sides, untimed. `None` if there is nothing to say in this setting.
    pub prepare: Prepare,
    /// How often the two sides take turns, if not as often as in other rows.
    pub rounds: Option<usize>,
}

impl Row {
    /// A row of this name.
    pub fn new(name: &'static str, rival: Rival, prepare: impl Fn(&Setting) -> Result<Option<Contest>> + 'static) -> Row {
        Row { name, rival, prepare: Box::new(prepare), rounds: None }
    }

    /// The row, its sides taking turns so often.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Row {
        self.rounds = Some(rounds);
        self
    }

    /// Runs both sides in turn. `None` if there is nothing to say in this setting.
    ///
    /// # Errors
    /// What ours failed with. A peer that fails is no error: the outcome says so.
    pub fn run(&self, setting: &Setting) -> Result<Option<Outcome>> {
        let Some(mut contest) = (self.prepare)(setting)? else { return Ok(None) };
        let mut ours_s = f64::INFINITY;
        let mut peer_s: Option<f64> = None;
        let mut failure = None;
        let rounds = self.rounds.unwrap_or(setting.rounds);
        let mut ratios = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let round_s = (contest.ours)()?;
            ours_s = ours_s.min(round_s);
            match contest.peer.as_mut().map(|peer| peer()) {
                None => {}
                Some(Ok(seconds)) => {
                    peer_s = Some(peer_s.map_or(seconds, |best| best.min(seconds)));
                    ratios.push(seconds / round_s);
                }
                Some(Err(error)) => {
                    // Half a measurement is none.
                    (failure, peer_s, contest.peer) = (Some(error.to_string()), None, None);
                }
            }
        }
        let mut detail = (contest.detail)(ours_s, peer_s)?;
        if let Some(failure) = &failure {
            detail = format!("PEER FAILED: {failure}; {detail}");
        }
        if let Some(warning) = peer_s.and_then(|_| unsteady(&mut ratios)) {
            detail = format!("{warning}; {detail}");
        }
        let peer = self.rival.name().map(str::to_owned);
        Ok(Some(Outcome { name: self.name.to_owned(), ours_s, peer, peer_s, detail, peer_failed: failure.is_some() }))
    }
}

/// Says so if the middle half of the rounds' ratios spreads by more than half: then the best of each may come from different weather, and their ratio means little.
fn unsteady(ratios: &mut [f64]) -> Option<String> {
    ratios.sort_by(f64::total_cmp);
    let (low, high) = (*ratios.get(ratios.len() / 4)?, *ratios.get((3 * ratios.len() / 4).min(ratios.len() - 1))?);
    (high > 1.5 * low).then(|| format!("UNSTEADY, rounds gave {low:.2}x to {high:.2}x"))
}

/// Against whom a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// Nobody: the row states what ours does.
    Nobody,
    /// Code of this process.
    Native(&'static str),
    /// A script of `benches/peers`.
    Python(&'static str),
}

impl Rival {
    /// The peer's name.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Rival::Nobody => None,
            Rival::Native(name) | Rival::Python(name) => Some(name),
        }
    }
}

/// Prepares both sides of a row. `None` if there is nothing to say in this setting.
pub type Prepare = Box<dyn Fn(&Setting) -> Result<Option<Contest>>>;

/// Runs one side once and says how many seconds it took. What it does beside the work stays out of the time.
pub type Timed = Box<dyn FnMut() -> Result<f64>>;

/// Says in words what both times mean, from the best of ours and of the peer.
pub type Detail = Box<dyn FnOnce(f64, Option<f64>) -> Result<String>>;

/// Both sides, ready to run.
pub struct Contest {
    /// Ours.
    pub ours: Timed,
    /// The peer, if there is one and it is at hand.
    pub peer: Option<Timed>,
    /// What the times mean: the cost of a task or a point, and the bars.
    pub detail: Detail,
}

/// Under what conditions the rows run.
pub struct Setting {
    /// Threads for ours, and for every peer.
    pub threads: usize,
    /// Less work, for a first look.
    pub quick: bool,
    /// How often the two sides take turns.
    pub rounds: usize,
    /// The environment of the Python peers, if it is to be had and wanted.
    pub python: Option<Python>,
}

impl Setting {
    /// A case of a script in `benches/peers`, its time multiplied by `scale`: how much less work it does than ours. `None` without Python.
    ///
    /// # Errors
    /// [`Error::PeerStart`].
    pub fn python_peer(&self, script: &str, case: &'static str, parameters: Value, scale: f64) -> Result<Option<Timed>> {
        let Some(python) = &self.python else { return Ok(None) };
        let mut peer = python.start(script, self.threads)?;
        Ok(Some(Box::new(move || Ok(peer.run(case, &parameters)? * scale))))
    }
}

/// What is asked of ours against a peer.
#[derive(Debug, Clone, Copy)]
enum Bar {
    /// At most so many times the peer's time.
    AtMost(f64),
    /// At least so many times as fast.
    TimesAsFast(f64),
}

impl Bar {
    fn verdict(self, ours_s: f64, peer_s: f64) -> String {
        match self {
            Bar::AtMost(limit) => bar(ours_s / peer_s, " of its time", ..=limit),
            Bar::TimesAsFast(limit) => bar(peer_s / ours_s, "x as fast", limit..),
        }
    }
}

/// Uniform numbers in [-1, 1), each a function of the seed and its place (SplitMix64 as a counter-based generator).
fn uniform(seed: u64, n: usize) -> ArcArray1<f64> {
    let value = |i: usize| {
        let mut z = (i as u64 + 1).wrapping_add(seed << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        2.0 * unit - 1.0
    };
    ArcArray1::from_vec((0..n).into_par_iter().map(value).collect())
}
