//! Functions along axes: `apply_along_axis`, `apply_over_axes`.

use ndarray::{ArrayD, ArrayView1, ArrayViewD, Ix1};

use crate::array::Array;
use crate::blocks::gufunc::{Gufunc, apply_gufunc};
use crate::engine::dtype::Element;
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;

impl<T: Element> Array<T> {
    /// `function` of each lane along an axis: `(.., n, ..)` in, and in place of that axis those of what the function returns, whose `shape` is declared. Lazy; work: one call a
    /// lane. The axis is put into one chunk.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 7.0], [4.0, 2.0]]), 1)?;
    /// let range = x.apply_along_axis(1, &[], |lane| ndarray::arr0(lane[1] - lane[0]).into_dyn());
    /// assert_eq!(range.compute()?, ndarray::array![6.0, -2.0].into_dyn());
    /// let ends = x.apply_along_axis(0, &[2], |lane| ndarray::array![lane[0], lane[lane.len() - 1]].into_dyn());
    /// assert_eq!(ends.compute()?, x.compute()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] if there is no such axis; the run fails if the function returns another shape.
    pub fn apply_along_axis<R: Element, F>(&self, axis: isize, shape: &[usize], function: F) -> Array<R>
    where
        F: Fn(ArrayView1<'_, T>) -> ArrayD<R> + Send + Sync + 'static,
    {
        let build = || -> Result<Array<R>> {
            let axis = axis_of("apply_along_axis", axis, &self.expr()?.shape())? as isize;
            let names: Vec<String> = (0..shape.len()).map(|i| format!("result_{i}")).collect();
            let how = Gufunc::default().allow_rechunk().vectorize();
            let how = names.iter().zip(shape).fold(how, |how, (name, &n)| how.output_size(name, n));
            let signature = format!("(lane)->({})", names.join(","));
            let lane =
                move |lane: ArrayViewD<'_, T>| -> ArrayD<R> { function(lane.into_dimensionality::<Ix1>().expect("a lane has one axis")) };
            let result: Array<R> = apply_gufunc(&signature, &self.moveaxis([axis], [-1]), how, lane);
            let n = shape.len() as isize;
            Ok(result.moveaxis((-n..0).collect::<Vec<_>>(), (axis..axis + n).collect::<Vec<_>>()))
        };
        Array::of(|| build()?.expr())
    }

    /// `function` of the array and each of these axes, one after another: what it makes of one axis it is given for the next. It returns an array of as many axes, or of one less, to
    /// which the axis comes back with length 1. The function is called when the expression is built.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 7.0], [4.0, 2.0]]), 1)?;
    /// let sum = x.apply_over_axes([0, 1], |x, axis| x.sum_axis(axis));
    /// assert_eq!(sum.compute()?, ndarray::arr2(&[[14.0]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] if there is no such axis, with an [`Error::Argument`] if the function returns another number of axes.
    pub fn apply_over_axes(&self, axes: impl AsRef<[isize]>, function: impl Fn(&Array<T>, isize) -> Array<T>) -> Array<T> {
        Array::of(|| {
            let ndim = self.expr()?.chunks.ndim();
            let mut array = self.clone();
            for &axis in axes.as_ref() {
                let axis = axis_of("apply_over_axes", axis, &array.expr()?.shape())? as isize;
                let made = function(&array, axis);
                array = match made.expr()?.chunks.ndim() {
                    n if n == ndim => made,
                    n if n + 1 == ndim => made.expand_dims([axis]),
                    n => return Err(Error::argument("apply_over_axes", format!("the function made {n} axes of {ndim}"))),
                };
            }
            array.expr()
        })
    }
}
