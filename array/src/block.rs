//! Blocks: the values of an array's tasks, a closed enum over the element types.

use arras_core::Measure;
use ndarray::{ArcArray, IxDyn};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

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
        struct Bytes(Vec<u8>);
        impl Serialize for Bytes {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }
        let mut bytes = Vec::with_capacity(self.nbytes());
        with_dtype!(self.dtype(), T => {
            let array = T::of_block(self).expect("the dtype is the block's own");
            array.iter().for_each(|x| x.write_le(&mut bytes));
        });
        let mut parts = serializer.serialize_tuple(3)?;
        parts.serialize_element(&self.dtype())?;
        parts.serialize_element(self.shape())?;
        parts.serialize_element(&Bytes(bytes))?;
        parts.end()
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Block, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Block;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a block: element type, shape, bytes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Block, A::Error> {
                let missing = |what: &str| de::Error::custom(format!("a block without its {what}"));
                let dtype: DType = parts.next_element()?.ok_or_else(|| missing("element type"))?;
                let shape: Vec<usize> = parts.next_element()?.ok_or_else(|| missing("shape"))?;
                let bytes: Bytes = parts.next_element()?.ok_or_else(|| missing("bytes"))?;
                let expected = shape.iter().try_fold(dtype.size(), |product, &n| product.checked_mul(n));
                if expected != Some(bytes.0.len()) {
                    return Err(de::Error::custom(format!("{} bytes for a block of {dtype} of shape {shape:?}", bytes.0.len())));
                }
                with_dtype!(dtype, T => {
                    let elements: Vec<T> = bytes.0.chunks_exact(size_of::<T>()).map(T::read_le).collect();
                    let array = ArcArray::from_shape_vec(IxDyn(&shape), elements).map_err(de::Error::custom)?;
                    Ok(T::into_block(array))
                })
            }
        }
        struct Bytes(Vec<u8>);
        impl<'de> Deserialize<'de> for Bytes {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
                struct Buffer;
                impl<'de> Visitor<'de> for Buffer {
                    type Value = Bytes;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("bytes")
                    }
                    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                        Ok(Bytes(bytes.to_vec()))
                    }
                    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                        Ok(Bytes(bytes))
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Bytes, A::Error> {
                        let mut bytes = Vec::new();
                        while let Some(byte) = sequence.next_element()? {
                            bytes.push(byte);
                        }
                        Ok(Bytes(bytes))
                    }
                }
                deserializer.deserialize_byte_buf(Buffer)
            }
        }
        deserializer.deserialize_tuple(3, Parts)
    }
}
