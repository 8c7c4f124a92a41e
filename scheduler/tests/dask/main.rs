//! The Dask engine, on real clusters of the oldest and the newest release that is supported.
//!
//! `ARRAS_PYTHON` names a Python to test with; else `ARRAS_DASK_VERSIONS` names releases, for which environments are prepared.

mod calls;
mod cluster;
mod connecting;
mod faults;
mod plans;
mod python;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arras_scheduler::dask::PythonEnvironment;
use libtest_mimic::{Arguments, Failed, Trial};

use cluster::Release;

/// No test takes longer than this; one that hangs fails.
const LIMIT: Duration = Duration::from_secs(180);

/// The oldest and the newest release of Dask that is supported.
const VERSIONS: &str = "2023.9.3 2026.8.0";

type Test = fn(&Release);

macro_rules! tests {
    ($($module:ident: $($name:ident),* $(,)?;)*) => {
        &[$($((concat!(stringify!($module), "::", stringify!($name)), $module::$name)),*),*]
    };
}

const TESTS: &[(&str, Test)] = tests! {
    python:
        the_glue_keeps_its_promises,
        the_supervisor_keeps_its_promises;
    calls:
        a_call_runs_on_the_cluster_and_its_value_comes_back,
        equal_calls_have_equal_keys_and_run_once_while_one_is_held,
        an_impure_call_runs_each_time,
        a_map_is_a_call_for_each_item_and_the_same_as_single_calls,
        futures_are_arguments_and_are_read_where_they_are,
        errors_and_panics_come_back_with_key_function_and_words,
        what_stands_on_a_failed_call_fails_with_the_error_of_that_call,
        a_failed_call_is_retried_by_the_cluster_or_by_hand,
        a_cancelled_call_says_so_and_frees_its_worker,
        futures_end_in_their_own_order,
        callbacks_run_once_and_may_ask_for_results,
        futures_can_be_awaited,
        an_executor_may_poll_where_it_is_woken,
        values_are_scattered_broadcast_and_replicated,
        what_nobody_holds_is_forgotten_by_the_cluster,
        a_map_lets_go_of_what_only_its_ended_calls_read,
        futures_that_are_dropped_at_once_leave_nothing,
        what_cannot_travel_is_refused_at_submit,
        options_reach_the_cluster,
        text_that_slows_picklers_down_travels_too;
    connecting:
        a_program_without_init_is_told_which_line_to_add,
        a_missing_python_package_or_scheduler_is_named,
        an_executable_that_the_workers_cannot_run_is_refused,
        the_executable_travels_to_workers_that_do_not_have_it,
        a_scheduler_file_says_where_the_cluster_is,
        tls_is_spoken_with_certificates_only,
        a_lost_bridge_is_an_error_for_everyone_who_waits,
        a_lost_scheduler_is_an_error_for_everyone_who_waits,
        a_connection_that_breaks_is_an_error_for_everyone_who_waits,
        a_worker_that_hangs_does_not_hold_up_whoever_connects,
        a_client_waits_until_another_has_brought_the_executable_to_every_worker,
        programs_of_two_versions_share_a_cluster,
        another_release_of_dask_is_refused_unless_it_is_wanted,
        a_cluster_of_its_own_ends_with_the_last_holder,
        a_program_that_is_built_anew_while_it_runs_keeps_its_local_cluster,
        the_last_holder_ends_the_bridge,
        a_report_is_written_or_dask_says_what_it_lacks;
    plans:
        a_tree_gives_the_same_bits_as_threads_in_few_dask_tasks,
        persisted_values_stay_on_the_workers_and_are_read_there,
        a_value_that_another_engine_holds_is_fetched_first,
        a_failing_task_is_named_with_key_and_function,
        observers_see_every_task_once,
        a_cancelled_run_stops_and_leaves_nothing,
        large_constants_travel_once,
        a_key_that_names_something_else_later_is_not_mistaken,
        a_task_computes_on_the_threads_of_its_worker,
        datasets_outlive_the_client_that_published_them,
        two_threads_share_a_client;
    faults:
        a_worker_killed_in_the_middle_costs_no_result,
        a_worker_killed_that_nobody_restarts_costs_no_result,
        a_killed_executable_takes_its_worker_along_and_costs_no_result,
        a_task_that_aborts_is_named_after_it_has_ended_enough_workers,
        errors_and_panics_are_retried_as_often_as_asked,
        a_worker_that_joins_late_gets_work,
        a_worker_that_joins_late_and_cannot_run_the_executable_is_named,
        a_retired_worker_hands_its_values_on,
        a_restart_cancels_futures_and_brings_new_workers,
        a_killed_client_leaves_no_values_and_no_process,
        values_beyond_the_memory_limit_are_spilled_and_read_back,
        values_that_fail_to_arrive_are_fetched_again,
        scattered_constants_lost_with_their_worker_are_sent_again;
};

fn main() {
    if std::env::args().any(|argument| argument == connecting::WITHOUT_INIT) {
        return connecting::without_init();
    }
    arras_scheduler::init();
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, address, python] = &words[..]
        && word == faults::HOLDER
    {
        return faults::hold(address, python);
    }
    if let [_, word, python] = &words[..]
        && word == connecting::REPLACED
    {
        return connecting::replaced(python);
    }
    let mut arguments = Arguments::from_args();
    // Each test has a cluster of its own, which wants the machine.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let mut trials = Vec::new();
    for label in labels() {
        for &(name, test) in TESTS {
            let label = label.clone();
            trials.push(Trial::test(format!("{label}::{name}"), move || twice(name, || bounded(test, release(&label)?))));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    cluster::end_shared();
    conclusion.exit();
}

const NAMED: &str = "ARRAS_PYTHON";

fn labels() -> Vec<String> {
    if std::env::var_os(NAMED).is_some() {
        return vec![NAMED.to_owned()];
    }
    let versions = std::env::var("ARRAS_DASK_VERSIONS").unwrap_or_else(|_| VERSIONS.to_owned());
    versions.split_whitespace().map(str::to_owned).collect()
}

/// The release of this label, its environment prepared once.
fn release(label: &str) -> Result<Release, Failed> {
    static PREPARED: Mutex<Vec<Release>> = Mutex::new(Vec::new());
    let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(release) = prepared.iter().find(|release| release.label == label) {
        return Ok(release.clone());
    }
    let python = match std::env::var_os(NAMED) {
        Some(python) => python.into(),
        None => PythonEnvironment::prepare(Some(label))?,
    };
    prepared.push(Release { label: label.to_owned(), python });
    Ok(prepared[prepared.len() - 1].clone())
}

/// Runs a test, and once more if it fails: the clusters are Dask's own, which loses a race now and then, the older releases more often. What is wrong with us fails
/// again.
fn twice(name: &str, test: impl Fn() -> Result<(), Failed>) -> Result<(), Failed> {
    test().or_else(|failed| {
        eprintln!("{name} failed, and is tried once more: {}", failed.message().unwrap_or_default());
        test()
    })
}

/// Runs a test on a thread of its own, and fails it if it does not end.
fn bounded(test: Test, release: Release) -> Result<(), Failed> {
    let (sender, ended) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        test(&release);
        let _ = sender.send(());
    });
    match ended.recv_timeout(LIMIT) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(format!("not done within {LIMIT:?}").into()),
        _ => thread.join().map_err(|panic| {
            let panic = arras_core::Panic::caught(panic);
            Failed::from(panic.message())
        }),
    }
}
