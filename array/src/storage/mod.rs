//! Arrays in files and object stores.

pub(crate) mod folder;
#[cfg(feature = "images")]
pub(crate) mod images;
#[cfg(feature = "hdf5")]
pub(crate) mod netcdf;
pub(crate) mod npy;
pub(crate) mod npy_stack;
pub(crate) mod sink;
pub(crate) mod source;
#[cfg(feature = "zarr")]
pub(crate) mod zarr;
