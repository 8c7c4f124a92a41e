//! Worker processes as a scheduler: right answers, and right answers or typed errors after any of the ways in which a worker can end. No
//! process is left over.
//!
//! A worker is this executable started again, which is why it has a `main` of its own.

mod answers;
mod cancelling;
mod ends;
mod faults;
mod functions;
mod observing;
mod sharing;
mod speed;
mod support;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    if ends::is_a_program_that_forgot_init() {
        return;
    }
    arras_scheduler::init();
    if ends::is_a_program_of_a_test() {
        return;
    }
    macro_rules! trials {
        ($($module:ident: $($name:ident),*;)*) => {
            vec![$($(Trial::test(concat!(stringify!($module), "::", stringify!($name)), || { $module::$name(); Ok::<(), Failed>(()) })),*),*]
        };
    }
    let trials = trials![
        answers:
            random_graphs_give_the_same_bits_as_the_synchronous_scheduler,
            plans_without_tasks_constants_and_keys_wanted_twice,
            trees_chains_and_wide_fans,
            values_of_a_hundred_megabytes,
            large_constants_are_handed_to_each_worker_once,
            wanted_values_that_other_tasks_read_too,
            persisted_collections_go_on,
            workers_are_kept_between_runs_and_forget_everything,
            workers_with_several_threads,
            values_over_the_memory_limit_go_to_disk_and_come_back;
        functions:
            all_kinds_of_portable_functions,
            what_cannot_travel_is_refused_before_anything_runs,
            errors_come_back_with_key_and_function,
            panics_come_back_with_their_words,
            values_and_captures_that_cannot_be_written_or_read_name_their_task,
            one_bad_value_among_many_is_named,
            a_task_that_computes_does_so_on_the_threads_of_its_worker,
            a_task_that_starts_workers_of_its_own,
            what_tasks_print_is_seen;
        faults:
            a_worker_that_is_killed_by_a_task_is_replaced,
            a_worker_that_is_killed_from_outside_is_replaced_and_only_what_it_held_is_done_again,
            a_worker_that_is_killed_between_runs_is_replaced,
            a_task_that_always_kills_its_worker_is_named_after_three_attempts,
            the_named_task_is_the_one_that_ran_even_among_threads,
            a_value_that_always_kills_its_worker_when_it_is_written_is_named,
            a_task_that_ends_its_process_is_named,
            out_of_memory_once_and_always,
            a_frozen_worker_is_found_by_its_heartbeat,
            a_worker_frozen_between_runs_is_found_by_the_next,
            a_worker_that_is_busy_is_not_taken_for_frozen,
            a_full_disk_keeps_values_in_memory,
            a_random_killer;
        cancelling:
            a_run_that_was_cancelled_before_it_began,
            a_cancelled_run_ends_and_leaves_nothing,
            a_failed_run_stops_the_others_and_leaves_nothing;
        observing:
            every_task_starts_finishes_and_is_freed,
            a_report_counts_all_tasks,
            a_failure_is_seen_before_the_run_ends,
            an_observer_that_panics_ends_the_run,
            what_is_freed_never_exceeds_what_was_finished_even_if_workers_are_lost,
            a_worker_that_is_lost_before_its_results_are_read_is_an_attempt;
        sharing:
            runs_from_several_threads_at_once,
            runs_from_tasks_of_other_schedulers,
            a_clone_outlives_the_original_during_a_run,
            dropping_ends_the_workers,
            workers_that_fetch_from_everybody_keep_few_connections;
        ends:
            workers_end_when_their_parent_is_killed,
            without_init_the_error_says_what_to_add,
            the_environment_can_choose_processes,
            few_descriptors_are_enough_and_none_is_an_error_that_costs_no_worker,
            the_folder_to_spill_to_stays_where_it_was_and_has_a_name_that_travels,
            workers_that_cannot_be_started_are_an_error_and_no_loop;
        speed:
            ten_thousand_small_tasks;
    ];
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // Whatever became of workers, all of them were waited for.
    if !conclusion.has_failed() {
        assert_eq!(support::children(), [0; 0], "processes that nobody has waited for");
    }
    conclusion.exit();
}
