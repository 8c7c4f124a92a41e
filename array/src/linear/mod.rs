//! Products and contractions, Fourier transforms, factorisations.

#[cfg(feature = "linalg")]
pub(crate) mod blocked;
pub(crate) mod contract;
pub(crate) mod fft;
#[cfg(feature = "linalg")]
pub(crate) mod kernels;
#[cfg(feature = "linalg")]
pub(crate) mod linalg;
pub(crate) mod norms;
