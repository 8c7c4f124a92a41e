//! Arrays with a mask, as `numpy.ma` has them: made of two arrays, of the elements and of which of them do not count.
//!
//! ```text
//!     data    1  2  3  4           sum                    1 + 3 + 4
//!     mask    ·  x  ·  ·     ⇒     filled(0)              1  0  3  4
//!                                  zip(other, add)        masked where one of both is
//! ```
//! Nothing here has a kernel of its own: a masked array is a pair of expressions, and fuses as they do.

use std::fmt;

use arras_core::Delayed;
use ndarray::SliceInfoElem;

use crate::array::Array;
use crate::elementwise::choose::where_;
use crate::engine::chunks::Chunks;
use crate::engine::dtype::{DType, Element, Float, Inexact, Ordered};
use crate::error::{Error, Result};
use crate::indexing::selected::Selected;

/// An array and a mask of its shape: elements where the mask is true do not count, in reductions nor otherwise. Lazy, as the two arrays are.
///
/// ```
/// use arras_array::{Array, Masked};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::array![1.0, -99.0, 3.0, -99.0], 2)?;
/// let valid = x.masked_equal(-99.0);
/// assert_eq!(valid.mean().item().compute()?, Some(2.0));
/// assert_eq!(valid.count(0).item().compute()?, 2);
/// assert_eq!(valid.map(|x| x * 2.0).filled_with(0.0).compute()?, ndarray::array![2.0, 0.0, 6.0, 0.0].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Masked<T> {
    pub(crate) data: Array<T>,
    pub(crate) mask: Array<bool>,
    pub(crate) fill: T,
}

/// An array, and where its elements do not count: [`Masked::new`] under NumPy's name.
///
/// ```
/// use arras_array::{Array, masked_array};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::array![1i64, 2, 3], 2)?;
/// let mask = Array::from_ndarray(ndarray::array![false, true, false], 2)?;
/// assert_eq!(masked_array(&x, &mask).sum().item().compute()?, Some(4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn masked_array<T: Element>(data: &Array<T>, mask: &Array<bool>) -> Masked<T> {
    Masked::new(data, mask)
}

impl<T: Element> fmt::Debug for Masked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masked({:?}, {:?}, fill value {})", self.data, self.mask, self.fill)
    }
}

/// What stands in the place of masked elements, if nobody says otherwise: NumPy's choice.
pub(crate) fn fill_value<T: Element>() -> T {
    match T::DTYPE {
        DType::F32 | DType::F64 | DType::C32 | DType::C64 => T::cast_from(1e20),
        _ => T::cast_from(999_999i64),
    }
}

impl<T: Element> Masked<T> {
    /// An array, and where its elements do not count: the mask broadcasts to the array's shape.
    ///
    /// The result fails with an [`Error::Broadcast`] for a mask that does not.
    pub fn new(data: &Array<T>, mask: &Array<bool>) -> Masked<T> {
        let mask = Array::of(|| {
            let (shape, own) = (data.expr()?.shape(), mask.expr()?);
            if own.shape() == shape {
                return Ok(own);
            }
            let left = own.shape().to_vec();
            let wrong = |_| Error::Broadcast { operation: "masked_array", left, right: shape.to_vec() };
            mask.broadcast_to(shape.to_vec()).expr().map_err(wrong)
        });
        // What is wrong with one is wrong with both.
        let data = Array::of(|| mask.check().and_then(|_| data.expr()));
        Masked { data, mask, fill: fill_value() }
    }

    /// The same, with another value in the place of masked elements when they are [`filled`](Masked::filled).
    #[must_use]
    pub fn set_fill_value(self, value: T) -> Masked<T> {
        Masked { fill: value, ..self }
    }

    /// The value that stands in the place of masked elements: unless it was set 999999 for integers, its low bits for small ones, 1e20 for floats, `true` for `bool`.
    pub fn fill_value(&self) -> T {
        self.fill
    }

    /// The elements, masked or not: NumPy's `getdata`.
    pub fn data(&self) -> &Array<T> {
        &self.data
    }

    /// Which elements are masked: NumPy's `getmaskarray`.
    pub fn mask(&self) -> &Array<bool> {
        &self.mask
    }

    /// The same, if nothing was wrong when it was built.
    ///
    /// # Errors
    /// The first thing that was wrong.
    pub fn check(&self) -> Result<&Masked<T>> {
        self.data.check()?;
        self.mask.check()?;
        Ok(self)
    }

    /// The number of elements along each axis.
    pub fn shape(&self) -> Vec<usize> {
        self.data.shape()
    }

    /// The array, with the fill value in the place of masked elements.
    pub fn filled(&self) -> Array<T> {
        self.filled_with(self.fill)
    }

    /// The array, with a value in the place of masked elements.
    pub fn filled_with(&self, value: T) -> Array<T> {
        where_(&self.mask, value, &self.data)
    }

    /// The elements that are not masked, in row-major order, 1-d of a length not yet known.
    pub fn compressed(&self) -> Selected<T> {
        self.data.select(&self.mask.logical_not())
    }

    /// The one element of an array that has one, later: nothing if it is masked. Computing it is an [`Error::NotOneElement`] if there is not exactly one.
    pub fn item(&self) -> Delayed<Option<T>> {
        self.data.item().zip_with(&self.mask.item(), |&x, &masked| (!masked).then_some(x))
    }

    /// An elementwise function of the array, masked where it was. The function is called when the expression is built.
    ///
    /// The result fails if what the function makes has another shape.
    pub fn map<R: Element>(&self, function: impl FnOnce(&Array<T>) -> Array<R>) -> Masked<R> {
        Masked::new(&function(&self.data), &self.mask)
    }

    /// An elementwise function of two arrays, masked where one of both is. Shapes broadcast. The function is called when the expression is built.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1, 2, 3], 2)?;
    /// let sum = x.masked_less(2).zip(&x.masked_greater(2), |a, b| a + b);
    /// assert_eq!(sum.filled_with(0).compute()?, ndarray::array![0, 4, 0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zip<U: Element, R: Element>(&self, other: &Masked<U>, function: impl FnOnce(&Array<T>, &Array<U>) -> Array<R>) -> Masked<R> {
        Masked::new(&function(&self.data, &other.data), &self.mask.logical_or(&other.mask))
    }

    /// More elements masked.
    fn also(&self, mask: Array<bool>) -> Masked<T> {
        Masked { fill: self.fill, ..Masked::new(&self.data, &self.mask.logical_or(&mask)) }
    }

    /// Masked where a condition holds too.
    pub fn masked_where(&self, condition: &Array<bool>) -> Masked<T> {
        self.also(condition.clone())
    }

    fn both(&self, data: Array<T>, mask: Array<bool>) -> Masked<T> {
        Masked { fill: self.fill, ..Masked::new(&data, &mask) }
    }

    /// A part, as [`Array::slice`].
    pub fn slice(&self, info: impl AsRef<[SliceInfoElem]>) -> Masked<T> {
        self.both(self.data.slice(info.as_ref()), self.mask.slice(info.as_ref()))
    }

    /// The axes in another order, as [`Array::transpose`].
    pub fn transpose(&self, axes: impl AsRef<[isize]>) -> Masked<T> {
        self.both(self.data.transpose(axes.as_ref()), self.mask.transpose(axes.as_ref()))
    }

    /// The elements in another shape, as [`Array::reshape`].
    pub fn reshape(&self, shape: impl AsRef<[isize]>) -> Masked<T> {
        self.both(self.data.reshape(shape.as_ref()), self.mask.reshape(shape.as_ref()))
    }

    /// The elements in other chunks, as [`Array::rechunk`].
    pub fn rechunk(&self, chunks: impl Into<Chunks>) -> Masked<T> {
        let chunks = chunks.into();
        self.both(self.data.rechunk(chunks.clone()), self.mask.rechunk(chunks))
    }
}

impl<T: Element> Array<T> {
    /// The array with nothing masked.
    pub fn masked(&self) -> Masked<T> {
        self.masked_where(&Array::of(|| Array::<bool>::full((), false, 1)?.expr()))
    }

    /// The array, masked where a condition holds, which broadcasts to its shape: `numpy.ma.masked_where`, and `masked_array` of a mask.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1i64, 2], [3, 4]]), 1)?;
    /// let first = Array::from_ndarray(ndarray::array![true, false], 2)?;
    /// assert_eq!(x.masked_where(&first).sum().item().compute()?, Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Broadcast`].
    pub fn masked_where(&self, condition: &Array<bool>) -> Masked<T> {
        Masked::new(self, condition)
    }

    /// The array, masked where it is a value, which is the fill value then.
    pub fn masked_equal(&self, value: T) -> Masked<T> {
        self.masked_where(&self.eq(value)).set_fill_value(value)
    }

    /// The array, masked where it is not a value.
    pub fn masked_not_equal(&self, value: T) -> Masked<T> {
        self.masked_where(&self.ne(value))
    }
}

impl<T: Ordered> Array<T> {
    /// The array, masked where it is above a value.
    pub fn masked_greater(&self, value: T) -> Masked<T> {
        self.masked_where(&self.gt(value))
    }

    /// The array, masked where it is a value or above.
    pub fn masked_greater_equal(&self, value: T) -> Masked<T> {
        self.masked_where(&self.ge(value))
    }

    /// The array, masked where it is below a value.
    pub fn masked_less(&self, value: T) -> Masked<T> {
        self.masked_where(&self.lt(value))
    }

    /// The array, masked where it is a value or below.
    pub fn masked_less_equal(&self, value: T) -> Masked<T> {
        self.masked_where(&self.le(value))
    }

    /// The array, masked between two values, both included; they may come in either order.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::<i64>::arange(0, 6, 1, 2)?;
    /// assert_eq!(x.masked_inside(3, 1).sum().item().compute()?, Some(9));
    /// assert_eq!(x.masked_outside(1, 3).sum().item().compute()?, Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn masked_inside(&self, a: T, b: T) -> Masked<T> {
        let (low, high) = if b < a { (b, a) } else { (a, b) };
        self.masked_where(&self.ge(low).bitwise_and(self.le(high)))
    }

    /// The array, masked where it is not between two values; these are not masked, and may come in either order.
    pub fn masked_outside(&self, a: T, b: T) -> Masked<T> {
        let (low, high) = if b < a { (b, a) } else { (a, b) };
        self.masked_where(&self.lt(low).bitwise_or(self.gt(high)))
    }
}

impl<T: Inexact> Array<T> {
    /// The array, masked where it is NaN or infinite.
    pub fn masked_invalid(&self) -> Masked<T> {
        self.masked_where(&self.isfinite().logical_not())
    }

    /// As [`masked_invalid`](Array::masked_invalid), with the fill value in the data too.
    pub fn fix_invalid(&self) -> Masked<T> {
        let masked = self.masked_invalid();
        Masked { data: masked.filled(), ..masked }
    }
}

impl<T: Float> Array<T> {
    /// The array, masked where it is near a value, as [`isclose`](Array::isclose) has it; NumPy's own tolerances are 1e-5 and 1e-8. The value is the fill value then.
    pub fn masked_values(&self, value: T, rtol: f64, atol: f64) -> Masked<T> {
        self.masked_where(&self.isclose(value, rtol, atol, false)).set_fill_value(value)
    }
}
