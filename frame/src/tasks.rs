//! Tasks: what runs. All functions of a frame's tasks are made here.
//!
//! They hold polars expressions, which polars can write only with features that are not built in, so they capture them: frames run in this process and do
//! not travel to another yet. Their values do.

use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Value};
use polars::prelude::{DataFrame, IdxSize, IntoLazy, LazyFrame, PolarsResult, SchemaRef};

use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::plan::Query;
use crate::quiet::quiet_polars;
use crate::row_local::{Step, empty};
use crate::scan::Scan;
use crate::split::Split;

/// Where a partition's rows are.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// The task's input.
    Input,
    /// A file, by the number of the partition.
    Scan(Arc<Scan>),
}

/// A partition's rows and the row-local steps on them: the beginning of one polars query.
#[derive(Debug)]
pub(crate) struct PartitionQuery {
    pub(crate) rows: Rows,
    pub(crate) steps: Vec<Arc<Step>>,
    /// The schema of the result.
    pub(crate) schema: SchemaRef,
}

impl PartitionQuery {
    /// The partition, computed: its rows, the steps, and what `rest` adds to them.
    fn collect(&self, partition: u32, input: Option<&Value>, rest: impl FnOnce(LazyFrame) -> LazyFrame) -> Result<DataFrame, BoxError> {
        let _quiet = quiet_polars();
        let rows = match (&self.rows, input) {
            (Rows::Scan(scan), _) => scan.open(partition)?,
            (Rows::Input, Some(input)) => input.get::<Partition>()?.frame().clone().lazy(),
            (Rows::Input, None) => return Err("a task of a frame without its input".into()),
        };
        let query = self.steps.iter().fold(rows, |query, step| step.apply(query));
        Ok(collect(rest(query)).map_err(|source| match &self.rows {
            Rows::Scan(scan) => Error::file(&scan.file(partition).path, source),
            Rows::Input => Error::partition(format!("partition {partition}{}", self.steps_text()), source),
        })?)
    }

    fn steps_text(&self) -> String {
        let steps: Vec<&str> = self.steps.iter().map(|step| step.name).collect();
        if steps.is_empty() { String::new() } else { format!(", {}", steps.join(" → ")) }
    }
}

/// Runs a query of polars.
fn collect(query: LazyFrame) -> PolarsResult<DataFrame> {
    // Where polars finds that nobody sees the order of rows, it lets group-bys forget theirs. It overlooks keys such as `when(..).then("a").otherwise("b")`,
    // whose groups then come in the order of a hash table; the order of ours is promised.
    query.with_check_order(false).collect()
}

// The names under which functions appear in errors and drawings.
enum Steps {}
enum Partial {}
enum Merge {}
enum Finish {}
enum Look {}
enum Gather {}
enum Convert {}

/// Partition → partition: the row-local steps.
pub(crate) fn rows(query: Arc<PartitionQuery>) -> Func {
    Func::erased::<Steps, _>(move |inputs: &Inputs<'_>| {
        let rows = query.collect(inputs.block(), inputs.values().first().copied(), |rows| rows)?;
        Ok(Partition::new(rows).into_value())
    })
}

/// Partition → partial aggregates: the row-local steps, and the first part of a group-by.
pub(crate) fn partial(query: Arc<PartitionQuery>, split: Arc<Split>) -> Func {
    Func::erased::<Partial, _>(move |inputs: &Inputs<'_>| {
        let rows = query.collect(inputs.block(), inputs.values().first().copied(), |rows| split.partial(rows))?;
        Ok(Partition::new(rows).into_value())
    })
}

/// Several partial aggregates → one.
pub(crate) fn merge(split: Arc<Split>) -> Func {
    Func::erased::<Merge, _>(move |inputs: &Inputs<'_>| merged(&split, inputs, |rows| rows))
}

/// Several partial aggregates → the result of the group-by.
pub(crate) fn finish(split: Arc<Split>) -> Func {
    Func::erased::<Finish, _>(move |inputs: &Inputs<'_>| merged(&split, inputs, |rows| split.finish(rows)))
}

fn merged(split: &Split, inputs: &Inputs<'_>, rest: impl FnOnce(LazyFrame) -> LazyFrame) -> Result<Value, BoxError> {
    let _quiet = quiet_polars();
    let failed = |source| Error::partition(format!("{} of [{}]", split.name, split.shown_keys()), source);
    let partials = stacked(inputs.values().iter().copied())?;
    let rows = collect(rest(split.merge(partials.lazy()))).map_err(failed)?;
    Ok(Partition::new(rows).into_value())
}

/// The first `n` rows of a partition, or none if enough were found before. The first input, if there is one `before`, is what was found.
pub(crate) fn look(query: Arc<PartitionQuery>, n: usize, first: u32, before: bool) -> Func {
    Func::erased::<Look, _>(move |inputs: &Inputs<'_>| {
        let (found, input) = match inputs.values() {
            [found, input @ ..] if before => (found.get::<Partition>()?.frame().height(), input.first()),
            input => (0, input.first()),
        };
        let rows = if found < n {
            query.collect(first + inputs.block(), input.copied(), |rows| rows.limit(row_count(n - found)))?
        } else {
            DataFrame::empty_with_arc_schema(query.schema.clone())
        };
        Ok(Partition::new(rows).into_value())
    })
}

/// A number of rows as polars counts them; more than it can count are all.
pub(crate) fn row_count(n: usize) -> IdxSize {
    IdxSize::try_from(n).unwrap_or(IdxSize::MAX)
}

/// The first `n` rows of partitions.
pub(crate) fn gather(n: usize) -> Func {
    Func::erased::<Gather, _>(move |inputs: &Inputs<'_>| {
        let rows = stacked(inputs.values().iter().copied())?;
        Ok(Partition::new(rows.head(Some(n))).into_value())
    })
}

/// Another collection's partition → partition, held to a schema.
pub(crate) fn convert(function: Func, schema: SchemaRef) -> Func {
    Func::erased::<Convert, _>(move |inputs: &Inputs<'_>| {
        let _quiet = quiet_polars();
        let value = function.call(inputs)?;
        let found = value.get::<Partition>()?.frame().schema();
        if !found.iter().eq(schema.iter()) {
            let (expected, found) = (schema.clone(), found.clone());
            return Err(Error::SchemaMismatch { place: format!("partition {}", inputs.block()), expected, found }.into());
        }
        Ok(value)
    })
}

/// The rows of all partitions, in their order. The columns stay in as many pieces as they came in.
pub(crate) fn stacked<'v>(values: impl IntoIterator<Item = &'v Value>) -> arras_core::Result<DataFrame> {
    let mut stack: Option<DataFrame> = None;
    for value in values {
        let rows = value.get::<Partition>()?.frame();
        match &mut stack {
            None => stack = Some(rows.clone()),
            Some(stack) if stack.width() == 0 => *stack = DataFrame::empty_with_height(stack.height() + rows.height()),
            Some(stack) => {
                let failed = |source| arras_core::Error::collection(Error::partition("stacking partitions".to_owned(), source));
                stack.vstack_mut(rows).map_err(failed)?;
            }
        }
    }
    Ok(stack.unwrap_or_default())
}

/// The query of a partition, and what `rest` adds to it, as polars optimises it.
pub(crate) fn explain(rows: &Rows, query: &Query, rest: &dyn Fn(LazyFrame) -> LazyFrame) -> String {
    let start = match rows {
        Rows::Scan(scan) => scan.open(0),
        Rows::Input => Ok(empty(&query.base.schema)),
    };
    let text = start.map(|start| {
        let query = query.steps.iter().fold(start, |query, step| step.apply(query));
        rest(query).with_check_order(false).explain(true).unwrap_or_else(|error| error.to_string())
    });
    text.unwrap_or_else(|error| error.to_string())
}
