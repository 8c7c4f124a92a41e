//! Sorts against `std`'s stable sort: any partitions, repeated keys, one key only.

use std::cmp::Reverse;

use arras_bag::Bag;
use arras_core::evaluate;
use proptest::prelude::*;

use crate::{PARTITIONS, computed};

#[test]
fn every_form() {
    let items: Vec<(i64, usize)> = (0..5000usize).map(|i| ((i as i64 * 7919) % 503 - 200, i)).collect();
    type Pair = (i64, usize);
    let sorted = |compare: &dyn Fn(&Pair, &Pair) -> std::cmp::Ordering| {
        let mut items = items.clone();
        items.sort_by(compare);
        items
    };
    for n in PARTITIONS {
        for into in [1, 3, 50] {
            let bag = Bag::from_sequence(items.clone(), n).shuffle_into(into);
            assert_eq!(bag.sort_by_key().n_partitions(), into);
            assert_eq!(computed(&bag.sort_by_key()), sorted(&|a, b| a.0.cmp(&b.0)));
            assert_eq!(computed(&bag.sort_by_key_descending()), sorted(&|a, b| b.0.cmp(&a.0)));
            assert_eq!(computed(&bag.sort_by(|x| x.0 % 10)), sorted(&|a, b| (a.0 % 10).cmp(&(b.0 % 10))));
            assert_eq!(computed(&bag.sort_by(|x| x.0.to_string())), sorted(&|a, b| a.0.to_string().cmp(&b.0.to_string())));
            assert_eq!(computed(&bag.sort_by(|x| Reverse(x.0))), sorted(&|a, b| b.0.cmp(&a.0)));
            assert_eq!(computed(&bag.sort()), sorted(&|a, b| a.cmp(b)));
            assert_eq!(computed(&bag.sort_descending()), sorted(&|a, b| b.cmp(a)));
            let by_float = |a: &(i64, usize), b: &(i64, usize)| ((a.0 as f64).sin()).total_cmp(&(b.0 as f64).sin());
            assert_eq!(computed(&bag.sort_with(by_float)), sorted(&by_float));
            assert_eq!(computed(&bag.map(|x| *x).sort_by_key().take(7)), sorted(&|a, b| a.0.cmp(&b.0))[..7]);
        }
    }
}

#[test]
fn ranges_are_even_even_if_all_keys_are_equal() {
    for key in [|_: u32| 0, |i: u32| i, |i: u32| i % 2, |i: u32| if i < 15_000 { 7 } else { i * 37 % 10_007 }] {
        let items: Vec<(u32, u32)> = (0..20_000u32).map(|i| (key(i), i)).collect();
        let sorted = Bag::from_sequence(items.clone(), 10).sort_by_key();
        let lengths: Vec<usize> = sorted.to_delayed().unwrap().iter().map(|part| evaluate(part).unwrap().len()).collect();
        assert!(lengths.iter().all(|n| (1600..=2400).contains(n)), "{lengths:?}");
        let mut expected = items;
        expected.sort_by_key(|x| x.0);
        assert_eq!(computed(&sorted), expected);
    }
}

proptest! {
    #[test]
    fn any_items(items in prop::collection::vec(0u8..20, 0..400), n in 1usize..9, into in 1usize..9) {
        let pairs: Vec<(String, usize)> = items.iter().enumerate().map(|(i, x)| (x.to_string(), i)).collect();
        let sorted = evaluate(&Bag::from_sequence(pairs.clone(), n).shuffle_into(into).sort_by_key()).unwrap();
        let mut expected = pairs;
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        prop_assert_eq!(sorted, expected);
    }
}
