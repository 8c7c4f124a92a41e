//! Lazy, partitioned bags of any Rust values
