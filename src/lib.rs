//! arras
