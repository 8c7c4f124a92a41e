//! What makes one value of a bag.

mod reduce;
