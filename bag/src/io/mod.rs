//! Files as bags, and bags as files.

mod lines;
pub(crate) mod text;
