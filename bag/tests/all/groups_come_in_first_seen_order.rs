use std::collections::HashMap;

use arras_bag::Bag;

use crate::{PARTITIONS, computed};

/// Counts by a plain map and a list of keys as they were first seen.
fn counted<K: Clone + Eq + std::hash::Hash>(items: &[K]) -> Vec<(K, u64)> {
    let mut counts: HashMap<&K, u64> = HashMap::new();
    let mut order = Vec::new();
    for item in items {
        let n = counts.entry(item).or_insert(0);
        if *n == 0 {
            order.push(item);
        }
        *n += 1;
    }
    order.into_iter().map(|key| (key.clone(), counts[key])).collect()
}

#[test]
fn the_cat_sat_on_the_mat() {
    let counts = Bag::from_sequence(["the cat sat on the mat", "the dog sat on the mat"], 2)
        .flat_map(|line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b);
    let expected = [("the", 4), ("cat", 1), ("sat", 2), ("on", 2), ("mat", 2), ("dog", 1)];
    assert_eq!(computed(&counts), expected.map(|(word, n)| (word.to_owned(), n)));
}

#[test]
fn counts_over_any_partitions() {
    let items: Vec<u64> = (0..5000u64).map(|i| i * i % 701).collect();
    let words: Vec<String> = items.iter().map(|x| format!("ü{x}")).collect();
    for n in [PARTITIONS.as_slice(), &[8, 9, 70]].concat() {
        assert_eq!(computed(&Bag::from_sequence(items.clone(), n).frequencies()), counted(&items));
        let bag = Bag::from_sequence(words.clone(), n);
        assert_eq!(computed(&bag.frequencies()), counted(&words));
        assert_eq!(computed(&bag.map(|word| word.clone()).frequencies()), counted(&words));
        assert_eq!(computed(&bag.filter(|word| word.len() > 3).frequencies()), {
            counted(&words.iter().filter(|word| word.len() > 3).cloned().collect::<Vec<_>>())
        });
        assert_eq!(computed(&bag.foldby(String::clone, 0, |n, _| n + 1, |a, b| a + b)), counted(&words));
    }
}

#[test]
fn folds_within_a_key_keep_the_order_of_elements() {
    let items: Vec<u32> = (0..300).collect();
    for n in [1, 3, 20, 300] {
        let lists = Bag::from_sequence(items.clone(), n).foldby(
            |x| x % 3,
            Vec::new(),
            |mut list: Vec<u32>, x| {
                list.push(*x);
                list
            },
            |a, b| [a, b].concat(),
        );
        let expected: Vec<(u32, Vec<u32>)> = (0..3).map(|key| (key, items.iter().copied().filter(|x| x % 3 == key).collect())).collect();
        assert_eq!(computed(&lists), expected);
    }
}

#[test]
fn literals_are_keys_too() {
    let bag = Bag::from_sequence(["b", "a", "b"], 3);
    assert_eq!(computed(&bag.frequencies()), [("b", 2), ("a", 1)]);
    assert_eq!(computed(&bag.foldby(|x| *x, 0u8, |n, _| n + 1, |a, b| a + b)), [("b", 2), ("a", 1)]);
}

#[test]
fn groups_are_bags_that_go_on() {
    let common =
        Bag::from_sequence(["b", "a", "b", "c", "c"], 3).frequencies().filter(|(_, n)| *n > 1).map(|(word, _)| word.to_uppercase());
    assert_eq!(computed(&common), ["B", "C"]);
    assert_eq!(computed(&common.count()), 2);
}
