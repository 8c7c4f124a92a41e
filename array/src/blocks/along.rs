//! Functions along axes: `apply_along_axis`, `apply_over_axes`.

use ndarray::{ArrayD, ArrayView1, ArrayViewD, Ix1};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::array::Array;
use crate::blocks::gufunc::{Gufunc, apply_gufunc_with};
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
        self.apply_along_axis_with(axis, shape, (), move |(), lane: ArrayView1<'_, T>| function(lane))
    }

    /// [`apply_along_axis`](Array::apply_along_axis) for a function of `&environment` and a lane: captures that are spelled out, so that it runs in other processes too.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 7.0], [4.0, 2.0]]), 1)?;
    /// let weights = vec![1.0, 10.0];
    /// let sum = x.apply_along_axis_with(1, &[], weights, |weights: &Vec<f64>, lane: ndarray::ArrayView1<f64>| {
    ///     ndarray::arr0(weights.iter().zip(lane).map(|(w, x)| w * x).sum::<f64>()).into_dyn()
    /// });
    /// assert_eq!(sum.compute()?, ndarray::array![71.0, 24.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply_along_axis_with<E, R: Element, F>(&self, axis: isize, shape: &[usize], environment: E, function: F) -> Array<R>
    where
        E: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: Fn(&E, ArrayView1<'_, T>) -> ArrayD<R> + Send + Sync + 'static,
    {
        let build = || -> Result<Array<R>> {
            let axis = axis_of("apply_along_axis", axis, &self.expr()?.shape())? as isize;
            let names: Vec<String> = (0..shape.len()).map(|i| format!("result_{i}")).collect();
            let places = (axis..axis + shape.len() as isize).collect();
            let how = Gufunc::default().allow_rechunk().vectorize().axes([vec![axis], places]);
            let how = names.iter().zip(shape).fold(how, |how, (name, &n)| how.output_size(name, n));
            let signature = format!("(lane)->({})", names.join(","));
            let lane = move |environment: &E, lane: ArrayViewD<'_, T>| -> ArrayD<R> {
                function(environment, lane.into_dimensionality::<Ix1>().expect("a lane has one axis"))
            };
            Ok(apply_gufunc_with(&signature, self, how, environment, lane))
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
