//! Row-local steps: what each partition can do alone.
//!
//! ```text
//!     frame.filter(a).select(b)
//!        partition 0   [ scan 0 ─ filter a ─ select b ]     one polars query a partition, so that
//!        partition 1   [ scan 1 ─ filter a ─ select b ]     polars pushes b's columns and a into the scan
//! ```
//! A step is row-local when every row of its result is a function of one row of its input. polars itself tells: the step is lowered on an empty frame, and each
//! expression of the lowered plan has to be elementwise by polars' own table of functions. What is not is refused when the frame is built.

use arras_core::{Token, Tokenizer};
use polars::polars_utils::arena::{Arena, Node};
use polars::polars_utils::idx_vec::UnitVec;
use polars::prelude::{DataFrame, Expr, IntoLazy, LazyFrame, PolarsResult, SchemaRef};
use polars_plan::plans::expr_ir::ExprIR;
use polars_plan::plans::{AExpr, IR, IRPlan, is_elementwise, is_length_preserving_ae, node_to_expr};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tokens::expr_token;

/// One row-local step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    Select(Vec<Expr>),
    WithColumns(Vec<Expr>),
    Filter(Expr),
    /// A selection of all columns, some under new names.
    Rename(Vec<Expr>),
    /// A selection of the columns that are left.
    Drop(Vec<Expr>),
}

impl Step {
    /// The method that made it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Step::Select(_) => "select",
            Step::WithColumns(_) => "with_columns",
            Step::Filter(_) => "filter",
            Step::Rename(_) => "rename",
            Step::Drop(_) => "drop",
        }
    }

    pub(crate) fn exprs(&self) -> &[Expr] {
        match self {
            Step::Select(exprs) | Step::WithColumns(exprs) | Step::Rename(exprs) | Step::Drop(exprs) => exprs,
            Step::Filter(predicate) => std::slice::from_ref(predicate),
        }
    }

    /// The step, added to a polars query.
    pub(crate) fn apply(&self, query: LazyFrame) -> LazyFrame {
        match self {
            Step::Select(exprs) | Step::Rename(exprs) | Step::Drop(exprs) => query.select(exprs.as_slice()),
            Step::WithColumns(exprs) => query.with_columns(exprs.as_slice()),
            Step::Filter(predicate) => query.filter(predicate.clone()),
        }
    }

    /// The schema of the step's result, as polars tells it, once it is known that the step is row-local.
    ///
    /// # Errors
    /// [`Error::Step`], [`Error::NotRowLocal`].
    pub(crate) fn check(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let plan = self.apply(empty(schema)).to_alp().map_err(Error::step(self.name(), schema))?;
        check_row_local(self.name(), &plan)?;
        Ok(schema_of(&plan))
    }

    /// The token of the step; none if it holds what nobody can see into.
    pub(crate) fn token(&self) -> Option<Token> {
        let mut tokenizer = Tokenizer::new();
        tokenizer.text(self.name()).number(self.exprs().len() as u64);
        for expr in self.exprs() {
            tokenizer.token(expr_token(expr)?);
        }
        Some(tokenizer.finish())
    }
}

/// A query over no rows of this schema.
pub(crate) fn empty(schema: &SchemaRef) -> LazyFrame {
    DataFrame::empty_with_arc_schema(schema.clone()).lazy()
}

/// The schema of a lowered query's result.
pub(crate) fn schema_of(plan: &IRPlan) -> SchemaRef {
    plan.root().schema(&plan.lp_arena).into_owned()
}

/// The schema of a query's result.
pub(crate) fn result_schema(query: LazyFrame) -> PolarsResult<SchemaRef> {
    Ok(schema_of(&query.to_alp()?))
}

fn check_row_local(step: &'static str, plan: &IRPlan) -> Result<()> {
    let arena = &plan.expr_arena;
    let mut node = plan.lp_top;
    loop {
        node = match plan.lp_arena.get(node) {
            IR::DataFrameScan { .. } => return Ok(()),
            IR::SimpleProjection { input, .. } => *input,
            IR::HStack { input, exprs, .. } if !plan.lp_arena.get(*input).schema(&plan.lp_arena).is_empty() => {
                exprs.iter().try_for_each(|expr| check_elementwise(step, expr, arena))?;
                *input
            }
            IR::Select { input, expr: exprs, .. } | IR::HStack { input, exprs, .. } => {
                exprs.iter().try_for_each(|expr| check_elementwise(step, expr, arena))?;
                // Constants alone are one row for the whole frame, so here they would be one for each partition.
                if let Some(first) = exprs.first()
                    && !exprs.iter().any(|expr| is_length_preserving_ae(expr.node(), arena))
                {
                    return Err(not_row_local(
                        step,
                        first.node(),
                        arena,
                        "it reads no column, so it is one row however many there are".to_owned(),
                    ));
                }
                *input
            }
            IR::Filter { input, predicate } => {
                check_elementwise(step, predicate, arena)?;
                *input
            }
            other => {
                let why = format!("polars carries it out as `{}`", other.name());
                return Err(Error::NotRowLocal { step, expression: step.to_owned(), why });
            }
        }
    }
}

fn check_elementwise(step: &'static str, expr: &ExprIR, arena: &Arena<AExpr>) -> Result<()> {
    match why_not_elementwise(expr.node(), arena) {
        None => Ok(()),
        Some(why) => Err(not_row_local(step, expr.node(), arena, why)),
    }
}

/// Checks that an expression gives one row for each row that it is given, made of that row alone.
///
/// # Errors
/// [`Error::NotRowLocal`].
pub(crate) fn check_column(step: &'static str, node: Node, arena: &Arena<AExpr>) -> Result<()> {
    match why_not_column(node, arena) {
        None => Ok(()),
        Some(why) => Err(not_row_local(step, node, arena, why)),
    }
}

fn not_row_local(step: &'static str, node: Node, arena: &Arena<AExpr>, why: String) -> Error {
    Error::NotRowLocal { step, expression: shown(node, arena), why }
}

/// Why an expression does not give one row for each row that it is given, made of that row alone; none if it does.
pub(crate) fn why_not_column(node: Node, arena: &Arena<AExpr>) -> Option<String> {
    why_not_elementwise(node, arena).or_else(|| {
        let why = || "it reads no column, so it is one row however many there are".to_owned();
        (!is_length_preserving_ae(node, arena)).then(why)
    })
}

/// The first part of an expression that looks at more than one row, in words; none if there is none.
pub(crate) fn why_not_elementwise(node: Node, arena: &Arena<AExpr>) -> Option<String> {
    let root = node;
    let mut stack = UnitVec::new();
    stack.push(root);
    while let Some(node) = stack.pop() {
        let part = arena.get(node);
        if !is_elementwise(&mut stack, part, arena) {
            let text = if node == root { "it".to_owned() } else { shown(node, arena) };
            return Some(match part {
                AExpr::Agg(_) | AExpr::AnonymousAgg { .. } | AExpr::Len => format!("{text} aggregates rows"),
                AExpr::Over { .. } => format!("{text} is a window over other rows"),
                AExpr::Sort { .. } | AExpr::SortBy { .. } => format!("{text} orders rows"),
                AExpr::Filter { .. } => format!("{text} drops rows of one column alone"),
                AExpr::Explode { .. } => format!("{text} changes the number of rows"),
                AExpr::Slice { .. } | AExpr::Gather { .. } => format!("{text} picks rows by position"),
                AExpr::Literal(_) => format!("{text} is a constant of several rows"),
                _ => format!("{text} looks at more than one row"),
            });
        }
    }
    None
}

/// An expression as polars shows it.
pub(crate) fn shown(node: Node, arena: &Arena<AExpr>) -> String {
    format!("{:?}", node_to_expr(node, arena))
}
