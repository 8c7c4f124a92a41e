//! Drawings of a graph: tasks as circles, data as boxes, results at the top, as Dask draws.
//!
//! ```text
//!        ╭────────╮                 Graph
//!        │ result │                   │ picture: what to say of each task, and in which colour
//!        ╰────────╯                   ├──► dot     text for Graphviz, which places everything itself
//!            ▲                        │ layout: ranks, components, bends of long edges
//!          ( add )                    │   └─ rows: the order in each rank, and the coordinates
//!          ▲     ▲                    ▼
//!      ╭───╮     ╭───╮               svg     circles, boxes and curves
//!      │ a │     │ b │
//!      ╰───╯     ╰───╯
//! ```
//! No Graphviz is needed for `.svg`. The same graph gives the same bytes every time.

mod dot;
mod layout;
mod picture;
mod rows;
mod svg;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::graph::Graph;
use picture::Picture;

/// The most tasks that are drawn without being forced.
const LIMIT: usize = 10_000;

/// How to draw a graph.
///
/// ```
/// use arras_core::{DrawOptions, Graph, RankDirection, to_dot, value};
/// let graph = Graph::from_iter([("a", value(2i64))]);
/// let options = DrawOptions::default().rank_direction(RankDirection::LeftToRight);
/// assert!(to_dot(&graph, &options)?.contains("rankdir=LR"));
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrawOptions {
    forced: bool,
    rank_direction: RankDirection,
}

impl DrawOptions {
    /// The default: at most 10,000 tasks, from the bottom to the top.
    pub fn new() -> DrawOptions {
        DrawOptions::default()
    }

    /// Draws graphs of any size. Few programs open a drawing of more than 10,000 tasks, and nobody reads it.
    #[must_use]
    pub fn forced(mut self) -> DrawOptions {
        self.forced = true;
        self
    }

    /// Where the results are.
    #[must_use]
    pub fn rank_direction(mut self, rank_direction: RankDirection) -> DrawOptions {
        self.rank_direction = rank_direction;
        self
    }
}

/// The way that data flows through a drawing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RankDirection {
    /// Results at the top.
    #[default]
    BottomToTop,
    /// Results at the bottom.
    TopToBottom,
    /// Results on the right: for long chains of short names.
    LeftToRight,
}

/// Draws a graph into a file: an `.svg` picture, or `.dot` or `.gv` text for Graphviz.
///
/// Each call is a circle with the function's name and a rounded box for what it makes; a value is a box, an alias a box that another box points to. A box
/// tells the block's index (`0, 3`) or the name of a key that has none; colours go by operation. In an `.svg`, the tooltip of a task has its full key, function
/// and inputs. Values that are written into a call itself are not drawn.
///
/// Nothing is computed. Work: grows with tasks and edges; 3,000 tasks take well under a second. The file is written beside its final name and then renamed, so
/// nothing that failed is left there. Missing folders are not made.
///
/// # Errors
/// [`Error::Setting`] for another extension, [`Error::TooLargeToDraw`] over 10,000 tasks unless [forced](DrawOptions::forced), what [`Graph::check`] finds wrong
/// (a cycle, a missing key), and [`Error::Io`] if the file cannot be written.
///
/// # Examples
/// ```
/// use arras_core::{DrawOptions, Graph, draw, task, value};
/// let mut graph = Graph::new();
/// graph.insert("a", value(2i64));
/// graph.insert("b", value(2i64));
/// graph.insert("result", task(|x: &i64, y: &i64| x + y, ("a", "b")));
///
/// let folder = tempfile::tempdir().unwrap();
/// draw(&graph, folder.path().join("graph.svg"), &DrawOptions::default())?;
/// draw(&graph, folder.path().join("graph.dot"), &DrawOptions::default())?;
///
/// let error = draw(&graph, "graph.bmp", &DrawOptions::default()).unwrap_err();
/// assert_eq!(error.to_string(), r#"the extension of a drawing: "bmp" is not one of svg, dot, gv"#);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn draw(graph: &Graph, path: impl AsRef<Path>, options: &DrawOptions) -> Result<()> {
    let path = path.as_ref();
    let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let text = match extension.to_ascii_lowercase().as_str() {
        "svg" => to_svg(graph, options)?,
        "dot" | "gv" => to_dot(graph, options)?,
        _ => return Err(Error::Setting { what: "the extension of a drawing", value: extension, expected: "svg, dot, gv" }),
    };
    write_whole(path, text.as_bytes()).map_err(|error| Error::io(path, error))
}

/// A graph as an SVG picture, as [`draw`] writes it.
///
/// The ranks are the longest ways to a result, so that data stands next to its first reader. Within a component of up to 400 tasks and bends the crate
/// `rust-sugiyama` orders and places them (Brandes and Köpf); larger components are ordered by barycentres and placed by isotonic regression, in time linear in the
/// edges. Components stand side by side, in several rows if there are many.
///
/// # Errors
/// As for [`draw`], without those of the file.
///
/// # Examples
/// ```
/// use arras_core::{Collection, DrawOptions, delayed, to_svg};
/// let four = delayed(f64::sqrt, (4.0,)) * 2.0;
/// assert!(to_svg(&four.graph()?, &DrawOptions::default())?.starts_with("<svg "));
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn to_svg(graph: &Graph, options: &DrawOptions) -> Result<String> {
    Ok(svg::svg(&picture(graph, options)?, options.rank_direction))
}

/// A graph as text for Graphviz, as [`draw`] writes it.
///
/// # Errors
/// As for [`draw`], without those of the file.
///
/// # Examples
/// ```
/// use arras_core::{DrawOptions, Graph, to_dot, value};
/// let graph = Graph::from_iter([("a", value(2i64))]);
/// assert!(to_dot(&graph, &DrawOptions::default())?.contains(r#"label="a""#));
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn to_dot(graph: &Graph, options: &DrawOptions) -> Result<String> {
    Ok(dot::dot(&picture(graph, options)?, options.rank_direction))
}

fn picture(graph: &Graph, options: &DrawOptions) -> Result<Picture> {
    let tasks = graph.len();
    if tasks > LIMIT && !options.forced {
        return Err(Error::TooLargeToDraw { tasks, limit: LIMIT });
    }
    Picture::new(graph)
}

/// Writes a file under its final name only once it is whole.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = create_beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    })
}

/// A new file in the same folder, so that it can be renamed.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        // The name does not contain the final one, which may be as long as names can be.
        let name = format!(".arras-{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let temporary = path.with_file_name(name);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // Left by a process of the same id that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
