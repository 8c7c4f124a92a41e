//! What names files to read: a path, a URL or a pattern, or several.

use std::path::{Path, PathBuf};

/// One path, URL or pattern.
pub trait PathPattern {
    #[doc(hidden)]
    fn to_pattern(&self) -> PathBuf;
}

/// Paths, URLs and patterns of files to read: one of them, or a vector, array or slice.
pub trait FilePaths {
    #[doc(hidden)]
    fn into_patterns(self) -> Vec<PathBuf>;
}

macro_rules! path_pattern {
    ($($type:ty),*) => { $(
        impl PathPattern for $type {
            fn to_pattern(&self) -> PathBuf {
                PathBuf::from(self)
            }
        }
        impl FilePaths for $type {
            fn into_patterns(self) -> Vec<PathBuf> {
                vec![self.to_pattern()]
            }
        }
        impl FilePaths for &$type {
            fn into_patterns(self) -> Vec<PathBuf> {
                vec![self.to_pattern()]
            }
        }
    )* };
}
path_pattern!(String, PathBuf);

macro_rules! borrowed_path_pattern {
    ($($type:ty),*) => { $(
        impl PathPattern for &$type {
            fn to_pattern(&self) -> PathBuf {
                PathBuf::from(self)
            }
        }
        impl FilePaths for &$type {
            fn into_patterns(self) -> Vec<PathBuf> {
                vec![self.to_pattern()]
            }
        }
    )* };
}
borrowed_path_pattern!(str, Path);

impl<P: PathPattern> FilePaths for Vec<P> {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}

impl<P: PathPattern> FilePaths for &[P] {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}

impl<P: PathPattern> FilePaths for &Vec<P> {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}

impl<P: PathPattern, const N: usize> FilePaths for [P; N] {
    fn into_patterns(self) -> Vec<PathBuf> {
        self.iter().map(P::to_pattern).collect()
    }
}
