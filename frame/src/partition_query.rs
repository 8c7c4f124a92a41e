//! Partition queries: a partition's rows and the row-local steps on them, the beginning of one polars query.
//!
//! ```text
//!     [ rows ─ step ─ step ]            of the task's input, or of the file with the partition's number
//!            └── what the task adds     nothing, a partial group-by, a limit
//! ```

use std::sync::Arc;

use arras_core::{BoxError, Value};
use polars::prelude::{DataFrame, IntoLazy, LazyFrame, PolarsResult, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::plan::Query;
use crate::quiet::quiet_polars;
use crate::row_local::{Step, empty};
use crate::scan::Scan;

/// Where a partition's rows are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Rows {
    /// The task's input.
    Input,
    /// A file, by the number of the partition.
    Scan(Arc<Scan>),
}

/// A partition's rows and the row-local steps on them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartitionQuery {
    pub(crate) rows: Rows,
    pub(crate) steps: Vec<Arc<Step>>,
    /// The schema of the result.
    pub(crate) schema: SchemaRef,
}

impl PartitionQuery {
    /// The partition, computed: its rows, the steps, and what `rest` adds to them.
    pub(crate) fn collect(
        &self,
        partition: u32,
        input: Option<&Value>,
        rest: impl FnOnce(LazyFrame) -> LazyFrame,
    ) -> Result<DataFrame, BoxError> {
        let _quiet = quiet_polars();
        let (rows, file) = match (&self.rows, input) {
            (Rows::Scan(scan), _) => {
                let file = scan.file(partition).ok_or_else(|| format!("a task for partition {partition}, for which there is no file"))?;
                (scan.open(file)?, Some(file))
            }
            (Rows::Input, Some(input)) => (input.get::<Partition>()?.frame().clone().lazy(), None),
            (Rows::Input, None) => return Err("a task of a frame without its input".into()),
        };
        let query = self.steps.iter().fold(rows, |query, step| step.apply(query));
        Ok(collect(rest(query)).map_err(|source| match file {
            Some(file) => Error::file(&file.path, source),
            None => Error::partition(format!("partition {partition}{}", self.steps_text()), source),
        })?)
    }

    fn steps_text(&self) -> String {
        let steps: Vec<&str> = self.steps.iter().map(|step| step.name()).collect();
        if steps.is_empty() { String::new() } else { format!(", {}", steps.join(" → ")) }
    }
}

/// Runs a query of polars.
pub(crate) fn collect(query: LazyFrame) -> PolarsResult<DataFrame> {
    // Where polars finds that nobody sees the order of rows, it lets group-bys forget theirs. It overlooks keys such as `when(..).then("a").otherwise("b")`,
    // whose groups then come in the order of a hash table; the order of ours is promised.
    query.with_check_order(false).collect()
}

/// The query of a partition, and what `rest` adds to it, as polars optimises it.
pub(crate) fn explain(rows: &Rows, query: &Query, rest: &dyn Fn(LazyFrame) -> LazyFrame) -> String {
    let start = match rows {
        Rows::Scan(scan) => scan.open(scan.first()),
        Rows::Input => Ok(empty(&query.base.schema)),
    };
    let text = start.map(|start| {
        let query = query.steps.iter().fold(start, |query, step| step.apply(query));
        rest(query).with_check_order(false).explain(true).unwrap_or_else(|error| error.to_string())
    });
    text.unwrap_or_else(|error| error.to_string())
}
