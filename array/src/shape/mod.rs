//! Other arrangements, shapes and chunks; arrays joined and padded.

pub(crate) mod axes;
pub(crate) mod broadcast;
pub(crate) mod concatenate;
pub(crate) mod join;
pub(crate) mod pad;
pub(crate) mod rechunk;
pub(crate) mod reshape;
pub(crate) mod view;
