//! Portable expressions: which ones another process can compute.
//!
//! polars writes an expression as the tree that it is. A closure in it has no written form. What is nested very deep has one, but polars computes and drops some kinds of
//! operations by recursion, and a stack that overflows takes a whole worker down.

use polars::polars_utils::idx_vec::UnitVec;
use polars::prelude::Expr;
use polars_plan::dsl::RenameAliasFn;

/// Operations inside one another that an expression may have: half of what was seen to overflow a thread's stack of 2 MiB.
const DEEPEST: usize = 1_000;

/// Whether another process can compute an expression that was given to the method `step`.
///
/// # Errors
/// The part that it cannot compute, and why, as text.
pub(crate) fn check_expr(step: &'static str, expr: &Expr) -> Result<(), String> {
    check_depth(step, expr)?;
    let is_closure =
        |part: &&Expr| matches!(part, Expr::AnonymousFunction { .. } | Expr::RenameAlias { function: RenameAliasFn::Map(_), .. });
    match expr.into_iter().find(is_closure) {
        None => Ok(()),
        Some(part) => Err(format!("{step}: {part:?}: it calls a closure, which polars cannot write: say it in polars' own expressions")),
    }
}

/// Walks with a stack of its own. What is too deep is not shown: polars shows an expression by recursion.
fn check_depth(step: &'static str, expr: &Expr) -> Result<(), String> {
    let mut stack = vec![(expr, 1)];
    let mut parts = UnitVec::new();
    while let Some((part, depth)) = stack.pop() {
        if depth > DEEPEST {
            return Err(format!(
                "{step}: an expression with more than {DEEPEST} operations inside one another: take it apart into several steps"
            ));
        }
        part.nodes(&mut parts);
        stack.extend(parts.iter().map(|&part| (part, depth + 1)));
        parts.clear();
    }
    Ok(())
}
