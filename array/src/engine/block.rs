//! Blocks: the values of an array's tasks, a closed enum over the element types.

use std::borrow::Cow;

use arras_core::Measure;
use arras_core::pages::huge;
use ndarray::{ArcArray, ArrayD, IxDyn};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::Bytes;

use crate::engine::dtype::{Complex32, Complex64, DType, Element, for_each_dtype, with_dtype};

macro_rules! block {
    ($($t:ident $v:ident),*) => {
        /// One block of an array: elements of one type, shared. Cloning it copies a pointer; slicing it gives a view.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Block {
            $(
                /// Elements of this type.
                $v(ArcArray<$t, IxDyn>),
            )*
        }

        impl Block {
            /// The elements' type.
            pub fn dtype(&self) -> DType {
                match self { $(Block::$v(_) => DType::$v,)* }
            }

            /// The number of elements along each axis.
            pub fn shape(&self) -> &[usize] {
                match self { $(Block::$v(array) => array.shape(),)* }
            }

            /// The elements, if they are of this type.
            pub fn get<T: Element>(&self) -> Option<&ArcArray<T, IxDyn>> {
                T::of_block(self)
            }

            /// The block with another arrangement of the same elements.
            pub(crate) fn map_view(&self, view: &impl View) -> Block {
                match self { $(Block::$v(array) => Block::$v(view.apply(array.clone())),)* }
            }
        }
    };
}
for_each_dtype!(block);

/// Another arrangement of an array's elements: a slice, a permutation of axes.
pub(crate) trait View {
    fn apply<T: Element>(&self, array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn>;
}

/// A block of its own, with one element everywhere.
pub(crate) fn filled<T: Element>(shape: &[usize], value: T) -> ArrayD<T> {
    let n = shape.iter().product();
    // Zeros come from the system as they are.
    let elements = if value == T::default() {
        huge(vec![value; n])
    } else {
        let mut elements = huge(Vec::with_capacity(n));
        elements.resize(n, value);
        elements
    };
    ArrayD::from_shape_vec(IxDyn(shape), elements).expect("as many elements as the shape says")
}

impl Measure for Block {
    /// The bytes of the block's own elements. A view counts as what it shows, though it keeps the buffer that it shares alive.
    fn nbytes(&self) -> usize {
        self.shape().iter().product::<usize>() * self.dtype().size()
    }
}

/// On the wire: the type, the shape, the elements in row-major order as little-endian bytes. Written from where the elements lie, if they lie in that order.
impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        with_dtype!(self.dtype(), T => {
            let array = T::of_block(self).expect("the dtype is the block's own").as_standard_layout();
            let elements = array.as_slice().expect("of standard layout");
            let bytes = T::little_endian(elements);
            (self.dtype(), self.shape(), Bytes::new(&bytes)).serialize(serializer)
        })
    }
}

/// What [`Block`] writes, its bytes borrowed from the message where that lies in memory.
#[derive(Deserialize)]
struct Wire<'a>(DType, Vec<usize>, #[serde(borrow, with = "serde_bytes")] Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Block, D::Error> {
        let Wire(dtype, shape, bytes) = Wire::deserialize(deserializer)?;
        let expected = shape.iter().try_fold(dtype.size(), |product, &n| product.checked_mul(n));
        if expected != Some(bytes.len()) {
            return Err(D::Error::custom(format!("{} bytes for a block of {dtype} of shape {shape:?}", bytes.len())));
        }
        with_dtype!(dtype, T => {
            let array = ArcArray::from_shape_vec(IxDyn(&shape), T::of_little_endian(&bytes)).map_err(D::Error::custom)?;
            Ok(T::into_block(array))
        })
    }
}
