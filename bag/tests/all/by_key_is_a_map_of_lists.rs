//! Everything by key against lists and maps of `std`, over any partitions.

use std::collections::BTreeMap;

use arras_bag::{Bag, Error};
use arras_core::evaluate;

use crate::{PARTITIONS, computed};

fn pairs() -> Vec<(u32, i64)> {
    (0..3000i64).map(|i| ((i * i % 97) as u32, i)).collect()
}

fn lists<K: Ord + Clone, V: Clone>(pairs: &[(K, V)]) -> BTreeMap<K, Vec<V>> {
    let mut lists = BTreeMap::new();
    for (key, value) in pairs {
        lists.entry(key.clone()).or_insert_with(Vec::new).push(value.clone());
    }
    lists
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

#[test]
fn combining_by_key() {
    let items = pairs();
    for n in PARTITIONS {
        for into in [None, Some(1), Some(7)] {
            let bag = Bag::from_sequence(items.clone(), n);
            let bag = into.map_or(bag.clone(), |into| bag.shuffle_into(into));
            let expected = |f: &dyn Fn(&[i64]) -> i64| lists(&items).into_iter().map(|(key, list)| (key, f(&list))).collect::<Vec<_>>();
            let reduced = bag.reduce_by_key(|a, b| a * 31 % 1000 + b);
            assert_eq!(reduced.n_partitions(), into.unwrap_or(n));
            assert_eq!(sorted(computed(&reduced)).len(), 97.min(lists(&items).len()));
            let sums = sorted(computed(&bag.reduce_by_key(|a, b| a + b)));
            assert_eq!(sums, expected(&|list| list.iter().sum()));
            assert_eq!(sorted(computed(&bag.fold_by_key(0, |a, b| a.max(b)))), expected(&|list| *list.iter().max().unwrap()));
            let counts = bag.aggregate_by_key(0u64, |n, _| n + 1, |a, b| a + b);
            assert_eq!(sorted(computed(&counts)), sorted(computed(&bag.count_by_key())));
            assert_eq!(
                sorted(computed(&bag.count_by_key())),
                lists(&items).into_iter().map(|(key, list)| (key, list.len() as u64)).collect::<Vec<_>>()
            );
            // Order within a key: text put together from first to last.
            let text = bag.combine_by_key(|x| format!("{x}"), |text, x| format!("{text} {x}"), |a, b| format!("{a} {b}"));
            let expected: Vec<(u32, String)> =
                lists(&items).into_iter().map(|(key, list)| (key, list.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))).collect();
            assert_eq!(sorted(computed(&text)), expected);
        }
    }
}

#[test]
fn one_partition_keeps_the_order_of_first_sight() {
    let items = pairs();
    let mut seen: Vec<u32> = Vec::new();
    items.iter().for_each(|(key, _)| {
        if !seen.contains(key) {
            seen.push(*key);
        }
    });
    for n in PARTITIONS {
        let bag = Bag::from_sequence(items.clone(), n).shuffle_into(1);
        assert_eq!(computed(&bag.reduce_by_key(|a, _| a).keys()), seen);
        assert_eq!(computed(&bag.group_by_key().keys()), seen);
        assert_eq!(computed(&Bag::from_sequence(items.clone(), n).map(|x| x.0).shuffle_into(1).distinct()), seen);
    }
}

#[test]
fn grouping() {
    let items = pairs();
    for n in PARTITIONS {
        let bag = Bag::from_sequence(items.clone(), n);
        let expected: Vec<(u32, Vec<i64>)> = lists(&items).into_iter().collect();
        assert_eq!(sorted(computed(&bag.group_by_key())), expected);
        assert_eq!(sorted(computed(&bag.map(|x| *x).group_by_key())), expected);
        let by_parity: Vec<(bool, Vec<i64>)> = vec![
            (false, items.iter().map(|x| x.1).filter(|x| x % 2 != 0).collect()),
            (true, items.iter().map(|x| x.1).filter(|x| x % 2 == 0).collect()),
        ];
        assert_eq!(sorted(computed(&bag.values().group_by(|x| x % 2 == 0))), by_parity);
        // What was grouped goes on, and may be read twice.
        let grouped = bag.group_by_key();
        assert_eq!(computed(&(grouped.count(), grouped.map(|(_, list)| list.len()).sum())), (expected.len() as u64, items.len()));
    }
}

#[test]
fn joins() {
    let left: Vec<(String, u32)> = (0..400u32).map(|i| (format!("k{}", i * 7 % 60), i)).collect();
    let right: Vec<(String, char)> = (0..150u8).map(|i| (format!("k{}", u32::from(i) * 11 % 80 + 20), char::from(b'a' + i % 26))).collect();
    let (by_left, by_right) = (lists(&left), lists(&right));
    let mut inner = Vec::new();
    let mut full = Vec::new();
    for (key, a) in &left {
        for b in by_right.get(key).into_iter().flatten() {
            inner.push((key.clone(), (*a, *b)));
            full.push((key.clone(), (Some(*a), Some(*b))));
        }
        if !by_right.contains_key(key) {
            full.push((key.clone(), (Some(*a), None)));
        }
    }
    full.extend(right.iter().filter(|(key, _)| !by_left.contains_key(key)).map(|(key, b)| (key.clone(), (None, Some(*b)))));
    for n in PARTITIONS {
        for m in [1, 4] {
            let (a, b) = (Bag::from_sequence(left.clone(), n), Bag::from_sequence(right.clone(), m));
            assert_eq!(a.join(&b).n_partitions(), n.max(m));
            assert_eq!(sorted(computed(&a.join(&b))), sorted(inner.clone()));
            assert_eq!(sorted(computed(&a.full_join(&b))), sorted(full.clone()));
            let of_left: Vec<_> = full.iter().filter_map(|(key, (a, b))| a.map(|a| (key.clone(), (a, *b)))).collect();
            assert_eq!(sorted(computed(&a.left_join(&b))), sorted(of_left));
            let of_right: Vec<_> = full.iter().filter_map(|(key, (a, b))| b.map(|b| (key.clone(), (*a, b)))).collect();
            assert_eq!(sorted(computed(&a.right_join(&b))), sorted(of_right));
            let groups = sorted(computed(&a.cogroup(&b)));
            assert_eq!(groups.len(), lists(&full).len());
            for (key, (a, b)) in &groups {
                assert_eq!(a, by_left.get(key).unwrap_or(&Vec::new()), "{key}");
                assert_eq!(b, by_right.get(key).unwrap_or(&Vec::new()), "{key}");
            }
            let three = sorted(computed(&a.cogroup3(&b, &a)));
            assert_eq!(three.iter().map(|(key, (a, b, _))| (key.clone(), (a.clone(), b.clone()))).collect::<Vec<_>>(), groups);
            assert!(three.iter().all(|(_, (a, _, c))| a == c));
            assert_eq!(
                sorted(computed(&a.subtract_by_key(&b))),
                sorted(left.iter().filter(|(key, _)| !by_right.contains_key(key)).cloned().collect::<Vec<_>>())
            );
        }
    }
    // In one partition the order is that of the left side, then of the right.
    let (a, b) = (Bag::from_sequence(left.clone(), 3).shuffle_into(1), Bag::from_sequence(right.clone(), 2));
    assert_eq!(computed(&a.join(&b)), inner);
    assert_eq!(computed(&a.join(&b).take(3)), inner[..3]);
    assert_eq!(computed(&a.join(&b).count()), inner.len() as u64);
    let right_keys: Vec<String> = computed(&a.full_join(&b)).into_iter().filter(|(_, (a, _))| a.is_none()).map(|(key, _)| key).collect();
    let mut runs = right_keys.clone();
    runs.dedup();
    assert_eq!(runs.len(), lists(&right_keys.iter().map(|key| (key.clone(), ())).collect::<Vec<_>>()).len(), "a key's are together");
}

#[test]
fn a_bag_joins_itself() {
    let bag = Bag::from_sequence(pairs(), 4);
    let expected: u64 = lists(&pairs()).values().map(|list| (list.len() * list.len()) as u64).sum();
    assert_eq!(computed(&bag.join(&bag).count()), expected);
}

#[test]
fn a_hot_key_on_both_sides_streams() {
    let bag = Bag::from_sequence((0..3000u64).map(|i| (i / 2990, i)), 4);
    assert_eq!(computed(&bag.join(&bag).map(|(_, (a, b))| a ^ b).count()), 2990 * 2990 + 100);
}

#[test]
fn sets() {
    let (a, b): (Vec<u32>, Vec<u32>) = ((0..500).map(|i| i * i % 83).collect(), (0..200).map(|i| i * 3 % 60).collect());
    let set = |items: &[u32]| items.iter().copied().collect::<std::collections::BTreeSet<_>>();
    for n in PARTITIONS {
        let (x, y) = (Bag::from_sequence(a.clone(), n), Bag::from_sequence(b.clone(), 3));
        assert_eq!(sorted(computed(&x.distinct())), set(&a).into_iter().collect::<Vec<_>>());
        assert_eq!(sorted(computed(&x.intersection(&y))), set(&a).intersection(&set(&b)).copied().collect::<Vec<_>>());
        assert_eq!(sorted(computed(&x.subtract(&y))), sorted(a.iter().copied().filter(|x| !b.contains(x)).collect::<Vec<_>>()));
        let firsts = sorted(computed(&x.distinct_by(|x| x % 10)));
        let expected = (0..10).filter_map(|digit| a.iter().copied().find(|x| x % 10 == digit)).collect();
        assert_eq!(firsts, sorted(expected));
    }
}

#[test]
fn pairs_and_their_parts() {
    let items = pairs();
    for n in PARTITIONS {
        let bag = Bag::from_sequence(items.clone(), n);
        for bag in [bag.clone(), bag.map(|x| *x)] {
            assert_eq!(computed(&bag.keys()), items.iter().map(|x| x.0).collect::<Vec<_>>());
            assert_eq!(computed(&bag.values()), items.iter().map(|x| x.1).collect::<Vec<_>>());
            assert_eq!(computed(&bag.map_values(|x| x * 2)), items.iter().map(|x| (x.0, x.1 * 2)).collect::<Vec<_>>());
            let repeated = items.iter().flat_map(|x| (0..x.1 % 3).map(|i| (x.0, i))).collect::<Vec<_>>();
            assert_eq!(computed(&bag.flat_map_values(|x| 0..x % 3)), repeated);
            assert_eq!(computed(&bag.lookup(3)), items.iter().filter(|x| x.0 == 3).map(|x| x.1).collect::<Vec<_>>());
            assert!(computed(&bag.lookup(1000)).is_empty());
            let map = computed(&bag.collect_as_map());
            assert_eq!(map.into_iter().collect::<BTreeMap<_, _>>(), items.iter().copied().collect::<BTreeMap<_, _>>());
            for into in [1, 5] {
                let moved = bag.partition_by(into, move |key| *key as usize % into);
                let expected: Vec<_> = (0..into).flat_map(|j| items.iter().copied().filter(move |x| x.0 as usize % into == j)).collect();
                assert_eq!((moved.n_partitions(), computed(&moved)), (into, expected));
                let by_hash = computed(&bag.partition_by_key(into));
                assert_eq!(sorted(by_hash), sorted(items.clone()));
            }
        }
    }
    let parts = Bag::from_sequence(items, 4).partition_by_key(3).to_delayed().unwrap();
    let sets: Vec<Vec<u32>> = parts
        .iter()
        .map(|part| {
            let mut keys: Vec<u32> = evaluate(part).unwrap().iter().map(|x| x.0).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        })
        .collect();
    let all = sets.concat();
    assert_eq!(all.len(), sorted(all.clone()).chunk_by(|a, b| a == b).count(), "a key is in one partition");
}

#[test]
fn a_key_is_looked_up_where_it_can_be() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use arras_scheduler::{Compute, Synchronous};

    let bag = Bag::from_sequence(pairs(), 8);
    let expected = lists(&pairs())[&3].clone();
    let grouped = bag.group_by_key().persist_with(&Synchronous).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let counted = grouped.filter(move |_| seen.fetch_add(1, Relaxed) < usize::MAX);
    assert_eq!(evaluate(&counted.lookup(3)).unwrap(), std::slice::from_ref(&expected));
    let n = calls.swap(0, Relaxed);
    assert!(n < 40, "{n} of 97 keys were looked at: one partition of eight");
    for key in 0..100u32 {
        let list = lists(&pairs()).remove(&key);
        assert_eq!(evaluate(&grouped.lookup(key)).unwrap(), list.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(
            evaluate(&bag.count_by_key().map_values(|n| n + 1).lookup(key)).unwrap(),
            list.map(|l| l.len() as u64 + 1).into_iter().collect::<Vec<_>>()
        );
        assert_eq!(evaluate(&bag.partition_by_key(5).lookup(key)).unwrap().len(), lists(&pairs()).get(&key).map_or(0, Vec::len));
    }
    // What changes keys, or puts bags side by side, looks everywhere.
    let moved = grouped.map(|(key, list)| (key + 1, list.clone()));
    assert_eq!(evaluate(&moved.lookup(4)).unwrap(), std::slice::from_ref(&expected));
    assert_eq!(evaluate(&Bag::concat([grouped.clone(), grouped.clone()]).lookup(3)).unwrap(), [expected.clone(), expected]);
}

#[test]
fn nothing_is_grouped_into_nothing() {
    let bag = Bag::from_sequence(Vec::<(u8, u8)>::new(), 3);
    assert_eq!(computed(&bag.reduce_by_key(|a, b| a + b)), []);
    assert_eq!(computed(&bag.group_by_key()), []);
    assert_eq!(computed(&bag.join(&bag)), []);
    assert_eq!(computed(&bag.full_join(&bag)), []);
    assert_eq!(computed(&bag.sort_by_key()), []);
    assert_eq!(computed(&bag.distinct()), []);
    assert_eq!(computed(&bag.subtract(&bag)), []);
    let some = Bag::from_sequence([(1, 2)], 1);
    assert_eq!(computed(&some.left_join(&bag)), [(1, (2, None))]);
    assert_eq!(computed(&bag.right_join(&some)), [(1, (None, 2))]);
}

#[test]
fn what_cannot_be_exchanged() {
    let bag = Bag::from_sequence([(1, 2)], 1);
    for error in [
        evaluate(&bag.shuffle_into(0).reduce_by_key(|a, _| a)).unwrap_err(),
        evaluate(&bag.partition_by(0, |_| 0)).unwrap_err(),
        evaluate(&bag.join(&Bag::from_sequence([(1, 2)], 0))).unwrap_err(),
    ] {
        assert!(matches!(error.find(), Some(Error::ZeroPartitions { .. })), "{error}");
    }
    let error = evaluate(&bag.partition_by(3, |_| 3)).unwrap_err();
    assert!(matches!(error.find(), Some(Error::NoSuchPartition { partition: 3, n_partitions: 3 })), "{error}");
    let error = evaluate(&Bag::from_sequence(0..10, 10).shuffle_into(usize::MAX).distinct()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::TooManyPartitions { .. })), "{error}");
}
