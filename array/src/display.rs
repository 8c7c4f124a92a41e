//! Expressions as text.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use crate::array::{Operand, tuple};
use crate::creation::law::Law;
use crate::elementwise::operations::Operation;
use crate::engine::expr::{Expr, Kind};

/// Most lines of a tree.
const MAX_LINES: usize = 60;

/// An expression as a tree, each node with its type and shape. A node that was shown is not shown again.
pub(crate) fn tree(root: &Arc<Expr>) -> String {
    let mut text = String::new();
    let mut shown = HashSet::new();
    let mut stack = vec![(Arc::clone(root), 0)];
    let mut lines = 0;
    while let Some((expr, depth)) = stack.pop() {
        if lines == MAX_LINES {
            text.push_str("…\n");
            break;
        }
        lines += 1;
        let _ = write!(text, "{:indent$}{}", "", label(&expr), indent = 2 * depth);
        let _ = write!(text, "  {} {}", expr.dtype, tuple(&expr.shape()));
        if !shown.insert(expr.name.clone()) && !expr.inputs().is_empty() {
            text.push_str(", as above\n");
            continue;
        }
        if expr.chunks.n_blocks() > 1 {
            let _ = write!(text, ", {} blocks", expr.chunks.n_blocks());
        }
        text.push('\n');
        stack.extend(expr.inputs().into_iter().rev().map(|input| (Arc::clone(input), depth + 1)));
    }
    text
}

/// The operation with its parameters.
fn label(expr: &Expr) -> String {
    match &expr.kind {
        Kind::Values(_) | Kind::Blocks { .. } => expr.name.operation().to_owned(),
        Kind::Full(scalar) => format!("full {scalar}"),
        Kind::Iota(iota) => format!("iota {}, {:?}", iota.start, iota.strides.as_slice()),
        Kind::Draws(draws) => match draws.law {
            Law::Uniform { low, high } => format!("uniform {low}..{high}"),
            _ => draws.law.name().to_owned(),
        },
        Kind::Elementwise { operation, operands } => {
            let mut text = operation.name().to_owned();
            match operation {
                Operation::Power(n) | Operation::Round(n) => {
                    let _ = write!(text, " {n}");
                }
                Operation::Call(function) => text = function.label().to_owned(),
                _ => {}
            }
            for (i, operand) in operands.iter().enumerate() {
                if let Operand::Scalar(scalar) = operand {
                    let _ = write!(text, "{}{scalar}", if i == 0 { " of " } else { " by " });
                }
            }
            text
        }
        Kind::Reduce { op, axes, .. } => {
            let axes: Vec<usize> = axes.iter().enumerate().filter(|(_, reduced)| **reduced).map(|(axis, _)| axis).collect();
            if axes.len() == expr.inputs()[0].chunks.ndim() { op.name().to_owned() } else { format!("{} over {axes:?}", op.name()) }
        }
        Kind::Slice { .. } => "getitem".to_owned(),
        Kind::Transpose { axes, .. } => format!("transpose {:?}", axes.as_slice()),
        Kind::Rechunk { .. } => "rechunk".to_owned(),
    }
}
