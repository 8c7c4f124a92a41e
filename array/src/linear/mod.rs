//! Products and contractions, Fourier transforms, factorisations.

pub(crate) mod contract;
pub(crate) mod fft;
#[cfg(feature = "linalg")]
pub(crate) mod linalg;
