//! Blocks: the values of an array's tasks, a closed enum over the element types.

use arras_core::Measure;
use ndarray::{ArcArray, IxDyn};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::dtype::{DType, Element, for_each_dtype, with_dtype};

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

impl Measure for Block {
    /// The bytes of the block's own elements. A view counts as what it shows, though it keeps the buffer that it shares alive.
    fn nbytes(&self) -> usize {
        self.shape().iter().product::<usize>() * self.dtype().size()
    }
}

/// On the wire: the type, the shape, the elements in row-major order as little-endian bytes.
impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.nbytes());
        with_dtype!(self.dtype(), T => {
            let array = T::of_block(self).expect("the dtype is the block's own");
            array.iter().for_each(|x| x.write_le(&mut bytes));
        });
        (self.dtype(), self.shape(), ByteBuf::from(bytes)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Block, D::Error> {
        let (dtype, shape, bytes): (DType, Vec<usize>, ByteBuf) = Deserialize::deserialize(deserializer)?;
        let expected = shape.iter().try_fold(dtype.size(), |product, &n| product.checked_mul(n));
        if expected != Some(bytes.len()) {
            return Err(D::Error::custom(format!("{} bytes for a block of {dtype} of shape {shape:?}", bytes.len())));
        }
        with_dtype!(dtype, T => {
            let elements: Vec<T> = bytes.chunks_exact(size_of::<T>()).map(T::read_le).collect();
            let array = ArcArray::from_shape_vec(IxDyn(&shape), elements).map_err(D::Error::custom)?;
            Ok(T::into_block(array))
        })
    }
}
