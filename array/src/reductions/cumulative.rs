//! Running sums and products along an axis.
//!
//! ```text
//!     blocks          │ a b c │ d e f │ g h │
//!     scanned         │ a ab abc │ d de def │ g gh │          each block by itself
//!     totals            abc        def        gh              their last elements
//!     offsets           -          abc        abcdef          one after another (Sequential), or in a tree (Blelloch)
//!     result          │ a ab abc │ abcd … │ abcdefg … │       offset and scanned block put together
//! ```

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Name, Sizes, Value};
use ndarray::{ArrayD, Axis, IxDyn, Slice, Zip};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, block, layer, node, stage, value};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, Inexact, Number, with_number};
use crate::engine::expr::Expr;
use crate::engine::lower::{dot, sizes_of};
use crate::error::Result;
use crate::reductions::reduce::{axis_of, cast};

/// How the totals of blocks become the offsets of those after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scan {
    /// One after another: `n` steps in a row, `n` in all. The additions are those of NumPy, block for block.
    #[default]
    Sequential,
    /// In a tree, upwards and downwards: `2 log n` steps in a row, `2 n` in all. Blelloch, "Prefix sums and their applications" (1990). Floats are put together in another order,
    /// which is as fixed.
    Blelloch,
}

/// What is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cumulative {
    product: bool,
    skip_nan: bool,
}

impl Cumulative {
    fn name(self) -> &'static str {
        match (self.product, self.skip_nan) {
            (false, false) => "cumsum",
            (true, false) => "cumprod",
            (false, true) => "nancumsum",
            (true, true) => "nancumprod",
        }
    }

    fn apply<T: Number>(self, a: T, x: T) -> T {
        if self.product { a.times(x) } else { a.plus(x) }
    }

    /// An element as it is put together: NaN as what changes nothing, if it is left out.
    fn element<T: Number>(self, x: T) -> T {
        match self.skip_nan && x.is_nan() {
            true if self.product => T::cast_from(1u8),
            true => T::default(),
            false => x,
        }
    }

    fn along<T: Element, R: Element>(self, array: &Array<T>, axis: isize, scan: Scan) -> Array<R> {
        Array::of(|| {
            let input = cast(array.expr()?, R::DTYPE)?;
            let axis = axis_of(self.name(), axis, &input.shape())?;
            Ok(node(self.name(), R::DTYPE, input.chunks.clone(), CumulativeOp { cumulative: self, axis, scan }, &[input]))
        })
    }
}

impl<T: Element> Array<T> {
    /// The running sums along an axis: `(.., n, ..)` in and out, in `i64` for `bool` and signed integers, `u64` for unsigned ones, wrapping. A negative axis counts from the end.
    /// Lazy; work: two passes over each block.
    ///
    /// ```
    /// use arras_array::{Array, Scan};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[1, 2, 3, 4]), 3)?;
    /// assert_eq!(x.cumsum(0).compute()?, ndarray::arr1(&[1i64, 3, 6, 10]).into_dyn());
    /// assert_eq!(x.cumprod_with(0, Scan::Blelloch).compute()?, ndarray::arr1(&[1i64, 2, 6, 24]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`](crate::Error::Axis) if there is no such axis.
    pub fn cumsum(&self, axis: isize) -> Array<T::Sum> {
        self.cumsum_with(axis, Scan::Sequential)
    }

    /// As [`cumsum`](Array::cumsum), with another way from block to block.
    pub fn cumsum_with(&self, axis: isize, scan: Scan) -> Array<T::Sum> {
        Cumulative { product: false, skip_nan: false }.along(self, axis, scan)
    }

    /// The running products along an axis, as [`cumsum`](Array::cumsum).
    pub fn cumprod(&self, axis: isize) -> Array<T::Sum> {
        self.cumprod_with(axis, Scan::Sequential)
    }

    /// As [`cumprod`](Array::cumprod), with another way from block to block.
    pub fn cumprod_with(&self, axis: isize, scan: Scan) -> Array<T::Sum> {
        Cumulative { product: true, skip_nan: false }.along(self, axis, scan)
    }
}

impl<T: Inexact> Array<T> {
    /// The running sums along an axis, NaN counting as 0. Lazy, as [`cumsum`](Array::cumsum).
    pub fn nancumsum(&self, axis: isize) -> Array<T> {
        Cumulative { product: false, skip_nan: true }.along(self, axis, Scan::Sequential)
    }

    /// The running products along an axis, NaN counting as 1. Lazy, as [`cumsum`](Array::cumsum).
    pub fn nancumprod(&self, axis: isize) -> Array<T> {
        Cumulative { product: true, skip_nan: true }.along(self, axis, Scan::Sequential)
    }
}

#[derive(Debug)]
struct CumulativeOp {
    cumulative: Cumulative,
    axis: usize,
    scan: Scan,
}

impl BlockOp for CumulativeOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let &CumulativeOp { cumulative, axis, scan } = self;
        let kernel = |step| CumulativeKernel { cumulative, axis, dtype: expr.dtype, step };
        let (chunks, n) = (&expr.chunks, expr.chunks.axes()[axis].len());
        let strides = chunks.strides();
        let whole = sizes_of(chunks, expr.dtype.size());
        if n == 1 {
            return vec![layer(expr.name.clone(), chunks, &[inputs[0].name.clone()], kernel(Step::Scan), whole, |index, read| {
                read.push((0, dot(index, &strides)));
            })];
        }
        let scanned = stage(expr, "blocks");
        let mut layers =
            vec![layer(scanned.clone(), chunks, &[inputs[0].name.clone()], kernel(Step::Scan), whole.clone(), |index, read| {
                read.push((0, dot(index, &strides)));
            })];
        // Totals, and all that is put together of them, are grids in which the axis has one element a block, or fewer higher up in the tree.
        let level = |n: usize| -> Chunking {
            let mut axes = chunks.axes().to_vec();
            axes[axis] = vec![1; n];
            Chunking::new(axes).expect("no more blocks than the input has")
        };
        let small = |n: usize| -> Sizes { sizes_of(&level(n), expr.dtype.size()) };
        let totals = stage(expr, "totals");
        layers.push(layer(totals.clone(), &level(n), std::slice::from_ref(&scanned), kernel(Step::Last), small(n), |index, read| {
            read.push((0, dot(index, &strides)));
        }));
        let mut put_together = |name: &Name, n: usize, from: &[&Name], of: &dyn Fn(usize) -> Vec<(usize, usize)>, widths: &[usize]| {
            let from: Vec<Name> = from.iter().map(|&name| name.clone()).collect();
            let strides: Vec<_> = widths.iter().map(|&n| level(n).strides()).collect();
            layers.push(layer(name.clone(), &level(n), &from, kernel(Step::Fold), small(n), |index, read| {
                let mut index = index.to_vec();
                for (input, at) in of(index[axis] as usize) {
                    let own = std::mem::replace(&mut index[axis], at as u32);
                    read.push((input, dot(&index, &strides[input])));
                    index[axis] = own;
                }
            }));
        };
        let offsets = stage(expr, "offsets");
        match scan {
            Scan::Sequential => {
                // Each sum reads the one before it, in the same layer.
                let of = |i: usize| if i == 0 { vec![(0, 0)] } else { vec![(1, i - 1), (0, i)] };
                put_together(&offsets, n, &[&totals, &offsets], &of, &[n, n]);
            }
            Scan::Blelloch => {
                let mut ups = vec![(totals, n)];
                while ups[ups.len() - 1].1 > 1 {
                    let (below, m) = ups[ups.len() - 1].clone();
                    let (name, half) = (stage(expr, &format!("up-{}", ups.len())), m.div_ceil(2));
                    put_together(&name, half, &[&below], &|i| (2 * i..m.min(2 * i + 2)).map(|at| (0, at)).collect(), &[m]);
                    ups.push((name, half));
                }
                let (mut above, mut above_n) = ups.pop().expect("the totals at least");
                for (at, (totals, m)) in ups.iter().enumerate().rev() {
                    let name = if at == 0 { offsets.clone() } else { stage(expr, &format!("down-{at}")) };
                    let of = |i: usize| match i {
                        0 => vec![(0, 0)],
                        i if i % 2 == 1 => vec![(1, i / 2)],
                        i => vec![(1, i / 2 - 1), (0, i)],
                    };
                    put_together(&name, *m, &[totals, &above], &of, &[*m, above_n]);
                    (above, above_n) = (name, *m);
                }
            }
        }
        let level = level(n).strides();
        layers.push(layer(expr.name.clone(), chunks, &[scanned, offsets], kernel(Step::Add), whole, |index, read| {
            read.push((0, dot(index, &strides)));
            if index[axis] > 0 {
                read.push((1, dot(index, &level) - level[axis]));
            }
        }));
        layers
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Step {
    /// Scans a block by itself.
    Scan,
    /// The last elements along the axis.
    Last,
    /// Puts inputs of one shape together.
    Fold,
    /// Puts a block and, if there is one, an offset together.
    Add,
}

#[derive(Debug, Serialize, Deserialize)]
struct CumulativeKernel {
    cumulative: Cumulative,
    axis: usize,
    dtype: DType,
    step: Step,
}

impl Kernel for CumulativeKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.cumulative.name().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_number!(self.dtype, T => self.step::<T>(inputs), Err(format!("no {} of {}", self.cumulative.name(), self.dtype).into()))
    }
}

impl CumulativeKernel {
    fn step<T: Number>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let (cumulative, axis) = (self.cumulative, Axis(self.axis));
        let first = block::<T>(inputs, 0)?;
        match self.step {
            Step::Scan => {
                let mut array: ArrayD<T> = first.to_owned();
                array.mapv_inplace(|x| cumulative.element(x));
                array.accumulate_axis_inplace(axis, |&before, x| *x = cumulative.apply(before, *x));
                Ok(value(array))
            }
            Step::Last => {
                let n = first.len_of(axis);
                if n == 0 {
                    return Err(format!("{}: a block of no elements among others", cumulative.name()).into());
                }
                Ok(value(first.slice_axis(axis, Slice::from(n - 1..n)).to_owned()))
            }
            Step::Fold => {
                let mut array: ArrayD<T> = first.to_owned();
                for i in 1..inputs.len() {
                    Zip::from(&mut array).and(block::<T>(inputs, i)?).for_each(|a, &x| *a = cumulative.apply(*a, x));
                }
                Ok(value(array))
            }
            Step::Add if inputs.len() == 1 => Ok(inputs.value(0).clone()),
            Step::Add => {
                let offset = block::<T>(inputs, 1)?;
                let offset = offset.broadcast(IxDyn(first.shape())).ok_or("an offset of another shape than its block")?;
                Ok(value(Zip::from(offset).and(first).map_collect(|&a, &x| cumulative.apply(a, x))))
            }
        }
    }
}
