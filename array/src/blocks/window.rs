//! Windows over axes: `sliding_window_view`, whose windows overlap, and `coarsen`, whose windows do not.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Kernel, Layer, Value};
use ndarray::{ArrayD, Axis, Slice};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, node, value};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, with_dtype};
use crate::engine::expr::Expr;
use crate::engine::gather::{GatherKernel, Plan, Run, gather_layer, whole, zero};
use crate::engine::lower::sizes;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::{Axes, axis_of};
use crate::shape::view::Item;

impl<T: Element> Array<T> {
    /// All windows of these lengths along these axes: `(.., n, ..)` and a window of `w` in, `(.., n - w + 1, .., w)` out, the windows' axes last. Lazy.
    ///
    /// A task reads its block and what follows it, as far as the windows reach. Unlike NumPy's, windows are copies, each `w` times as large as what it shows.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 4, 1, 2)?;
    /// assert_eq!(x.sliding_window_view([3], [0]).compute()?, ndarray::arr2(&[[0, 1, 2], [1, 2, 3]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] or [`Error::AxisTwice`], and with an [`Error::Argument`] for another number of windows than axes, or one that is 0 or longer
    /// than its axis.
    pub fn sliding_window_view(&self, windows: impl AsRef<[usize]>, axes: impl AsRef<[isize]>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let (windows, given, shape) = (windows.as_ref(), axes.as_ref(), expr.shape());
            let wrong = |why: String| Error::argument("sliding_window_view", why);
            if windows.len() != given.len() {
                return Err(wrong(format!("windows {windows:?} for axes {given:?}: there is one for each")));
            }
            let mut axes = Vec::new();
            for (&axis, &window) in given.iter().zip(windows) {
                let axis = axis_of("sliding_window_view", axis, &shape)?;
                if axes.contains(&axis) {
                    return Err(Error::AxisTwice { operation: "sliding_window_view", axis, axes: given.to_vec() });
                }
                if window == 0 || window > shape[axis] {
                    return Err(wrong(format!("a window of {window} on axis {axis} of length {}", shape[axis])));
                }
                axes.push(axis);
            }
            let mut chunks = expr.chunks.axes().to_vec();
            for (&axis, &window) in axes.iter().zip(windows) {
                // Windows start where elements stand, but for the last ones.
                let mut left = shape[axis] - window + 1;
                chunks[axis] = chunks[axis].iter().map(|&n| (n.min(left), left -= n.min(left)).0).filter(|&n| n > 0).collect();
            }
            chunks.extend(windows.iter().map(|&window| vec![window]));
            let op = Windows { windows: windows.to_vec(), axes };
            Ok(node("sliding_window_view", expr.dtype, Chunking::new(chunks)?, op, &[expr]))
        })
    }

    /// What a function makes of windows that lie side by side, so many elements long along each of some axes: `(.., n, ..)` and a window of `w` in, `(.., n / w, ..)` out. Lazy.
    ///
    /// The function gets the array with the windows as axes of their own, and these axes, over which it reduces: `|x, axes| x.mean_axis(axes)`. It is called once, and its
    /// operations are the result's. Elements that fill no window are left out with `trim`.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 7, 1, 3)?;
    /// let max = x.coarsen([(0, 2)], true, |x, axes| x.max_axis(axes));
    /// assert_eq!(max.compute()?, ndarray::array![1, 3, 5].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] or [`Error::AxisTwice`], and with an [`Error::Argument`] for a window of 0, or one that does not divide its axis without `trim`.
    pub fn coarsen<R: Element>(
        &self,
        windows: impl AsRef<[(isize, usize)]>,
        trim: bool,
        function: impl FnOnce(&Array<T>, Axes) -> Array<R>,
    ) -> Array<R> {
        let split = || {
            let expr = self.expr()?;
            let shape = expr.shape();
            let mut windows_of = vec![1; shape.len()];
            let given: Vec<isize> = windows.as_ref().iter().map(|&(axis, _)| axis).collect();
            let mut chosen = vec![false; shape.len()];
            for &(axis, window) in windows.as_ref() {
                let axis = axis_of("coarsen", axis, &shape)?;
                if std::mem::replace(&mut chosen[axis], true) {
                    return Err(Error::AxisTwice { operation: "coarsen", axis, axes: given });
                }
                if window == 0 || (shape[axis] % window != 0 && !trim) {
                    return Err(Error::argument("coarsen", format!("windows of {window} on axis {axis} of length {}", shape[axis])));
                }
                windows_of[axis] = window;
            }
            let items = shape.iter().zip(&windows_of).map(|(&n, &window)| Item::whole(n - n % window)).collect();
            let trimmed = simplify::slice(&expr, items)?;
            let (mut split, mut reduced) = (Vec::new(), Vec::new());
            for (axis, (&n, &window)) in shape.iter().zip(&windows_of).enumerate() {
                split.push(n / window);
                if chosen[axis] {
                    reduced.push(split.len() as isize);
                    split.push(window);
                }
            }
            Ok((crate::shape::reshape::reshape(&trimmed, &split)?, Axes::from(reduced)))
        };
        match split() {
            Ok((expr, axes)) => function(&Array::of(|| Ok(expr)), axes),
            Err(error) => Array::of(|| Err(error)),
        }
    }
}

struct Windows {
    windows: Vec<usize>,
    axes: Vec<usize>,
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Windows({:?}, {:?})", self.windows, self.axes)
    }
}

impl BlockOp for Windows {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let shape = inputs[0].shape();
        let mut maps: Vec<Vec<Run>> = shape.iter().map(|&length| whole(length)).collect();
        let mut chunks = expr.chunks.axes()[..shape.len()].to_vec();
        for (&axis, &window) in self.axes.iter().zip(&self.windows) {
            let starts = &expr.chunks.starts()[axis];
            // Each block with what its last windows reach into.
            chunks[axis].iter_mut().for_each(|n| *n += window - 1);
            maps[axis] = starts.iter().zip(&chunks[axis]).map(|(&start, &n)| Run::range(start..start + n)).collect();
        }
        // The windows' axes have one block each.
        let plan = Plan { operation: "sliding_window_view", maps: &maps, chunks: &chunks, fill: zero(expr.dtype) };
        let kernel =
            |gather| Func::kernel(WindowKernel { gather, dtype: expr.dtype, windows: self.windows.clone(), axes: self.axes.clone() });
        vec![gather_layer(expr.name.clone(), &inputs[0], &plan, &expr.chunks.grid(), sizes(expr), &kernel)]
    }
}

#[derive(Serialize, Deserialize)]
struct WindowKernel {
    gather: GatherKernel,
    dtype: DType,
    windows: Vec<usize>,
    axes: Vec<usize>,
}

impl Kernel for WindowKernel {
    fn name(&self) -> Cow<'static, str> {
        self.gather.operation()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let block = self.gather.block(inputs)?;
        with_dtype!(self.dtype, T => {
            let block = T::of_block(&block).ok_or("a block of another type")?;
            let mut shape = block.shape().to_vec();
            for (&axis, &window) in self.axes.iter().zip(&self.windows) {
                shape[axis] -= window - 1;
            }
            let own = shape.clone();
            shape.extend(&self.windows);
            let mut result = ArrayD::from_elem(shape, T::default());
            // For each place in a window, the elements that stand there in all windows.
            for place in ndarray::indices(self.windows.as_slice()) {
                let mut source = block.view();
                let mut target = result.view_mut();
                for (i, &axis) in self.axes.iter().enumerate() {
                    source.slice_axis_inplace(Axis(axis), Slice::from(place[i]..place[i] + own[axis]));
                }
                for i in (0..self.windows.len()).rev() {
                    target = target.index_axis_move(Axis(own.len() + i), place[i]);
                }
                target.assign(&source);
            }
            Ok(value(result))
        })
    }
}
