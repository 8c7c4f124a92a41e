//! Exchanges under a memory limit far below what they move: values go to disk, come back, and leave nothing there.

use std::collections::BTreeMap;

use arras_bag::Bag;
use arras_core::{Collection, evaluate};
use arras_scheduler::{Compute, Recorder, RunReport, Scheduler, Threads};

/// Pairs of some 25 MB, made as they are needed.
fn pairs() -> Bag<(u64, String)> {
    Bag::from_sequence(0..16u64, 16)
        .flat_map(|&part| (0..20_000u64).map(move |i| part * 20_000 + i))
        .map(|&i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44, format!("value number {i}")))
}

const LIMIT: u64 = 6 << 20;

/// Computes under the limit, and checks that the folder for what goes to disk is empty before and after.
fn limited<C>(collection: &C, n_threads: usize) -> (arras_core::Result<C::Output>, RunReport)
where
    C: Collection + Sync,
    C::Output: Send,
{
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::new();
    let threads = Threads::new(n_threads).memory_limit(LIMIT).spill_directory(folder.path());
    let result = collection.compute_with(&threads.observed_by(recorder.clone()));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left on disk");
    (result, recorder.report())
}

#[test]
fn all_kinds_under_a_small_limit() {
    macro_rules! spills {
        ($($bag:expr),* $(,)?) => { $({
            let sum = $bag.map(|x| format!("{x:?}").len() as u64).sum();
            let expected = evaluate(&sum).unwrap();
            for n in [1, 3] {
                let (result, report) = limited(&sum, n);
                assert_eq!(result.unwrap(), expected);
                assert!(report.spilled > 10 && report.spilled_nbytes as u64 > LIMIT, "{report}");
                // A task that runs holds its inputs and what it makes besides.
                assert!((report.peak_live_nbytes as u64) < LIMIT + n as u64 * (8 << 20), "{report}");
            }
        })* };
    }
    let bag = pairs();
    spills!(
        bag.reduce_by_key(|a, b| a.max(b)),
        bag.group_by_key(),
        bag.sort_by_key(),
        bag.join(&bag.map_values(String::len)),
        bag.distinct(),
        bag.partition_by_key(16),
    );
}

#[test]
fn order_survives_the_disk() {
    let sorted = pairs().sort_by_key();
    let (result, report) = limited(&sorted, 2);
    let mut expected = evaluate(&pairs()).unwrap();
    expected.sort_by_key(|x| x.0);
    assert!(result.unwrap() == expected);
    assert!(report.spilled > 0, "{report}");
    let mut lists: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    evaluate(&pairs()).unwrap().into_iter().for_each(|(key, text)| lists.entry(key).or_default().push(text));
    let (groups, _) = limited(&pairs().group_by_key(), 2);
    assert!(groups.unwrap().into_iter().collect::<BTreeMap<_, _>>() == lists);
}

#[test]
fn one_hot_key_is_no_more_than_its_values() {
    let hot = pairs().map(|(key, text)| (key % 50 / 49, text.clone()));
    let few = Bag::from_sequence([(0u64, 'a'), (1, 'b'), (0, 'c')], 3);
    let (n, report) = limited(&hot.join(&few).count(), 2);
    let zeros = evaluate(&hot.filter(|x| x.0 == 0).count()).unwrap();
    assert_eq!(n.unwrap(), 2 * zeros + (320_000 - zeros));
    assert!((report.peak_live_nbytes as u64) < 40 << 20, "{report}");
    // Equal keys are cut apart: no partition is larger than the others.
    let (n, report) = limited(&hot.sort_by_key().count(), 2);
    assert_eq!(n.unwrap(), 320_000);
    assert!((report.peak_live_nbytes as u64) < LIMIT + (8 << 20), "{report}");
}

#[test]
fn a_closure_that_panics_leaves_nothing_on_disk() {
    let bag = pairs().group_by_key().map(|(key, texts)| {
        assert!(*key != 77, "no {key} please");
        texts.len()
    });
    let key_is_there = evaluate(&pairs().filter(|x| x.0 == 77).count()).unwrap() > 0;
    assert!(key_is_there);
    let (result, report) = limited(&bag.sum(), 2);
    assert!(result.unwrap_err().to_string().contains("no 77 please"));
    assert!(report.spilled > 0, "{report}");
}
