use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use arras_bag::Bag;
use arras_core::{Collection, evaluate};

fn counter() -> (Arc<AtomicUsize>, impl Fn() -> usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    (calls, move || seen.swap(0, SeqCst))
}

#[test]
fn closures_are_first_called_when_the_bag_is_computed() {
    let (calls, seen) = counter();
    let bag = Bag::from_sequence(0..100, 4).map(move |x| {
        calls.fetch_add(1, SeqCst);
        x + 1
    });
    let sum = bag.filter(|x| x % 2 == 0).flat_map(|&x| [x, x]).sum();
    let groups = bag.frequencies();
    let _ = (sum.graph().unwrap(), groups.graph().unwrap(), bag.take(3).graph().unwrap(), format!("{bag} {}", bag.describe()));
    assert_eq!(seen(), 0);
    evaluate(&sum).unwrap();
    assert_eq!(seen(), 100);
}

#[test]
fn take_asks_for_as_little_as_it_needs() {
    let (calls, seen) = counter();
    let bag = Bag::from_sequence(0..100_000, 10).map(move |&x| {
        calls.fetch_add(1, SeqCst);
        x
    });
    assert_eq!(evaluate(&bag.take(0)).unwrap(), [0; 0]);
    assert_eq!(seen(), 0);
    assert_eq!(evaluate(&bag.take(5)).unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(seen(), 5);
    assert_eq!(evaluate(&bag.filter(|x| x % 100 == 99).take(2)).unwrap(), [99, 199]);
    let n = seen();
    assert!((200..=1024).contains(&n), "{n} elements were looked at");
    assert_eq!(evaluate(&bag.take(10_001)).unwrap().len(), 10_001);
    let n = seen();
    assert!((10_001..=12_000).contains(&n), "{n} elements were looked at, those of two partitions at most");
}

#[test]
fn take_opens_no_file_that_it_does_not_need() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a", "1\n2\n"), ("b", "3\n4\n"), ("c", "5\n")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let bag = Bag::read_text(["a", "b", "c"].map(|name| folder.path().join(name))).unwrap();
    // A file that is gone fails whoever opens it.
    std::fs::remove_file(folder.path().join("c")).unwrap();
    assert_eq!(evaluate(&bag.take(3)).unwrap(), ["1", "2", "3"]);
    assert_eq!(evaluate(&bag.take(4)).unwrap(), ["1", "2", "3", "4"]);
    assert!(evaluate(&bag.take(5)).is_err());
}

#[test]
fn an_endless_iterator_is_read_as_far_as_it_is_taken() {
    let endless = Bag::from_sequence([10u64, 20], 2).flat_map(|&start| start..);
    assert_eq!(evaluate(&endless.map(|x| x * 2).filter(|x| x % 3 == 0).take(3)).unwrap(), [24, 30, 36]);
}

#[test]
fn a_run_with_its_reduction_is_one_task_a_partition() {
    let bag = Bag::from_sequence(0..100, 4).map(|x| x + 1).filter(|x| x % 2 == 0).flat_map(|&x| [x, x]);
    // Four values, four runs, and the tree's one task.
    assert_eq!(bag.graph().unwrap().len(), 8);
    assert_eq!(bag.sum().graph().unwrap().len(), 9);
    assert_eq!(
        bag.describe(),
        "bag of 4 partitions\n  from_sequence → map(a_run_with_its_reduction_is_one_task_a_partition.closure) → filter(a_run_with_its_reduction_is_one_task_a_partition.closure) → flat_map(a_run_with_its_reduction_is_one_task_a_partition.closure)   [4 tasks]\n"
    );
}

#[test]
fn elements_stream_through_in_batches() {
    // How far the first step is ahead of the last shows how much lies between them.
    let (made, used) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let most = Arc::new(AtomicUsize::new(0));
    let bag = Bag::from_sequence([50_000usize], 1)
        .flat_map({
            let made = Arc::clone(&made);
            move |&n| {
                let made = Arc::clone(&made);
                (0..n).inspect(move |_| {
                    made.fetch_add(1, SeqCst);
                })
            }
        })
        .map(|x| x + 1)
        .map({
            let most = Arc::clone(&most);
            move |x| {
                let used = used.fetch_add(1, SeqCst);
                most.fetch_max(made.load(SeqCst) - used, SeqCst);
                *x
            }
        });
    assert_eq!(evaluate(&bag.count()).unwrap(), 50_000);
    assert!(most.load(SeqCst) <= 2049, "{} elements between two steps", most.load(SeqCst));
}
