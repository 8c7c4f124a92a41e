//! Public behaviour of the schedulers, one topic a module.

mod all {
    mod cancelling;
    mod choosing_a_scheduler;
    mod failing;
    mod memory;
    mod memory_limit;
    mod nesting;
    mod observing;
    mod same_results;
    mod shapes;
}
