//! Choices between arrays, element by element: `where`, `select`, `piecewise`, `choose`.

use std::sync::Arc;

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::dtype::Element;
use crate::engine::expr::{self, Expr, IntoOperand};
use crate::error::{Error, Result};

/// The elements of `x` where `condition` holds, else those of `y`: NumPy's `where`, which is a keyword of Rust. `x` and `y` are arrays or scalars of one type; the three
/// shapes broadcast. Lazy; work: one step an element.
///
/// ```
/// use arras_array::{Array, where_};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::array![-1.0, 4.0, 9.0], 2)?;
/// let roots = where_(&x.ge(0.0), x.sqrt(), f64::INFINITY);
/// assert_eq!(roots.compute()?, ndarray::array![f64::INFINITY, 2.0, 3.0].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Broadcast`] for shapes that do not.
pub fn where_<T: Element>(condition: &Array<bool>, x: impl IntoOperand<T>, y: impl IntoOperand<T>) -> Array<T> {
    Array::of(|| expr::elementwise(Operation::Where, vec![Operand::Expr(condition.expr()?), x.into_operand()?, y.into_operand()?]))
}

/// As [`where_`], of nodes.
pub(crate) fn choose_by(mask: Arc<Expr>, yes: Arc<Expr>, no: Arc<Expr>) -> Result<Arc<Expr>> {
    expr::elementwise(Operation::Where, [mask, yes, no].map(Operand::Expr).to_vec())
}

/// For each element the choice of the first condition that holds, else `default`. Shapes broadcast. Lazy; work: a step an element for each condition, all in one pass.
///
/// ```
/// use arras_array::{Array, select};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::array![0, 3, 5], 2)?;
/// let y = select(&[(&x.lt(2), &x), (&x.lt(4), &(10 * &x))], -1);
/// assert_eq!(y.compute()?, ndarray::array![0, 30, -1].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for no choices.
pub fn select<T: Element>(choices: &[(&Array<bool>, &Array<T>)], default: impl IntoOperand<T>) -> Array<T> {
    Array::of(|| {
        let mut rest = default.into_operand()?;
        for (condition, choice) in choices.iter().rev() {
            rest = Operand::Expr(expr::elementwise(
                Operation::Where,
                vec![Operand::Expr(condition.expr()?), Operand::Expr(choice.expr()?), rest],
            )?);
        }
        match rest {
            Operand::Expr(expr) if !choices.is_empty() => Ok(expr),
            _ => Err(Error::argument("select", "needs at least one condition with a choice")),
        }
    })
}

/// A function given piece by piece: the last condition that holds for an element says which function of it is the result; where none does, it is `otherwise`.
///
/// The functions are called once each, with the whole array, when the expression is built; of what they return only the elements that are chosen show. Lazy; work: that of all
/// functions, and a step an element for each.
///
/// ```
/// use arras_array::{Array, piecewise};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::array![-2.0, 0.0, 3.0], 2)?;
/// let y = piecewise(&x, &[(&x.lt(0.0), &|x| -x), (&x.gt(0.0), &|x| x.square())], 0.5);
/// assert_eq!(y.compute()?, ndarray::array![2.0, 0.5, 9.0].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for no pieces.
#[allow(clippy::type_complexity)]
pub fn piecewise<T: Element, R: Element>(
    x: &Array<T>,
    pieces: &[(&Array<bool>, &dyn Fn(&Array<T>) -> Array<R>)],
    otherwise: impl IntoOperand<R>,
) -> Array<R> {
    if pieces.is_empty() {
        return Array::of(|| Err(Error::argument("piecewise", "needs at least one condition with a function")));
    }
    let pieces: Vec<(&Array<bool>, Array<R>)> = pieces.iter().rev().map(|(condition, function)| (*condition, function(x))).collect();
    let choices: Vec<(&Array<bool>, &Array<R>)> = pieces.iter().map(|(condition, piece)| (*condition, piece)).collect();
    select(&choices, otherwise)
}

/// What [`choose`] does with an index for which there is no choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The run ends with an error that names the index.
    #[default]
    Raise,
    /// It counts on from the first choice, and back from the last.
    Wrap,
    /// The nearest choice is taken.
    Clip,
}

/// For each element the one of the choice that `index` names there, counted from 0. Shapes broadcast. Lazy; work: two steps an element for each choice, all in one pass.
///
/// ```
/// use arras_array::{Array, Mode, choose};
/// use arras_scheduler::Compute;
/// let index = Array::from_ndarray(ndarray::array![1, 0, 3], 2)?;
/// let (a, b) = (Array::<i64>::zeros([3], 2)?, Array::<i64>::ones([3], 2)?);
/// assert_eq!(choose(&index, &[&a, &b], Mode::Wrap).compute()?, ndarray::array![1, 0, 1].into_dyn());
/// assert!(choose(&index, &[&a, &b], Mode::Raise).compute().unwrap_err().to_string().contains("index 3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for no choices.
pub fn choose<T: Element>(index: &Array<i64>, choices: &[&Array<T>], mode: Mode) -> Array<T> {
    Array::of(|| -> Result<_> {
        let Some((last, others)) = choices.split_last() else { return Err(Error::argument("choose", "needs at least one choice")) };
        let n = choices.len() as i64;
        let index: Array<i64> = match mode {
            Mode::Raise => index.apply(Operation::Index(n as u64)),
            Mode::Wrap => index.remainder(n),
            Mode::Clip => index.clip(0, n - 1),
        };
        let end = where_(&index.eq(n - 1), *last, *last);
        others.iter().enumerate().rev().fold(end, |rest, (i, choice)| where_(&index.eq(i as i64), *choice, rest)).expr()
    })
}
