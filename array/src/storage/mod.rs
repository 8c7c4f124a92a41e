//! Arrays in files.

pub(crate) mod npy;
