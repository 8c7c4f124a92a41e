//! Stacks of images: many files, one array. PNG, JPEG, TIFF and BMP, by the crate image.
//!
//! ```text
//!     frame_000.png  ┌───────┐           ┌───────┐
//!     frame_001.png  │ h × w │   ──►   ┌─┴─────┐ │    (n, h, w), or (n, h, w, channels) of colours: one block a file
//!     frame_002.png  └───────┘         │       ├─┘
//!                                      └───────┘
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arras_core::{BoxError, Token};
use image::{ColorType, ImageDecoder, ImageReader};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::storage::npy::absolute;
use crate::storage::source::{self, Source};

impl<T: Element> Array<T> {
    /// The images of the files that a pattern (`*`, `?`, `[..]`) or a path means, in the order of their names: of shape `(n, h, w)` in shades of grey, `(n, h, w, channels)` in colours, one block a file. Of `u8`,
    /// `u16` or `f32`, whichever the files hold. Lazy: now only the header of the first file is read, which says shape and type of all; each file is read by the task of its block.
    ///
    /// PNG, JPEG, TIFF and BMP are told by their content. Palettes and shades of less than eight bits come as they look: as colours, and as `u8`. Of files that hold several images
    /// the first is read; how an image was turned, its metadata say, and is not heeded.
    ///
    /// ```no_run
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let frames = Array::<u8>::from_images("run/frame_*.png")?;
    /// let background = frames.cast::<f32>().mean_axis(0);
    /// # background.compute()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A run fails, and names the file, if one is gone, is no such image, or differs from the first in shape or type.
    ///
    /// # Errors
    /// [`Error::Argument`] for a pattern that is none; [`Error::File`] if no file matches, a folder cannot be read, or the first file cannot be, is no such image, or holds another
    /// type.
    pub fn from_images(pattern: impl AsRef<Path>) -> Result<Array<T>> {
        let pattern = pattern.as_ref();
        let wrong = |path: &Path, why: String| Error::File { operation: "from_images", path: path.to_owned(), why };
        let text = pattern.to_str().filter(|text| text.contains(['*', '?', '[']));
        let Some(text) = text.filter(|_| !pattern.exists()) else { return Array::from_image_files([pattern]) };
        let matches = glob::glob(text).map_err(|error| Error::argument("from_images", format!("{text:?}: {error}")))?;
        let mut paths = Vec::new();
        for entry in matches {
            let path = entry.map_err(|error| wrong(error.path(), error.error().to_string()))?;
            if !path.is_dir() {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(wrong(pattern, "no file matches".to_owned()));
        }
        paths.sort();
        Array::from_image_files(paths)
    }

    /// The images of these files, in this order: as [`from_images`](Array::from_images).
    ///
    /// # Errors
    /// [`Error::Argument`] for no files; [`Error::File`] for the first one, as [`from_images`](Array::from_images).
    pub fn from_image_files(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Array<T>> {
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| absolute(path.as_ref())).collect();
        let Some(first) = paths.first() else { return Err(Error::argument("from_images", "no files".to_owned())) };
        let wrong = |why: String| Error::File { operation: "from_images", path: first.clone(), why };
        let (dtype, shape) = header(&open(first).map_err(&wrong)?).map_err(&wrong)?;
        if dtype != T::DTYPE {
            return Err(wrong(format!("it holds {dtype}, not {}: read it as that, and cast", T::DTYPE)));
        }
        let axes = std::iter::once(vec![1; paths.len()]).chain(shape.into_iter().map(|n| vec![n])).collect();
        Ok(source::read(Images { paths: paths.into(), token: Token::unique().bits() }, Chunking::new(axes)?))
    }
}

type Decoder = Box<dyn ImageDecoder>;

fn open(path: &Path) -> Result<Decoder, String> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(|error| error.to_string())?;
    Ok(Box::new(reader.into_decoder().map_err(|error| error.to_string())?))
}

/// The type and the shape of an image.
fn header(decoder: &Decoder) -> Result<(DType, Vec<usize>), String> {
    let color = decoder.color_type();
    let dtype = match color {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => DType::U8,
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => DType::U16,
        ColorType::Rgb32F | ColorType::Rgba32F => DType::F32,
        other => return Err(format!("its colours are {other:?}, which no array here has")),
    };
    let (width, height) = decoder.dimensions();
    let channels = Some(usize::from(color.channel_count())).filter(|&n| n > 1);
    Ok((dtype, [height as usize, width as usize].into_iter().chain(channels).collect()))
}

#[derive(Clone, Serialize, Deserialize)]
struct Images {
    paths: Arc<[PathBuf]>,
    /// Files can change without a sign, so that two stacks of the same need not be the same.
    token: u128,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Images({:032x})", self.token)
    }
}

impl Source for Images {
    type Opened = ();
    fn operation(&self) -> &str {
        "from_images"
    }
    fn open(&self) -> Result<(), String> {
        Ok(())
    }
    fn read(&self, (): &(), dtype: DType, _: &Chunking, at: &BlockLocation) -> Result<Block, BoxError> {
        let path = &self.paths[at.start[0]];
        let wrong = |why: String| -> BoxError { format!("{}: {why}", path.display()).into() };
        let decoder = open(path).map_err(wrong)?;
        let (found, shape) = header(&decoder).map_err(wrong)?;
        if (found, shape.as_slice()) != (dtype, &at.shape[1..]) {
            return Err(wrong(format!("it holds {found} of shape {shape:?}, but the first file {dtype} of shape {:?}", &at.shape[1..])));
        }
        // What the header says has been compared, so this is not more than the first file promised.
        let mut bytes = vec![0; at.shape.iter().product::<usize>() * dtype.size()];
        decoder.read_image(&mut bytes).map_err(|error| wrong(error.to_string()))?;
        if cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
        }
        with_dtype!(dtype, T => {
            Ok(T::into_block(ArrayD::from_shape_vec(IxDyn(&at.shape), T::of_little_endian(&bytes))?.into_shared()))
        })
    }
}
