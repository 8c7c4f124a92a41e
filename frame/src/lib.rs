//! Lazy, partitioned dataframes over polars
