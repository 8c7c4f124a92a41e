//! What a Zarr array says of itself, in `zarr.json` or in `.zarray` and `.zattrs`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::engine::dtype::{DType, Element, Scalar, for_each_dtype};
use crate::storage::npy;

/// How chunks are made smaller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Compressor {
    /// Not at all.
    None,
    /// DEFLATE, of level 0 to 9.
    Gzip {
        /// The level.
        level: u32,
    },
    /// Zstandard, of level -131072 to 22. Level 3 is what is used unless something else is asked for.
    Zstd {
        /// The level.
        level: i32,
    },
    /// Blosc: bytes are shuffled, so that those of equal weight lie together, and compressed in blocks.
    Blosc {
        /// One of `blosclz`, `lz4`, `lz4hc`, `snappy`, `zlib` and `zstd`.
        codec: String,
        /// The level, from 0 to 9.
        level: u8,
        /// Whether bytes are shuffled.
        shuffle: bool,
    },
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor::Zstd { level: 3 }
    }
}

impl Compressor {
    /// Blosc with bytes shuffled.
    pub fn blosc(codec: &str, level: u8) -> Compressor {
        Compressor::Blosc { codec: codec.to_owned(), level, shuffle: true }
    }

    /// As version 3 names it.
    fn codec(&self, dtype: DType) -> Option<Value> {
        Some(match self {
            Compressor::None => return None,
            Compressor::Gzip { level } => json!({"name": "gzip", "configuration": {"level": level}}),
            Compressor::Zstd { level } => json!({"name": "zstd", "configuration": {"level": level, "checksum": false}}),
            Compressor::Blosc { codec, level, shuffle } => json!({"name": "blosc", "configuration": {
                "cname": codec, "clevel": level, "shuffle": if *shuffle { "shuffle" } else { "noshuffle" }, "typesize": dtype.size(), "blocksize": 0
            }}),
        })
    }

    /// As version 2 names it.
    fn numcodec(&self) -> Value {
        match self {
            Compressor::None => Value::Null,
            Compressor::Gzip { level } => json!({"id": "gzip", "level": level}),
            Compressor::Zstd { level } => json!({"id": "zstd", "level": level}),
            Compressor::Blosc { codec, level, shuffle } => {
                json!({"id": "blosc", "cname": codec, "clevel": level, "shuffle": i32::from(*shuffle), "blocksize": 0})
            }
        }
    }
}

/// What is to be said of a new array.
pub(super) struct New<'a> {
    pub(super) version: u8,
    pub(super) dtype: DType,
    pub(super) shape: &'a [usize],
    pub(super) chunks: &'a [usize],
    pub(super) shards: Option<&'a [usize]>,
    pub(super) compressor: &'a Compressor,
    pub(super) fill: Scalar,
    pub(super) dimension_names: Option<&'a [String]>,
    pub(super) attributes: &'a Map<String, Value>,
}

impl New<'_> {
    /// The description, without attributes in version 2, where they have a file of their own.
    pub(super) fn json(&self) -> Value {
        let fill = fill_json(self.fill);
        if self.version == 2 {
            return json!({
                "zarr_format": 2, "shape": self.shape, "chunks": self.chunks, "dtype": npy::descr(self.dtype), "compressor": self.compressor.numcodec(),
                "fill_value": fill, "order": "C", "filters": null
            });
        }
        let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
        let inner: Vec<Value> = [Some(bytes.clone()), self.compressor.codec(self.dtype)].into_iter().flatten().collect();
        let codecs = match self.shards {
            None => json!(inner),
            Some(_) => json!([{"name": "sharding_indexed", "configuration": {
                "chunk_shape": self.chunks, "codecs": inner, "index_codecs": [bytes, {"name": "crc32c"}], "index_location": "end"
            }}]),
        };
        let mut json = json!({
            "zarr_format": 3, "node_type": "array", "shape": self.shape, "data_type": name(self.dtype),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self.shards.unwrap_or(self.chunks)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": fill, "codecs": codecs, "attributes": self.attributes
        });
        if let Some(names) = self.dimension_names {
            json["dimension_names"] = json!(names);
        }
        json
    }

    /// The attributes as version 2 has them: the names of dimensions among them, where xarray looks for them.
    pub(super) fn attributes_2(&self) -> Map<String, Value> {
        let mut attributes = self.attributes.clone();
        if let Some(names) = self.dimension_names {
            attributes.insert("_ARRAY_DIMENSIONS".to_owned(), json!(names));
        }
        attributes
    }
}

/// The name of a type in version 3.
fn name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::I8 => "int8",
        DType::I16 => "int16",
        DType::I32 => "int32",
        DType::I64 => "int64",
        DType::U8 => "uint8",
        DType::U16 => "uint16",
        DType::U32 => "uint32",
        DType::U64 => "uint64",
        DType::F32 => "float32",
        DType::F64 => "float64",
        DType::C32 => "complex64",
        DType::C64 => "complex128",
    }
}

/// The type of a name of either version.
pub(super) fn dtype_of(metadata: &Value) -> Result<DType, String> {
    let all = [
        DType::Bool,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::F32,
        DType::F64,
        DType::C32,
        DType::C64,
    ];
    let found = metadata.get("data_type").or_else(|| metadata.get("dtype")).ok_or("it names no type of elements")?;
    // Byte orders are zarrs' business.
    let is = |dtype: &DType| match found.as_str() {
        Some(text) => text == name(*dtype) || text.strip_prefix(['<', '>', '|']).is_some_and(|kind| kind == &npy::descr(*dtype)[1..]),
        None => false,
    };
    all.into_iter().find(is).ok_or_else(|| format!("its elements are {found}, which no array here has"))
}

fn fill_json(fill: Scalar) -> Value {
    fn float(x: f64) -> Value {
        match x {
            _ if x.is_nan() => json!("NaN"),
            _ if x == f64::INFINITY => json!("Infinity"),
            _ if x == f64::NEG_INFINITY => json!("-Infinity"),
            _ => json!(x),
        }
    }
    match fill {
        Scalar::Bool(x) => json!(x),
        Scalar::F32(x) => float(f64::from(x)),
        Scalar::F64(x) => float(x),
        Scalar::C32(x) => json!([float(f64::from(x.re)), float(f64::from(x.im))]),
        Scalar::C64(x) => json!([float(x.re), float(x.im)]),
        Scalar::U64(x) => json!(x),
        fill => json!(integer(fill)),
    }
}

/// The value of a signed integer, or of an unsigned one of fewer than 64 bits.
fn integer(scalar: Scalar) -> i64 {
    macro_rules! integer {
        ($($t:ident $v:ident),*) => { match scalar { $(Scalar::$v(x) => x.to_i64(),)* } };
    }
    for_each_dtype!(integer)
}

/// The zero of a type.
pub(super) fn zero(dtype: DType) -> Scalar {
    crate::engine::dtype::with_dtype!(dtype, T => T::default().into_scalar())
}
