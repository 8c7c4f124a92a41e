//! Public behaviour of the core, one topic a module.

mod all {
    mod bundle;
    mod bundle_invariants;
    mod delayed;
    mod draw;
    mod drawing;
    mod error;
    mod graph;
    mod interop;
    mod layers;
    mod merge;
    mod optimise;
    mod order;
    mod order_of_trees;
    mod portable;
    mod reference;
    mod value;
    mod wire;
}
