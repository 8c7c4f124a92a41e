//! Lazy, chunked n-dimensional arrays over ndarray
