//! Public behaviour of arrays, one topic a module.

mod all {
    mod along;
    mod blocks;
    mod broadcasting;
    mod chunking;
    mod elementwise;
    mod errors;
    mod measures;
    mod numpy;
    mod oracle;
    mod pi;
    mod random;
    mod reductions;
    mod sets;
    mod slicing;
    mod text;
}
