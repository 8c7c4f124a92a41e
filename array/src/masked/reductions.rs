//! Reductions of the elements that are not masked. What nothing is left of is masked itself.

use crate::array::{Array, Operand};
use crate::elementwise::choose::where_;
use crate::elementwise::operations::Operation;
use crate::engine::dtype::{Element, Number, Ordered, Real};
use crate::engine::expr::elementwise;
use crate::masked::masked_array::{Masked, fill_value};
use crate::reductions::reduce::{Axes, cast};

/// An array as one of another type parameter, cast if it is of another type.
fn as_type<T: Element, R: Element>(array: &Array<T>) -> Array<R> {
    Array::of(|| cast(array.expr()?, R::DTYPE))
}

fn divided<T: Element>(a: &Array<T>, b: &Array<T>) -> Array<T> {
    Array::of(|| elementwise(Operation::Divide, vec![Operand::Expr(a.expr()?), Operand::Expr(b.expr()?)]))
}

impl<T: Element> Masked<T> {
    /// A result, masked where all that it is made of is.
    fn reduced<R: Element>(&self, axes: &Axes, data: Array<R>) -> Masked<R> {
        Masked { data, mask: self.mask.all_axis(axes.clone()), fill: fill_value() }
    }

    /// How many elements along axes are not masked, an array without a mask. Lazy; one pass over the mask.
    pub fn count(&self, axes: impl Into<Axes>) -> Array<i64> {
        self.mask.logical_not().sum_axis(axes)
    }

    /// The sum of all elements that are not masked, 0-d, as [`Array::sum`]. Lazy; one pass.
    pub fn sum(&self) -> Masked<T::Sum> {
        self.sum_axis(Axes::all())
    }

    /// The sums along axes of elements that are not masked, masked where all are. As [`Array::sum_axis`].
    pub fn sum_axis(&self, axes: impl Into<Axes>) -> Masked<T::Sum> {
        let axes = axes.into();
        self.reduced(&axes, self.filled_with(T::default()).sum_axis(axes.clone()))
    }

    /// The product of all elements that are not masked, 0-d, as [`Array::prod`]. Lazy; one pass.
    pub fn prod(&self) -> Masked<T::Sum> {
        self.prod_axis(Axes::all())
    }

    /// The products along axes of elements that are not masked, masked where all are. As [`Array::prod_axis`].
    pub fn prod_axis(&self, axes: impl Into<Axes>) -> Masked<T::Sum> {
        let axes = axes.into();
        self.reduced(&axes, self.filled_with(T::cast_from(1u8)).prod_axis(axes.clone()))
    }

    /// The mean of all elements that are not masked, 0-d, as [`Array::mean`]. Lazy; one pass.
    pub fn mean(&self) -> Masked<T::Mean> {
        self.mean_axis(Axes::all())
    }

    /// The means along axes of elements that are not masked, masked where all are. As [`Array::mean_axis`].
    pub fn mean_axis(&self, axes: impl Into<Axes>) -> Masked<T::Mean> {
        let axes = axes.into();
        let zero = <T::Mean as Default>::default();
        let sum: Array<T::Mean> = as_type(&where_(&self.mask, zero, self.data.cast::<T::Mean>()).sum_axis(axes.clone()));
        let mean = divided(&sum, &self.count(axes.clone()).cast());
        self.reduced(&axes, mean)
    }

    /// The variance of all elements that are not masked, 0-d, as [`Array::var`]. Lazy; two passes.
    pub fn var(&self) -> Masked<T::Spread> {
        self.var_axis(Axes::all(), 0)
    }

    /// The variances along axes of elements that are not masked, divided by their number less `ddof`: masked where that is not above 0. Lazy; two passes, for the means and for the
    /// distances to them.
    pub fn var_axis(&self, axes: impl Into<Axes>, ddof: usize) -> Masked<T::Spread> {
        let axes = axes.into();
        let means = self.mean_axis(axes.clone().keepdims()).data;
        let data: Array<T::Mean> = self.data.cast();
        let distances: Array<T::Mean> =
            Array::of(|| elementwise(Operation::Subtract, vec![Operand::Expr(data.expr()?), Operand::Expr(means.expr()?)]));
        let squares: Array<T::Spread> = as_type(&distances.abs().square());
        let squares = where_(&self.mask, <T::Spread as Default>::default(), &squares);
        let sums: Array<T::Spread> = as_type(&squares.sum_axis(axes.clone()));
        let freedom = self.count(axes) - ddof as i64;
        let data = divided(&sums, &freedom.cast());
        Masked { data, mask: freedom.le(0), fill: fill_value() }
    }

    /// The standard deviation of all elements that are not masked, 0-d. Lazy; two passes.
    pub fn std(&self) -> Masked<T::Spread> {
        self.std_axis(Axes::all(), 0)
    }

    /// The standard deviations along axes of elements that are not masked, as [`var_axis`](Masked::var_axis).
    pub fn std_axis(&self, axes: impl Into<Axes>, ddof: usize) -> Masked<T::Spread> {
        let variance = self.var_axis(axes, ddof);
        Masked { data: variance.data.sqrt(), ..variance }
    }

    /// Whether any of all elements that are not masked is true, or not 0, 0-d. Lazy; one pass.
    pub fn any(&self) -> Masked<bool> {
        self.any_axis(Axes::all())
    }

    /// Whether any element along axes that is not masked is true, or not 0; masked where all are.
    pub fn any_axis(&self, axes: impl Into<Axes>) -> Masked<bool> {
        let axes = axes.into();
        self.reduced(&axes, self.data.logical_and(&self.mask.logical_not()).any_axis(axes.clone()))
    }

    /// Whether all elements that are not masked are true, or not 0, 0-d. Lazy; one pass.
    pub fn all(&self) -> Masked<bool> {
        self.all_axis(Axes::all())
    }

    /// Whether all elements along axes that are not masked are true, or not 0; masked where all are.
    pub fn all_axis(&self, axes: impl Into<Axes>) -> Masked<bool> {
        let axes = axes.into();
        self.reduced(&axes, self.data.logical_or(&self.mask).all_axis(axes.clone()))
    }
}

impl<T: Number> Masked<T> {
    /// The average along axes of elements that are not masked, each counted with its weight; weights are of the array's shape. Masked where all elements are. Lazy; one pass.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, 2.0, 4.0], 2)?;
    /// let weights = Array::from_ndarray(ndarray::array![1.0, 1.0, 3.0], 2)?;
    /// assert_eq!(x.masked_equal(2.0).average_axis(0, &weights).item().compute()?, Some(3.25));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn average_axis(&self, axes: impl Into<Axes>, weights: &Array<T::Mean>) -> Masked<T::Mean> {
        let axes = axes.into();
        let zero = <T::Mean as Default>::default();
        let x: Array<T::Mean> = self.data.cast();
        let weighted: Array<T::Mean> =
            Array::of(|| elementwise(Operation::Multiply, vec![Operand::Expr(x.expr()?), Operand::Expr(weights.expr()?)]));
        let sum = |of: &Array<T::Mean>| -> Array<T::Mean> { as_type(&where_(&self.mask, zero, of).sum_axis(axes.clone())) };
        let average = divided(&sum(&weighted), &sum(weights));
        self.reduced(&axes, average)
    }
}

impl<T: Ordered> Masked<T> {
    /// The least of all elements that are not masked, 0-d, as [`Array::min`]. Lazy; one pass.
    pub fn min(&self) -> Masked<T> {
        self.min_axis(Axes::all())
    }

    /// The least elements along axes that are not masked, masked where all are. As [`Array::min_axis`].
    pub fn min_axis(&self, axes: impl Into<Axes>) -> Masked<T> {
        let axes = axes.into();
        self.reduced(&axes, self.filled_with(T::LARGEST).min_axis(axes.clone()))
    }

    /// The greatest of all elements that are not masked, 0-d, as [`Array::max`]. Lazy; one pass.
    pub fn max(&self) -> Masked<T> {
        self.max_axis(Axes::all())
    }

    /// The greatest elements along axes that are not masked, masked where all are. As [`Array::max_axis`].
    pub fn max_axis(&self, axes: impl Into<Axes>) -> Masked<T> {
        let axes = axes.into();
        self.reduced(&axes, self.filled_with(T::SMALLEST).max_axis(axes.clone()))
    }

    /// Where the least element along axes that is not masked is first, as [`Array::argmin_axis`]; 0 where all are masked.
    pub fn argmin_axis(&self, axes: impl Into<Axes>) -> Array<i64> {
        self.filled_with(T::LARGEST).argmin_axis(axes)
    }

    /// Where the greatest element along axes that is not masked is first, as [`Array::argmax_axis`]; 0 where all are masked.
    pub fn argmax_axis(&self, axes: impl Into<Axes>) -> Array<i64> {
        self.filled_with(T::SMALLEST).argmax_axis(axes)
    }
}

impl<T: Real> Masked<T> {
    /// The distances between the greatest and the least elements along axes that are not masked, masked where all are.
    pub fn ptp_axis(&self, axes: impl Into<Axes>) -> Masked<T> {
        let axes = axes.into();
        let (low, high) = (self.min_axis(axes.clone()), self.max_axis(axes));
        high.zip(&low, |high, low| high - low)
    }
}
