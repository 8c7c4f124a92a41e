//! Public behaviour of arrays, one topic a module.

mod all {
    mod along;
    mod blocks;
    mod blockwise;
    mod broadcasting;
    mod chunking;
    mod distributions;
    mod elementwise;
    mod errors;
    #[cfg(feature = "linalg")]
    mod factorisations;
    mod flat_indices;
    mod fourier;
    mod gathering;
    #[cfg(feature = "images")]
    mod images;
    mod linear;
    mod many_blocks;
    mod map;
    mod masked;
    mod masked_operations;
    mod measures;
    #[cfg(feature = "hdf5")]
    mod netcdf;
    mod npy;
    mod npy_stack;
    mod numpy;
    mod operations;
    mod options;
    mod oracle;
    mod overlapping;
    mod pi;
    mod random;
    mod recorded;
    mod reductions;
    mod sets;
    mod shapes;
    mod sinks;
    mod slicing;
    mod text;
    #[cfg(feature = "zarr")]
    mod zarr;
}
