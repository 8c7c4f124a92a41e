//! What brings elements of equal keys together.

mod by_key;
