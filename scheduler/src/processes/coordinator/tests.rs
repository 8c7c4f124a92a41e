//! The coordinator, fed with events: by hand, and by a small world of workers that are lost at random.

use super::*;

mod world;

/// A shape from rows of (values made, values read).
fn shape(rows: &[(usize, &[u32])], n_given: usize, wanted: &[u32]) -> Arc<Shape> {
    Arc::new(Shape::new(rows.iter().map(|row| row.0), rows.iter().map(|row| row.1.to_vec()), n_given, wanted.iter().copied()))
}

fn seat(worker: usize, life: u64) -> Seat {
    Seat { worker, life }
}

fn started(shape: Arc<Shape>, given_nbytes: &[u64], n_workers: usize, attempts: u32) -> Coordinator {
    let mut coordinator = Coordinator::new(shape, given_nbytes, n_workers, attempts, 100);
    for worker in 0..n_workers {
        coordinator.joined(seat(worker, 1));
    }
    coordinator
}

fn run(coordinator: &mut Coordinator, seat: Seat) -> Assignment {
    match coordinator.take(seat) {
        Some(Work::Run(assignment)) => assignment,
        other => panic!("expected a bundle, found {other:?}"),
    }
}

/// Takes a bundle, brings what it reads, and runs it.
fn run_whole(coordinator: &mut Coordinator, seat: Seat, nbytes: u64) -> u32 {
    let assignment = run(coordinator, seat);
    for fetch in &assignment.fetches {
        coordinator.fetched(seat, fetch.value, fetch.id);
    }
    coordinator.finished(seat, &assignment, &vec![nbytes; assignment.results.len()]);
    assignment.bundle
}

/// Two roots, a bundle that reads both.
const JOIN: &[(usize, &[u32])] = &[(1, &[]), (1, &[]), (1, &[0, 1])];

#[test]
fn a_bundle_goes_where_most_of_its_input_is_and_the_rest_is_fetched() {
    let mut coordinator = started(shape(JOIN, 0, &[2]), &[], 2, 3);
    let (first, second) = (run(&mut coordinator, seat(0, 1)), run(&mut coordinator, seat(1, 1)));
    assert_eq!((first.bundle, second.bundle), (0, 1));
    assert_eq!((&first.results, &second.results), (&vec![(0, 100)], &vec![(1, 101)]));
    coordinator.finished(seat(0, 1), &first, &[10]);
    assert_eq!(coordinator.take(seat(0, 1)), None);
    coordinator.finished(seat(1, 1), &second, &[1000]);
    let join = run(&mut coordinator, seat(1, 1));
    let fetch = Fetch { value: 0, from: Some((seat(0, 1), 100)), id: 102 };
    assert_eq!(join, Assignment { bundle: 2, is_last: false, arguments: vec![102, 101], fetches: vec![fetch], results: vec![(2, 103)] });
}

#[test]
fn a_value_is_dropped_everywhere_after_its_last_reader_and_a_wanted_one_once_it_is_home() {
    let mut coordinator = started(shape(JOIN, 0, &[2]), &[], 2, 3);
    run_whole(&mut coordinator, seat(0, 1), 10);
    run_whole(&mut coordinator, seat(1, 1), 10);
    assert_eq!(run_whole(&mut coordinator, seat(0, 1), 10), 2);
    assert_eq!((coordinator.drops(0), coordinator.drops(1)), (vec![100, 102], vec![101]));
    assert_eq!(coordinator.freed(), [0, 1]);
    assert_eq!(coordinator.take(seat(0, 1)), Some(Work::Collect(vec![(2, 103)])));
    assert_eq!(coordinator.take(seat(0, 1)), None);
    assert!(!coordinator.is_done());
    coordinator.collected(seat(0, 1), 2);
    assert!(coordinator.is_done() && coordinator.is_unneeded(2));
    assert_eq!((coordinator.drops(0), coordinator.held(0), coordinator.held(1)), (vec![103], vec![], vec![]));
    assert_eq!(coordinator.freed(), [0; 0]);
}

#[test]
fn a_given_value_is_put_once_a_worker() {
    let mut coordinator = started(shape(&[(1, &[2]), (1, &[2])], 1, &[0, 1]), &[1 << 20], 1, 3);
    let first = run(&mut coordinator, seat(0, 1));
    assert_eq!(first.fetches, [Fetch { value: 2, from: None, id: 100 }]);
    assert!(!coordinator.fetched(seat(0, 1), 2, 100));
    coordinator.finished(seat(0, 1), &first, &[8]);
    coordinator.take(seat(0, 1)).unwrap();
    coordinator.collected(seat(0, 1), 0);
    let second = run(&mut coordinator, seat(0, 1));
    assert_eq!((second.arguments.as_slice(), second.fetches.as_slice()), ([100].as_slice(), [].as_slice()));
    coordinator.finished(seat(0, 1), &second, &[8]);
    assert!(coordinator.is_unneeded(2) && coordinator.drops(0).contains(&100));
}

#[test]
fn only_what_was_lost_and_is_still_needed_is_done_again() {
    // A chain 0 → 1 → 3, and 2 beside it; 3 reads 1 and 2.
    let rows: &[(usize, &[u32])] = &[(1, &[]), (1, &[0]), (1, &[]), (1, &[1, 2])];
    let mut coordinator = started(shape(rows, 0, &[3]), &[], 2, 3);
    assert_eq!(run_whole(&mut coordinator, seat(0, 1), 8), 0);
    assert_eq!(run_whole(&mut coordinator, seat(0, 1), 8), 1);
    assert_eq!(run_whole(&mut coordinator, seat(1, 1), 8), 2);
    coordinator.freed();
    coordinator.lost(seat(0, 1), None);
    // 1 was lost and is needed; it reads 0, which was dropped long ago. 2 is not touched.
    assert_eq!(coordinator.freed(), [1]);
    assert_eq!((0..4).map(|bundle| coordinator.is_bundle_done(bundle)).collect::<Vec<_>>(), [false, false, true, false]);
    assert_eq!((0..3).map(|_| run_whole(&mut coordinator, seat(1, 1), 8)).collect::<Vec<_>>(), [0, 1, 3]);
}

#[test]
fn what_came_home_before_its_worker_was_lost_is_read_from_home() {
    let mut coordinator = started(shape(&[(1, &[]), (1, &[0])], 0, &[0, 1]), &[], 2, 3);
    run_whole(&mut coordinator, seat(0, 1), 8);
    coordinator.take(seat(0, 1)).unwrap();
    coordinator.collected(seat(0, 1), 0);
    coordinator.lost(seat(0, 1), None);
    let reader = run(&mut coordinator, seat(1, 1));
    assert_eq!((reader.bundle, reader.fetches[0].from), (1, None));
}

#[test]
fn a_bundle_whose_worker_was_lost_is_tried_again_the_last_time_alone() {
    let mut coordinator = started(shape(&[(1, &[]), (1, &[])], 0, &[0, 1]), &[], 1, 3);
    for life in 1..3 {
        coordinator.joined(seat(0, life));
        let attempt = run(&mut coordinator, seat(0, life));
        assert_eq!((attempt.bundle, attempt.is_last), (0, false));
        coordinator.lost(seat(0, life), None);
    }
    coordinator.joined(seat(0, 3));
    let beside = run(&mut coordinator, seat(0, 3));
    assert_eq!(beside.bundle, 0, "an idle worker takes the last attempt first");
    assert!(beside.is_last);
    assert_eq!(coordinator.take(seat(0, 3)), None, "nothing runs beside the last attempt");
    assert!(!coordinator.is_exhausted(0));
    coordinator.lost(seat(0, 3), None);
    assert!(coordinator.is_exhausted(0));
    coordinator.joined(seat(0, 4));
    assert_eq!(run(&mut coordinator, seat(0, 4)).bundle, 1);
    assert_eq!(coordinator.take(seat(0, 4)), None, "there is no further attempt");
}

#[test]
fn one_of_two_bundles_of_a_worker_waits_with_its_last_attempt_until_the_other_is_done() {
    let mut coordinator = started(shape(&[(1, &[]), (1, &[]), (1, &[])], 0, &[0, 1, 2]), &[], 1, 2);
    let (_, _) = (run(&mut coordinator, seat(0, 1)), run(&mut coordinator, seat(0, 1)));
    coordinator.lost(seat(0, 1), None);
    coordinator.joined(seat(0, 2));
    let last = run(&mut coordinator, seat(0, 2));
    assert_eq!((last.bundle, last.is_last), (0, true));
    assert_eq!(coordinator.take(seat(0, 2)), None);
    coordinator.finished(seat(0, 2), &last, &[8]);
    assert_eq!(coordinator.take(seat(0, 2)), Some(Work::Collect(vec![(0, last.results[0].1)])));
    assert_eq!(run(&mut coordinator, seat(0, 2)).bundle, 1);
}

#[test]
fn what_a_former_life_of_a_worker_says_is_ignored() {
    let mut coordinator = started(shape(JOIN, 0, &[2]), &[], 1, 3);
    let stale = run(&mut coordinator, seat(0, 1));
    coordinator.lost(seat(0, 1), None);
    coordinator.joined(seat(0, 2));
    let again = run(&mut coordinator, seat(0, 2));
    assert_eq!(again.bundle, stale.bundle);
    assert!(!coordinator.finished(seat(0, 1), &stale, &[8]));
    coordinator.returned(seat(0, 1), &stale);
    coordinator.lost(seat(0, 1), None);
    coordinator.vanished(seat(0, 1), stale.results[0].1);
    assert_eq!(coordinator.take(seat(0, 1)), None);
    assert!(!coordinator.is_bundle_done(0));
    coordinator.finished(seat(0, 2), &again, &[8]);
    assert!(coordinator.is_bundle_done(0));
}

#[test]
fn a_life_that_was_lost_does_not_come_back() {
    let mut coordinator = started(shape(JOIN, 0, &[2]), &[], 1, 3);
    run(&mut coordinator, seat(0, 1));
    coordinator.lost(seat(0, 1), None);
    // Said by somebody who connected just before it ended.
    coordinator.joined(seat(0, 1));
    assert_eq!(coordinator.take(seat(0, 1)), None);
    coordinator.joined(seat(0, 2));
    run(&mut coordinator, seat(0, 2));
    coordinator.joined(seat(0, 1));
    assert!(coordinator.is_current(seat(0, 2)));
}

#[test]
fn a_value_on_its_way_while_its_worker_is_lost_is_not_made_again() {
    let mut coordinator = started(shape(JOIN, 0, &[2]), &[], 2, 3);
    run_whole(&mut coordinator, seat(0, 1), 8);
    run_whole(&mut coordinator, seat(1, 1), 8);
    let join = run(&mut coordinator, seat(1, 1));
    coordinator.lost(seat(0, 1), None);
    assert!(!coordinator.is_bundle_done(0));
    let was_nowhere = coordinator.fetched(seat(1, 1), join.fetches[0].value, join.fetches[0].id);
    assert!(was_nowhere, "others may have waited for it, and are told");
    assert!(coordinator.is_bundle_done(0));
    coordinator.joined(seat(0, 2));
    assert_eq!(coordinator.take(seat(0, 2)), None);
}

#[test]
fn a_value_that_a_store_does_not_hold_is_made_again_and_its_reader_waits() {
    let mut coordinator = started(shape(JOIN, 0, &[2]), &[], 1, 3);
    run_whole(&mut coordinator, seat(0, 1), 8);
    run_whole(&mut coordinator, seat(0, 1), 8);
    let join = run(&mut coordinator, seat(0, 1));
    coordinator.vanished(seat(0, 1), join.arguments[1]);
    coordinator.returned(seat(0, 1), &join);
    assert_eq!((0..2).map(|_| run_whole(&mut coordinator, seat(0, 1), 8)).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_value_that_kills_whoever_hands_it_out_is_its_bundles_fault() {
    let mut coordinator = started(shape(&[(1, &[])], 0, &[0]), &[], 1, 3);
    for life in 1..=3 {
        coordinator.joined(seat(0, life));
        assert!(!coordinator.is_exhausted(0));
        run_whole(&mut coordinator, seat(0, life), 8);
        assert!(matches!(coordinator.take(seat(0, life)), Some(Work::Collect(_))));
        coordinator.lost(seat(0, life), Some(0));
        // Said twice, it counts once.
        coordinator.lost(seat(0, life), Some(0));
    }
    assert!(coordinator.is_exhausted(0));
    coordinator.joined(seat(0, 4));
    assert_eq!(coordinator.take(seat(0, 4)), None);
}
