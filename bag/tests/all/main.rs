//! Bags against the same pipelines over `std` iterators, under every scheduler.

mod a_panic_tells_its_element;
#[cfg(any(feature = "avro", feature = "parquet"))]
mod avro_and_parquet;
mod bad_input_is_a_typed_error;
mod by_key_is_a_map_of_lists;
mod combining_bags_and_partitions;
mod compressed_files;
mod each_method_is_its_iterator;
mod equal_work_has_equal_names;
mod exchanges_spill;
mod groups_come_in_first_seen_order;
mod more_steps_are_their_iterators;
mod nothing_runs_early;
mod portable_runs_travel;
mod random_pipelines;
mod reading_parts_of_files;
mod reading_records;
mod reading_text;
mod samples_are_the_same_each_time;
mod sorting_is_a_stable_sort;
mod statistics_of_numbers;
mod the_last_reader_moves_what_others_copy;
mod two_bags_together;
mod writing_files;

use arras_core::{Collection, evaluate};
use arras_scheduler::{Compute, Synchronous, Threads};

/// What a collection computes to, having checked that every scheduler agrees.
fn computed<C>(collection: &C) -> C::Output
where
    C: Collection + Sync,
    C::Output: PartialEq + std::fmt::Debug + Send,
{
    let reference = evaluate(collection).unwrap();
    assert_eq!(reference, collection.compute_with(&Synchronous).unwrap());
    for n in 1..=3 {
        assert_eq!(reference, collection.compute_with(&Threads::new(n)).unwrap(), "{n} threads");
    }
    reference
}

/// Numbers of partitions that show different sides: one, an uneven few, more than there are elements.
const PARTITIONS: [usize; 3] = [1, 3, 100];
