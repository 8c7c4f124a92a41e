//! The logical plan: what a frame is, before anybody asks how to compute it.
//!
//! ```text
//!     Query ── base: Base ── layer of partitions that are there, or that other collections compute
//!       │                ├── scan of files
//!       │                ├── group_by(.. of a Query)         exchanges: what needs rows of
//!       │                └── head(.. of a Query)             more than one partition
//!       └── steps: [filter, select, …]                       row-local, on each partition of the base
//! ```
//! Names, schema and number of partitions are known at every point. How it becomes tasks is the planner's.

use std::sync::{Arc, OnceLock};

use arras_core::{Graph, Name, Token, Tokenizer};
use polars::prelude::SchemaRef;

use crate::error::{Error, Result};
use crate::planner::Stage;
use crate::row_local::Step;
use crate::scan::Scan;
use crate::split::Split;

/// A base and the row-local steps on each of its partitions.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) base: Arc<Base>,
    pub(crate) steps: Vec<Arc<Step>>,
    pub(crate) schema: SchemaRef,
    pub(crate) token: Token,
}

impl Query {
    pub(crate) fn new(base: Base) -> Query {
        Query { schema: base.schema.clone(), token: base.token, base: Arc::new(base), steps: Vec::new() }
    }

    /// The query and one more step.
    pub(crate) fn then(&self, step: Step) -> Result<Query> {
        let schema = step.check(&self.schema)?;
        let token = child_token(step.name(), self.token, step.token());
        let mut steps = self.steps.clone();
        steps.push(Arc::new(step));
        Ok(Query { base: Arc::clone(&self.base), steps, schema, token })
    }

    pub(crate) fn n_partitions(&self) -> u32 {
        self.base.n_partitions
    }

    /// `scan_csv → filter → select`
    pub(crate) fn operations(&self) -> String {
        let mut text = self.base.operation.to_owned();
        for step in &self.steps {
            text.push_str(" → ");
            text.push_str(step.name());
        }
        text
    }

    /// What the query's own tasks do, in a word, for their keys: the last step of it.
    pub(crate) fn operation(&self) -> &'static str {
        self.steps.last().map_or(self.base.operation, |step| step.name())
    }
}

/// What partitions come from.
#[derive(Debug)]
pub(crate) struct Base {
    /// The method or constructor.
    pub(crate) operation: &'static str,
    pub(crate) kind: Kind,
    pub(crate) schema: SchemaRef,
    pub(crate) n_partitions: u32,
    pub(crate) token: Token,
    /// The tasks, planned when they are first asked for.
    pub(crate) stage: OnceLock<Stage>,
}

/// The kinds of base.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A layer of partitions in a graph.
    Layer { graph: Graph, name: Name },
    /// Files, a partition each.
    Scan(Arc<Scan>),
    /// Groups, in one partition.
    GroupBy { input: Query, split: Arc<Split> },
    /// The first rows, in one partition.
    Head { input: Query, n: usize },
}

impl Base {
    /// # Errors
    /// [`Error::ZeroPartitions`], [`Error::TooManyPartitions`].
    pub(crate) fn new(operation: &'static str, kind: Kind, schema: SchemaRef, n_partitions: usize, token: Token) -> Result<Base> {
        let n_partitions = partitions(operation, n_partitions)?;
        Ok(Base { operation, kind, schema, n_partitions, token, stage: OnceLock::new() })
    }

    /// Groups of a query's rows.
    pub(crate) fn group_by(input: &Query, split: Split) -> Base {
        let token = child_token(split.name(), input.token, split.token);
        let schema = split.schema.clone();
        let operation = split.name();
        let kind = Kind::GroupBy { input: input.clone(), split: Arc::new(split) };
        Base { operation, kind, schema, n_partitions: 1, token, stage: OnceLock::new() }
    }

    /// The first rows of a query.
    pub(crate) fn head(input: &Query, n: usize) -> Base {
        let token = Tokenizer::new().text("head").token(input.token).number(n as u64).finish();
        let kind = Kind::Head { input: input.clone(), n };
        Base { operation: "head", kind, schema: input.schema.clone(), n_partitions: 1, token, stage: OnceLock::new() }
    }
}

/// A number of partitions that a graph can number.
///
/// # Errors
/// [`Error::ZeroPartitions`], [`Error::TooManyPartitions`].
pub(crate) fn partitions(constructor: &'static str, n_partitions: usize) -> Result<u32> {
    match u32::try_from(n_partitions) {
        Ok(0) => Err(Error::ZeroPartitions { constructor }),
        Ok(n_partitions) => Ok(n_partitions),
        Err(_) => Err(Error::TooManyPartitions { constructor, n_partitions }),
    }
}

/// The token of an operation on an input; one of its own if nobody can see into the operation.
fn child_token(operation: &str, input: Token, own: Option<Token>) -> Token {
    own.map_or_else(Token::unique, |own| Tokenizer::new().text(operation).token(input).token(own).finish())
}
