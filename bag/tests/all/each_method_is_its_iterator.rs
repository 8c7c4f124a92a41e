use arras_bag::{Bag, Error};
use arras_core::evaluate;

use crate::{PARTITIONS, computed};

fn numbers() -> Vec<i64> {
    (0..40).map(|i| (i * 37 + 11) % 23 - 7).collect()
}

/// Lengths around the size of a batch, and around nothing.
const LENGTHS: [usize; 8] = [0, 1, 2, 40, 1023, 1024, 1025, 5000];

#[test]
fn map_filter_flat_map_and_flatten() {
    for n in PARTITIONS {
        for length in LENGTHS {
            let items: Vec<usize> = (0..length).collect();
            let bag = Bag::from_sequence(items.clone(), n);
            assert_eq!(computed(&bag), items);
            assert_eq!(computed(&bag.map(|x| x * 2)), items.iter().map(|x| x * 2).collect::<Vec<_>>());
            assert_eq!(computed(&bag.filter(|x| x % 3 == 0)), items.iter().copied().filter(|x| x % 3 == 0).collect::<Vec<_>>());
            assert_eq!(
                computed(&bag.filter(|x| x % 3 == 0).filter(|x| x % 2 == 0).map(|x| x + 1)),
                items.iter().copied().filter(|x| x % 6 == 0).map(|x| x + 1).collect::<Vec<_>>()
            );
            let repeated = bag.flat_map(|&x| vec![x; x % 4]);
            assert_eq!(computed(&repeated), items.iter().flat_map(|&x| vec![x; x % 4]).collect::<Vec<_>>());
            assert_eq!(
                computed(&bag.flat_map(|&x| (x % 2 == 0).then_some(x))),
                items.iter().copied().filter(|x| x % 2 == 0).collect::<Vec<_>>()
            );
            assert_eq!(computed(&bag.map(|&x| vec![x; x % 3]).flatten()), items.iter().flat_map(|&x| vec![x; x % 3]).collect::<Vec<_>>());
            assert_eq!(computed(&Bag::from_sequence(vec![items.clone(); 2], n).flatten()), [items.clone(), items].concat());
        }
    }
}

#[test]
fn one_element_may_become_very_many() {
    let bag = Bag::from_sequence([3u64, 0, 100_000, 1], 2).flat_map(|&n| 0..n);
    assert_eq!(computed(&bag.count()), 100_004);
    assert_eq!(computed(&bag.map(|x| x * 2).filter(|x| x % 3 == 0).sum()), {
        [3u64, 0, 100_000, 1].iter().flat_map(|&n| 0..n).map(|x| x * 2).filter(|x| x % 3 == 0).sum::<u64>()
    });
}

#[test]
fn reductions() {
    for n in PARTITIONS {
        let items = numbers();
        let bag = Bag::from_sequence(items.clone(), n);
        assert_eq!(computed(&bag.count()), 40);
        assert_eq!(computed(&bag.sum()), items.iter().sum::<i64>());
        assert_eq!(computed(&bag.min()), *items.iter().min().unwrap());
        assert_eq!(computed(&bag.max()), *items.iter().max().unwrap());
        assert_eq!(computed(&bag.fold(0, |acc, x| acc + x * x, |a, b| a + b)), items.iter().map(|x| x * x).sum::<i64>());
        assert_eq!(computed(&bag.reduce(|a, b| a.max(b))), *items.iter().max().unwrap());
        assert_eq!(computed(&bag.filter(|_| false).count()), 0);
        assert_eq!(computed(&bag.filter(|x| *x == 15).reduce(|a, b| a + b)), items.iter().filter(|x| **x == 15).sum::<i64>());
        let text = bag.map(|x| format!("{x},")).reduce(|a, b| a + &b);
        assert_eq!(computed(&text), items.iter().map(|x| format!("{x},")).collect::<String>(), "order is kept");
    }
}

#[test]
fn a_fold_across_many_partitions_keeps_their_order() {
    let items: Vec<u32> = (0..1000).collect();
    for n in [1, 7, 8, 9, 64, 65, 1000] {
        let joined = Bag::from_sequence(items.clone(), n).fold(
            Vec::new(),
            |mut all: Vec<u32>, x| {
                all.push(*x);
                all
            },
            |mut a, b| {
                a.extend(b);
                a
            },
        );
        assert_eq!(computed(&joined), items, "{n} partitions");
    }
}

#[test]
fn of_equal_elements_min_is_the_first_and_max_the_last() {
    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
    struct ByKey(i32, usize);
    impl PartialEq for ByKey {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for ByKey {}
    impl PartialOrd for ByKey {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for ByKey {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    let items: Vec<ByKey> = [2, 1, 3, 1, 3, 2].into_iter().enumerate().map(|(i, key)| ByKey(key, i)).collect();
    for n in PARTITIONS {
        let bag = Bag::from_sequence(items.clone(), n);
        assert_eq!(evaluate(&bag.min()).unwrap().1, items.iter().min().unwrap().1);
        assert_eq!(evaluate(&bag.max()).unwrap().1, items.iter().max().unwrap().1);
    }
}

#[test]
fn floating_point_sums_are_the_same_bits_each_time() {
    let items: Vec<f64> = (0..10_000).map(|i| 1.0 / f64::from(i + 1)).collect();
    let bag = Bag::from_sequence(items.clone(), 13).map(|x| x * 0.1);
    let sum = computed(&bag.sum());
    assert!((sum - items.iter().map(|x| x * 0.1).sum::<f64>()).abs() < 1e-9);
    assert!(evaluate(&Bag::from_sequence([1.0, f64::NAN], 2).sum()).unwrap().is_nan());
}

#[test]
fn take_gives_the_first_elements() {
    for n in PARTITIONS {
        for length in [0, 1, 40, 3000] {
            let items: Vec<usize> = (0..length).collect();
            let bag = Bag::from_sequence(items.clone(), n);
            for wanted in [0, 1, 5, 39, 40, 41, 2999, 100_000] {
                let expected: Vec<usize> = items.iter().copied().take(wanted).collect();
                assert_eq!(computed(&bag.take(wanted)), expected);
                let expected: Vec<usize> = items.iter().filter(|x| **x % 7 == 1).map(|x| x + 1).take(wanted).collect();
                assert_eq!(computed(&bag.filter(|x| x % 7 == 1).map(|x| x + 1).take(wanted)), expected);
            }
        }
    }
    assert_eq!(computed(&Bag::from_sequence(0..100, 3).take(50).map(|x| x * 2).take(2).sum()), 2);
}

#[test]
fn an_empty_bag_has_one_empty_partition() {
    let bag = Bag::from_sequence(Vec::<i64>::new(), 5);
    assert_eq!(bag.n_partitions(), 1);
    assert_eq!(computed(&bag), [0; 0]);
    assert_eq!(computed(&bag.map(|x| x + 1).count()), 0);
    assert_eq!(computed(&bag.sum()), 0);
    assert_eq!(computed(&bag.fold(7, |a, x| a + x, |a, b| a + b)), 7);
    assert_eq!(computed(&bag.frequencies()), []);
    assert_eq!(computed(&bag.foldby(|x| *x, 0, |a, x| a + x, |a, b| a + b)), []);
    for error in [evaluate(&bag.min()), evaluate(&bag.max()), evaluate(&bag.reduce(|a, b| a + b))].map(Result::unwrap_err) {
        assert!(matches!(error.find(), Some(Error::Empty { .. })), "{error}");
    }
}

#[test]
fn partitions_are_as_even_as_can_be() {
    let lengths = |n_items: usize, n: usize| {
        let parts = Bag::from_sequence(0..n_items, n).to_delayed().unwrap();
        parts.iter().map(|part| evaluate(part).unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(lengths(10, 4), [3, 3, 2, 2]);
    assert_eq!(lengths(2, 4), [1, 1]);
    assert_eq!(lengths(0, 4), [0]);
    assert_eq!(lengths(4, 1), [4]);
}

#[test]
fn what_serde_cannot_write_may_go_through_the_middle() {
    struct Plain(std::time::Instant, i32);
    let start = std::time::Instant::now();
    let later = Bag::from_sequence(1..=3, 2).map(move |&x| Plain(start, x)).filter(|p| p.0.elapsed().as_secs() < 1_000).map(|p| p.1);
    assert_eq!(computed(&later), [1, 2, 3]);
}

#[test]
fn long_rows_of_steps_run_and_endless_ones_are_refused() {
    let mut bag = Bag::from_sequence(0..10u64, 2);
    for _ in 0..256 {
        bag = bag.map(|x| x + 1);
    }
    assert_eq!(computed(&bag), (256..266).collect::<Vec<_>>());
    let error = evaluate(&bag.map(|x| x + 1)).unwrap_err();
    assert!(matches!(error.find(), Some(Error::TooManySteps { .. })), "{error}");
}
