//! What type two element types have in common: NumPy 2's promotion, known when the program is compiled.

use crate::array::Array;
use crate::engine::dtype::{Complex32, Complex64, Element};

/// The type that holds what `Self` and `U` hold, as NumPy 2's `promote_types` and `result_type` have it.
///
/// | | |
/// |---|---|
/// | `bool` and any | the other |
/// | integers of one kind | the larger |
/// | signed and unsigned integers | the signed one of more bits than the unsigned has; with `u64`, `f64` |
/// | integers and `f32` | `f32` up to 16 bits, else `f64` |
/// | anything and a complex number | the complex number whose parts hold it |
///
/// ```
/// use arras_array::{Array, DType, Element, Promote};
/// fn result_type<T: Promote<U>, U: Element>(_: &Array<T>, _: &Array<U>) -> DType {
///     T::Output::DTYPE
/// }
/// let (i, u, f) = (Array::<i64>::ones([3], 2)?, Array::<u64>::ones([3], 2)?, Array::<f32>::ones([3], 2)?);
/// assert_eq!(result_type(&i, &u), DType::F64);
/// assert_eq!(result_type(&i.cast::<i16>(), &f), DType::F32);
/// # Ok::<(), arras_array::Error>(())
/// ```
pub trait Promote<U: Element>: Element {
    /// The type of both together.
    type Output: Element;
}

/// Two arrays as ones of the type that they have in common: see [`Promote`]. Operations take operands of one type, so that no conversion goes unseen. Lazy.
///
/// ```
/// use arras_array::{Array, promote};
/// use arras_scheduler::Compute;
/// let counts = Array::from_ndarray(ndarray::array![1i32, 2], 1)?;
/// let weights = Array::from_ndarray(ndarray::array![0.5f32, 0.25], 1)?;
/// let (counts, weights) = promote(&counts, &weights);
/// assert_eq!((counts * weights).compute()?, ndarray::array![0.5f64, 0.5].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn promote<T: Promote<U>, U: Element>(x: &Array<T>, y: &Array<U>) -> (Array<T::Output>, Array<T::Output>) {
    (x.cast(), y.cast())
}

macro_rules! promotions {
    (: $columns:tt $($t:ident: $($output:ident)*;)*) => { $(promotions!(@ $t $columns $($output)*);)* };
    (@ $t:ident [$($u:ident)*] $($output:ident)*) => { $(
        impl Promote<$u> for $t {
            type Output = $output;
        }
    )* };
}
#[rustfmt::skip]
promotions! {
    :         [bool      i8        i16       i32       i64       u8        u16       u32       u64       f32       f64       Complex32 Complex64]
    bool:      bool      i8        i16       i32       i64       u8        u16       u32       u64       f32       f64       Complex32 Complex64;
    i8:        i8        i8        i16       i32       i64       i16       i32       i64       f64       f32       f64       Complex32 Complex64;
    i16:       i16       i16       i16       i32       i64       i16       i32       i64       f64       f32       f64       Complex32 Complex64;
    i32:       i32       i32       i32       i32       i64       i32       i32       i64       f64       f64       f64       Complex64 Complex64;
    i64:       i64       i64       i64       i64       i64       i64       i64       i64       f64       f64       f64       Complex64 Complex64;
    u8:        u8        i16       i16       i32       i64       u8        u16       u32       u64       f32       f64       Complex32 Complex64;
    u16:       u16       i32       i32       i32       i64       u16       u16       u32       u64       f32       f64       Complex32 Complex64;
    u32:       u32       i64       i64       i64       i64       u32       u32       u32       u64       f64       f64       Complex64 Complex64;
    u64:       u64       f64       f64       f64       f64       u64       u64       u64       u64       f64       f64       Complex64 Complex64;
    f32:       f32       f32       f32       f64       f64       f32       f32       f64       f64       f32       f64       Complex32 Complex64;
    f64:       f64       f64       f64       f64       f64       f64       f64       f64       f64       f64       f64       Complex64 Complex64;
    Complex32: Complex32 Complex32 Complex32 Complex64 Complex64 Complex32 Complex32 Complex64 Complex64 Complex32 Complex64 Complex32 Complex64;
    Complex64: Complex64 Complex64 Complex64 Complex64 Complex64 Complex64 Complex64 Complex64 Complex64 Complex64 Complex64 Complex64 Complex64;
}
