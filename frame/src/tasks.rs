//! Tasks: what runs. All functions of a frame's tasks are made here.
//!
//! ```text
//!     Steps       partition → partition                       a partition query
//!     Partial     partition → partial aggregates              a partition query, the first part of a group-by
//!     Merge       partial aggregates → one of them            the second part
//!     Finish      partial aggregates → result                 the last part
//!     Look        partition → its first rows                  a partition query, how many rows
//!     Gather      first rows → first rows                     how many rows
//!     Convert     another's partition → partition             the function, the schema
//! ```
//! Each is plain data and a body, so each can [travel](crate::travel).

use std::sync::Arc;

use arras_core::portable::FuncWire;
use arras_core::{BoxError, Func, Inputs, Value};
use polars::prelude::{DataFrame, IdxSize, IntoLazy, LazyFrame, PolarsError, SchemaRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::error::Error;
use crate::partition::Partition;
use crate::partition_query::{PartitionQuery, collect};
use crate::portable::check_expr;
use crate::quiet::quiet_polars;
use crate::split::Split;
use crate::travel::{self, Work};

/// A query is the user's: it can read a file of any length, and compute anything on rows whose size nobody stated.
const QUERIES_ARE_THE_USERS: bool = true;

impl PartitionQuery {
    fn check(&self) -> Result<(), String> {
        self.steps.iter().try_for_each(|step| step.exprs().iter().try_for_each(|expr| check_expr(step.name(), expr)))
    }
}

impl Split {
    fn check(&self) -> Result<(), String> {
        self.exprs().try_for_each(|expr| check_expr(self.name(), expr))
    }
}

#[derive(Serialize, Deserialize)]
struct Steps {
    query: Arc<PartitionQuery>,
}

/// Partition → partition: the row-local steps.
pub(crate) fn rows(query: Arc<PartitionQuery>) -> Func {
    travel::func(Steps { query })
}

impl Work for Steps {
    fn check(&self) -> Result<(), String> {
        self.query.check()
    }

    fn runs_user_code(&self) -> bool {
        QUERIES_ARE_THE_USERS
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let rows = self.query.collect(inputs.block(), inputs.values().first().copied(), |rows| rows)?;
        Ok(Partition::new(rows).into_value())
    }
}

#[derive(Serialize, Deserialize)]
struct Partial {
    query: Arc<PartitionQuery>,
    split: Arc<Split>,
}

/// Partition → partial aggregates: the row-local steps, and the first part of a group-by.
pub(crate) fn partial(query: Arc<PartitionQuery>, split: Arc<Split>) -> Func {
    travel::func(Partial { query, split })
}

impl Work for Partial {
    fn check(&self) -> Result<(), String> {
        self.query.check().and_then(|()| self.split.check())
    }

    fn runs_user_code(&self) -> bool {
        QUERIES_ARE_THE_USERS
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let rows = self.query.collect(inputs.block(), inputs.values().first().copied(), |rows| self.split.partial(rows))?;
        Ok(Partition::new(rows).into_value())
    }
}

#[derive(Serialize, Deserialize)]
struct Merge {
    split: Arc<Split>,
}

/// Several partial aggregates → one.
pub(crate) fn merge(split: Arc<Split>) -> Func {
    travel::func(Merge { split })
}

impl Work for Merge {
    fn check(&self) -> Result<(), String> {
        self.split.check()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        merged(&self.split, inputs, |rows| rows)
    }
}

#[derive(Serialize, Deserialize)]
struct Finish {
    split: Arc<Split>,
}

/// Several partial aggregates → the result of the group-by.
pub(crate) fn finish(split: Arc<Split>) -> Func {
    travel::func(Finish { split })
}

impl Work for Finish {
    fn check(&self) -> Result<(), String> {
        self.split.check()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        merged(&self.split, inputs, |rows| self.split.finish(rows))
    }
}

fn merged(split: &Split, inputs: &Inputs<'_>, rest: impl FnOnce(LazyFrame) -> LazyFrame) -> Result<Value, BoxError> {
    let _quiet = quiet_polars();
    let failed = |source| Error::partition(format!("{} of [{}]", split.name(), split.shown_keys()), source);
    let partials = stacked(inputs.values().iter().copied())?;
    let rows = collect(rest(split.merge(partials.lazy()))).map_err(failed)?;
    Ok(Partition::new(rows).into_value())
}

#[derive(Serialize, Deserialize)]
struct Look {
    query: Arc<PartitionQuery>,
    n: usize,
    first: u32,
    before: bool,
}

/// The first `n` rows of a partition, or none if enough were found before. The first input, if there is one `before`, is what was found.
pub(crate) fn look(query: Arc<PartitionQuery>, n: usize, first: u32, before: bool) -> Func {
    travel::func(Look { query, n, first, before })
}

impl Work for Look {
    fn check(&self) -> Result<(), String> {
        self.query.check()
    }

    fn runs_user_code(&self) -> bool {
        QUERIES_ARE_THE_USERS
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let (found, input) = match inputs.values() {
            [found, input @ ..] if self.before => (found.get::<Partition>()?.frame().height(), input.first()),
            input => (0, input.first()),
        };
        let rows = if found < self.n {
            let partition = self.first.saturating_add(inputs.block());
            self.query.collect(partition, input.copied(), |rows| rows.limit(row_count(self.n - found)))?
        } else {
            DataFrame::empty_with_arc_schema(self.query.schema.clone())
        };
        Ok(Partition::new(rows).into_value())
    }
}

/// A number of rows as polars counts them; more than it can count are all.
pub(crate) fn row_count(n: usize) -> IdxSize {
    IdxSize::try_from(n).unwrap_or(IdxSize::MAX)
}

#[derive(Serialize, Deserialize)]
struct Gather {
    n: usize,
}

/// The first `n` rows of partitions.
pub(crate) fn gather(n: usize) -> Func {
    travel::func(Gather { n })
}

impl Work for Gather {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let rows = stacked(inputs.values().iter().copied())?;
        Ok(Partition::new(rows.head(Some(self.n))).into_value())
    }
}

#[derive(Serialize, Deserialize)]
struct Convert {
    #[serde(serialize_with = "write_func", deserialize_with = "read_func")]
    function: Func,
    schema: SchemaRef,
}

/// Another collection's partition → partition: the rows that a function makes of it, held to a schema.
pub(crate) fn convert(function: Func, schema: SchemaRef) -> Func {
    travel::func(Convert { function, schema })
}

impl Work for Convert {
    fn check(&self) -> Result<(), String> {
        self.function.portability().map_err(|why| format!("{}: {why}", self.function.name()))
    }

    fn runs_user_code(&self) -> bool {
        self.function.runs_user_code()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let _quiet = quiet_polars();
        let place = || format!("partition {}", inputs.block());
        let rows = self.function.call(inputs).map_err(|error| match error.downcast::<PolarsError>() {
            Ok(source) => Error::partition(format!("the rows of {}", place()), *source).into(),
            Err(other) => other,
        })?;
        let rows: DataFrame = rows.into_inner()?;
        if !rows.schema().iter().eq(self.schema.iter()) {
            let (expected, found) = (self.schema.clone(), rows.schema().clone());
            return Err(Error::SchemaMismatch { place: place(), expected, found }.into());
        }
        Ok(Partition::new(rows).into_value())
    }
}

fn write_func<S: Serializer>(function: &Func, serializer: S) -> Result<S::Ok, S::Error> {
    function.to_wire().map_err(ser::Error::custom)?.serialize(serializer)
}

fn read_func<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Func, D::Error> {
    Func::from_wire(&FuncWire::deserialize(deserializer)?).map_err(de::Error::custom)
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
