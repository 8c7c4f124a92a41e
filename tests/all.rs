//! Behaviour across crates, as users of the facade see it.

mod all {
    mod examples;
    mod features;
    #[cfg(all(feature = "bag", feature = "frame"))]
    mod frames;
    mod interrupts;
    #[cfg(all(feature = "array", feature = "bag"))]
    mod invariants;
    #[cfg(all(feature = "array", feature = "bag", feature = "parallel"))]
    mod together;
}
