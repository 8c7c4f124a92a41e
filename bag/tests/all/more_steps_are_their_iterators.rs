use arras_bag::{Bag, Error};
use arras_core::{Collection, evaluate};
use arras_scheduler::{Compute, Threads};

use crate::{PARTITIONS, computed};

/// Lengths around the size of a batch, and around nothing.
const LENGTHS: [usize; 6] = [0, 1, 40, 511, 513, 3000];

#[test]
fn ranges() {
    for n in PARTITIONS {
        for length in LENGTHS {
            assert_eq!(computed(&Bag::range(5..5 + length, n)), (5..5 + length).collect::<Vec<_>>());
            assert_eq!(Bag::range(0..length, n).n_partitions(), n.min(length.max(1)));
        }
        assert_eq!(computed(&Bag::range(-100i8..127, n)), (-100i8..127).collect::<Vec<_>>());
        assert!(computed(&Bag::range(std::ops::Range { start: 5u8, end: 3 }, n)).is_empty());
        assert_eq!(computed(&Bag::range(u64::MAX - 700..u64::MAX, n)), (u64::MAX - 700..u64::MAX).collect::<Vec<_>>());
        assert_eq!(computed(&Bag::range(i64::MIN..i64::MIN + 600, n).map(|x| x.wrapping_add(1)).max()), i64::MIN + 600);
    }
    assert_eq!(evaluate(&Bag::range(i64::MIN..i64::MAX, 3).take(2)).unwrap(), [i64::MIN, i64::MIN + 1]);
    assert_eq!(evaluate(&Bag::range(0..u64::MAX, 1_000).first()).unwrap(), 0);
    assert_eq!(Bag::range(0..10, 3).keys(), Bag::range(0..10, 3).keys());
    assert_ne!(Bag::range(0..10, 3).keys(), Bag::range(0..10, 2).keys());
    assert_ne!(Bag::range(0..10i32, 3).name(), Bag::range(0..10u32, 3).name());
    assert!(matches!(Bag::range(0..3, 0).graph().unwrap_err().find(), Some(Error::ZeroPartitions { operation: "range" })));
}

#[test]
fn remove_inspect_key_by_and_glom() {
    for n in PARTITIONS {
        for length in LENGTHS {
            let items: Vec<usize> = (0..length).collect();
            let bag = Bag::from_sequence(items.clone(), n);
            assert_eq!(computed(&bag.remove(|x| x % 3 == 0)), items.iter().copied().filter(|x| x % 3 != 0).collect::<Vec<_>>());
            assert_eq!(
                computed(&bag.map(|x| x + 1).remove(|x| x % 3 == 0)),
                items.iter().map(|x| x + 1).filter(|x| x % 3 != 0).collect::<Vec<_>>()
            );
            assert_eq!(computed(&bag.inspect(|x| assert!(*x < 3000)).map(|x| x * 2)), items.iter().map(|x| x * 2).collect::<Vec<_>>());
            assert_eq!(computed(&bag.key_by(|x| x % 7)), items.iter().map(|x| (x % 7, *x)).collect::<Vec<_>>());
            let parts = computed(&bag.glom());
            assert_eq!((parts.len(), parts.concat()), (bag.n_partitions(), items));
        }
    }
}

#[test]
fn inspect_sees_each_element_once_and_in_order() {
    use std::sync::{Arc, Mutex};
    let seen = Arc::new(Mutex::new(Vec::new()));
    let bag = Bag::range(0..2000, 1).filter(|x| x % 2 == 0).inspect({
        let seen = Arc::clone(&seen);
        move |x| seen.lock().unwrap().push(*x)
    });
    assert_eq!(evaluate(&bag.map(|x| x + 1).count()).unwrap(), 1000);
    assert_eq!(*seen.lock().unwrap(), (0..2000).step_by(2).collect::<Vec<_>>());
}

#[test]
fn tuples() {
    for n in PARTITIONS {
        let bag = Bag::range(0..700i64, n);
        let pairs = bag.map(|x| (*x, x * x));
        assert_eq!(computed(&pairs.starmap(|a, b| b - a)), (0..700).map(|x| x * x - x).collect::<Vec<_>>());
        assert_eq!(computed(&pairs.unzip()), ((0..700).collect(), (0..700).map(|x| x * x).collect()));
        let six = bag.map(|&x| (x, 1u8, 'c', "d", 2.5, [x]));
        assert_eq!(
            computed(&six.starmap(|a, _, _, d, _, f| format!("{a}{d}{}", f[0]))),
            (0..700).map(|x| format!("{x}d{x}")).collect::<Vec<_>>()
        );
    }
}

#[test]
fn places_in_the_bag() {
    for n in PARTITIONS {
        for length in LENGTHS {
            let kept = || (0..length).filter(|x| x % 3 != 1);
            let bag = Bag::range(0..length, n).filter(|x| x % 3 != 1);
            assert_eq!(computed(&bag.enumerate()), (0u64..).zip(kept()).collect::<Vec<_>>());
            assert_eq!(computed(&bag.zip_with_index()), kept().zip(0u64..).collect::<Vec<_>>());
            let both = Bag::concat([bag.clone(), Bag::from_sequence([7; 600], 2), bag.clone()]);
            let expected = (0u64..).zip(kept().chain([7; 600]).chain(kept()));
            assert_eq!(computed(&both.enumerate()), expected.clone().collect::<Vec<_>>());
            assert_eq!(
                computed(&both.enumerate().filter(|(i, _)| i % 2 == 0).take(500)),
                expected.filter(|(i, _)| i % 2 == 0).take(500).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn running_results() {
    for n in PARTITIONS {
        for length in LENGTHS {
            let kept = || (0..length as u64).filter(|x| x % 3 != 1);
            let bag = Bag::range(0..length as u64, n).filter(|x| x % 3 != 1);
            let sums = |items: &mut dyn Iterator<Item = u64>| {
                items
                    .scan(0, |sum, x| {
                        *sum += x;
                        Some(*sum)
                    })
                    .collect::<Vec<_>>()
            };
            assert_eq!(computed(&bag.accumulate(|sum, x| sum + x)), sums(&mut kept()));
            let both = Bag::concat([bag.clone(), Bag::from_sequence([1; 600], 2).filter(|_| true), bag.clone()]);
            assert_eq!(computed(&both.accumulate(|sum, x| sum + x)), sums(&mut kept().chain([1; 600]).chain(kept())));
            // Neither associative nor of one type: any order but the right one shows.
            let step = |acc: &i64, x: &u64| acc.wrapping_mul(31).wrapping_add(*x as i64) % 1_000_003;
            let mut acc = 5;
            let expected: Vec<i64> = kept()
                .chain([1; 600])
                .chain(kept())
                .map(|x| {
                    acc = step(&acc, &x);
                    acc
                })
                .collect();
            assert_eq!(computed(&both.scan(5, step)), expected);
        }
    }
    let letters = Bag::from_sequence(["a", "b", "c"].map(str::to_owned), 3);
    assert_eq!(computed(&letters.accumulate(|all, x| all.clone() + x)), ["a", "ab", "abc"], "order is kept");
}

#[test]
fn captures_that_are_spelled_out() {
    for n in PARTITIONS {
        let items = 0..1100i64;
        let bag = Bag::range(items.clone(), n);
        assert_eq!(computed(&bag.map_with(3, |k, x| x * k)), items.clone().map(|x| x * 3).collect::<Vec<_>>());
        let limits = vec![100, 200];
        assert_eq!(computed(&bag.filter_with(limits, |limits, x| (limits[0]..limits[1]).contains(x))), (100..200).collect::<Vec<_>>());
        assert_eq!(
            computed(&bag.flat_map_with("ab".to_owned(), |text, &x| vec![format!("{text}{x}"); (x % 3) as usize])),
            items.clone().flat_map(|x| vec![format!("ab{x}"); (x % 3) as usize]).collect::<Vec<_>>()
        );
        assert_eq!(computed(&bag.fold_with(7, 0, |m, acc, x| (acc + x) % m, |m, a, b| (a + b) % m)), items.clone().sum::<i64>() % 7);
        let firsts = bag.map_partitions_with(2, |n, items| items.iter().copied().take(*n).collect::<Vec<_>>());
        let parts = evaluate(&bag.glom()).unwrap();
        assert_eq!(computed(&firsts), parts.iter().flat_map(|part| part.iter().copied().take(2)).collect::<Vec<_>>());
        let numbered = Bag::concat([bag.clone(), bag.clone()]).map_partitions_with_index(|i, items| [(i, items.len())]);
        assert_eq!(computed(&numbered), parts.iter().chain(&parts).map(Vec::len).enumerate().collect::<Vec<_>>());
    }
}

#[test]
fn plucked_items() {
    let rows = Bag::from_sequence([vec![1, 2], vec![3, 4], vec![5, 6]], 2);
    assert_eq!(computed(&rows.pluck(1usize)), [2, 4, 6]);
    let error = rows.pluck(2usize).compute_with(&Threads::new(2)).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Panicked { element: Some(0), .. })), "{error}");
    let maps = Bag::from_sequence([("a", 1), ("b", 2)].map(|(key, n)| std::collections::BTreeMap::from([("x".to_owned(), (key, n))])), 2);
    assert_eq!(computed(&maps.pluck("x").starmap(|_, n| *n).sum()), 3);
}

#[test]
fn effects_and_short_answers() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    for n in PARTITIONS {
        let bag = Bag::range(0..2000u64, n);
        let sum = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&sum);
        evaluate(&bag.for_each(move |x| {
            seen.fetch_add(*x, SeqCst);
        }))
        .unwrap();
        assert_eq!(sum.load(SeqCst), (0..2000).sum::<u64>());
        for limit in [0, 1, 1999, 2000] {
            assert_eq!(computed(&bag.any(|x| *x >= 1999)), (0..2000).any(|x| x >= 1999));
            let below = bag.filter_with(limit, |limit, x| x < limit);
            assert_eq!(computed(&below.any(|x| *x == 1000)), (0..limit).any(|x| x == 1000));
            assert_eq!(computed(&below.all(|x| *x < 1000)), (0..limit).all(|x| x < 1000));
            assert_eq!(computed(&below.is_empty()), limit == 0);
            assert_eq!(evaluate(&below.filter(|x| x % 2 == 1).first()).ok(), (0..limit).find(|x| x % 2 == 1));
            assert_eq!(computed(&below.head(3)), (0..limit.min(3)).collect::<Vec<_>>());
        }
        let error = evaluate(&bag.filter(|_| false).first()).unwrap_err();
        assert!(matches!(error.find(), Some(Error::Empty { operation: "first" })), "{error}");
    }
}

#[test]
fn short_answers_read_no_more_than_they_need() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    let calls = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&calls);
    let bag = Bag::range(0..100_000u64, 4).map(move |x| {
        seen.fetch_add(1, SeqCst);
        *x
    });
    assert!(!evaluate(&bag.is_empty()).unwrap());
    assert_eq!(calls.swap(0, SeqCst), 1);
    assert_eq!(evaluate(&bag.first()).unwrap(), 0);
    assert_eq!(calls.swap(0, SeqCst), 1);
    assert!(evaluate(&bag.any(|_| true)).unwrap());
    let n = calls.swap(0, SeqCst);
    assert!(n <= 4 * 1024, "{n} elements were looked at, a batch a partition at most");
    assert!(evaluate(&bag.topk(0)).unwrap().is_empty());
    assert_eq!(calls.swap(0, SeqCst), 0);
}
