//! Public behaviour of arrays, one topic a module.

mod all {
    mod blocks;
    mod broadcasting;
    mod chunking;
    mod elementwise;
    mod errors;
    mod gathering;
    mod map;
    mod numpy;
    mod oracle;
    mod overlapping;
    mod pi;
    mod random;
    mod recorded;
    mod reductions;
    mod shapes;
    mod slicing;
    mod text;
}
