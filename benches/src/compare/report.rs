//! The table on standard output, and `compare.json`.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::Row;
use super::error::{Error, Result};

/// What a row came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The row's.
    pub name: String,
    /// The best of ours, in seconds.
    pub ours_s: f64,
    /// Who the peer is.
    pub peer: Option<String>,
    /// The best of the peer, in seconds for the same amount of work; none if it was not at hand or failed.
    pub peer_s: Option<f64>,
    /// What the times mean.
    pub detail: String,
    /// Whether the peer was at hand and failed.
    pub peer_failed: bool,
}

impl Outcome {
    /// How many times as long the peer took.
    pub fn ratio(&self) -> Option<f64> {
        self.peer_s.map(|peer_s| peer_s / self.ours_s)
    }
}

/// An outcome as the file spells it.
#[derive(Serialize)]
struct Entry<'o> {
    name: &'o str,
    ours_s: f64,
    peer: Option<&'o str>,
    peer_s: Option<f64>,
    ratio: Option<f64>,
    detail: &'o str,
}

impl<'o> From<&'o Outcome> for Entry<'o> {
    fn from(outcome: &'o Outcome) -> Entry<'o> {
        let Outcome { name, ours_s, peer, peer_s, detail, .. } = outcome;
        Entry { name, ours_s: *ours_s, peer: peer.as_deref(), peer_s: *peer_s, ratio: outcome.ratio(), detail }
    }
}

/// Lays out lines as they come, and keeps them for the file.
#[derive(Debug)]
pub struct Report {
    name_width: usize,
    peer_width: usize,
    outcomes: Vec<Outcome>,
}

impl Report {
    /// A report with room for these rows.
    pub fn new<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Report {
        let (mut name_width, mut peer_width) = ("name".len(), "peer".len());
        for row in rows {
            name_width = name_width.max(row.name.chars().count());
            peer_width = peer_width.max(row.rival.name().map_or(0, |peer| peer.chars().count()));
        }
        Report { name_width, peer_width, outcomes: Vec::new() }
    }

    /// The head of the table.
    pub fn head(&self) -> String {
        self.layout(["name", "ours", "peer", "its time", "ratio", "detail"])
    }

    /// Takes an outcome, and gives its line of the table.
    pub fn line(&mut self, outcome: Outcome) -> String {
        let ours = human_seconds(outcome.ours_s);
        let theirs = outcome.peer_s.map_or_else(|| "–".to_owned(), human_seconds);
        let ratio = outcome.ratio().map_or_else(|| "–".to_owned(), human_ratio);
        let line = self.layout([&outcome.name, &ours, outcome.peer.as_deref().unwrap_or("–"), &theirs, &ratio, &outcome.detail]);
        self.outcomes.push(outcome);
        line
    }

    fn layout(&self, [name, ours, peer, theirs, ratio, detail]: [&str; 6]) -> String {
        let (name_width, peer_width) = (self.name_width, self.peer_width);
        format!("{name:<name_width$}  {ours:>9}  {peer:<peer_width$}  {theirs:>9}  {ratio:>7}  {detail}").trim_end().to_owned()
    }

    /// Whether a peer was at hand and failed.
    pub fn has_failed_peer(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.peer_failed)
    }

    /// Writes the outcomes as a list of `{name, ours_s, peer, peer_s, ratio, detail}`: to a file beside, which then takes the place of `path`. Makes
    /// the folder if it is missing.
    ///
    /// # Errors
    /// [`Error::File`]; what was at `path` before is then still there.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        let entries: Vec<Entry<'_>> = self.outcomes.iter().map(Entry::from).collect();
        let text = serde_json::to_string_pretty(&entries).expect("numbers and texts") + "\n";
        // A name of this process's own: two comparisons may end at the same time.
        let beside = path.with_extension(format!("json.{}", std::process::id()));
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::File::create(&beside))
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, path));
        written.map_err(|source| {
            // If it cannot be removed either, the first error is still the one to tell.
            let _ = fs::remove_file(&beside);
            Error::File { path: path.to_owned(), source }
        })
    }
}

/// A bar, and whether it was met: `0.13 µs a task (bar: at most 0.5, met)`. `says` is what follows the figure.
///
/// ```
/// use arras_benches::compare::bar;
/// assert_eq!(bar(0.125, " µs a task", ..=0.5), "0.12 µs a task (bar: at most 0.5, met)");
/// assert_eq!(bar(3.0, "x as fast", 5.0..), "3x as fast (bar: at least 5, MISSED)");
/// ```
pub fn bar(figure: f64, says: &str, within: impl std::ops::RangeBounds<f64>) -> String {
    use std::ops::Bound;
    let verdict = if within.contains(&figure) { "met" } else { "MISSED" };
    let limit = |bound: Bound<&f64>| match bound {
        Bound::Included(limit) | Bound::Excluded(limit) => Some(*limit),
        Bound::Unbounded => None,
    };
    let limits = [("at least", limit(within.start_bound())), ("at most", limit(within.end_bound()))];
    let limits: Vec<String> = limits.iter().filter_map(|(which, limit)| limit.map(|limit| format!("{which} {limit}"))).collect();
    format!("{}{says} (bar: {}, {verdict})", figure_text(figure), limits.join(" and "))
}

/// Counts and what is above 10 without places, else two.
fn figure_text(figure: f64) -> String {
    if figure < 10.0 && figure.fract() != 0.0 { format!("{figure:.2}") } else { format!("{figure:.0}") }
}

/// Three digits and a unit.
fn human_seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s "),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "µs"),
        s => (s * 1e9, "ns"),
    };
    let places = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.places$} {unit}")
}

fn human_ratio(ratio: f64) -> String {
    let places = if ratio < 10.0 { 2 } else { usize::from(ratio < 100.0) };
    format!("{ratio:.places$}x")
}
