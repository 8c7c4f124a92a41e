use arras_bag::{Bag, Error};
use arras_core::{Collection, evaluate};

use crate::{PARTITIONS, computed};

#[test]
fn zip_pairs_what_has_the_same_place() {
    for n in PARTITIONS {
        for length in [0usize, 1, 40, 1700] {
            let items = 0..length;
            let bag = Bag::range(items.clone(), n);
            let texts = bag.map(|x| format!("{x}!"));
            let expected: Vec<(usize, String)> = items.clone().map(|x| (x, format!("{x}!"))).collect();
            assert_eq!(computed(&bag.zip(&texts)), expected);
            assert_eq!(
                computed(&bag.zip(&texts).filter(|(x, _)| x % 2 == 0).take(9)),
                expected.into_iter().step_by(2).take(9).collect::<Vec<_>>()
            );
            assert_eq!(computed(&bag.zip(&bag).starmap(|a, b| a + b)), items.map(|x| 2 * x).collect::<Vec<_>>());
        }
    }
    let (a, b) = (Bag::range(0..10, 2), Bag::from_sequence(0..10, 2));
    let both = |c: &Bag<i32>, d: &Bag<i32>| Bag::concat([c.clone(), d.clone()]);
    assert_eq!(computed(&both(&a, &b).zip(&both(&b, &a))), (0..10).chain(0..10).map(|x| (x, x)).collect::<Vec<_>>());
}

#[test]
fn zips_of_unequal_partitions_are_errors() {
    let bag = Bag::range(0..10, 3);
    let error = bag.zip(&Bag::range(0..10, 2)).graph().unwrap_err();
    assert!(matches!(error.find(), Some(Error::UnequalPartitions { operation: "zip", left: 3, right: 2 })), "{error}");
    let error = bag.zip_partitions(&Bag::range(0..10, 4), |_, b| b.to_vec()).graph().unwrap_err();
    assert!(matches!(error.find(), Some(Error::UnequalPartitions { operation: "zip_partitions", left: 3, right: 4 })), "{error}");
    let error = evaluate(&bag.zip(&bag.filter(|x| *x != 5))).unwrap_err();
    assert!(matches!(error.find(), Some(Error::UnequalLengths { partition: 1, left: 3, right: 2, .. })), "{error}");
    let broken = Bag::range(0..10, 0);
    for error in [bag.zip(&broken).graph().unwrap_err(), broken.zip(&bag).graph().unwrap_err(), broken.cartesian(&bag).graph().unwrap_err()]
    {
        assert!(matches!(error.find(), Some(Error::ZeroPartitions { .. })), "{error}");
    }
}

#[test]
fn zip_partitions_sees_both() {
    for n in PARTITIONS {
        let (a, b) = (Bag::range(0..700i64, n), Bag::range(0..700i64, n).filter(|x| x % 3 == 0));
        let sums = a.zip_partitions(&b, |a, b| a.iter().chain(b).copied().collect::<Vec<_>>());
        let expected: i64 = (0..700).sum::<i64>() + (0..700).step_by(3).sum::<i64>();
        assert_eq!(computed(&sums.sum()), expected);
        assert_eq!(computed(&sums).len(), 700 + 234);
    }
}

#[test]
fn cartesian_pairs_all_with_all() {
    for n in PARTITIONS {
        for m in PARTITIONS {
            let (a, b) = (Bag::range(0..40, n).filter(|x| x % 7 != 0), Bag::from_sequence(["x", "y", "z"], m));
            let pairs = a.cartesian(&b);
            assert_eq!(pairs.n_partitions(), a.n_partitions() * b.n_partitions());
            let (parts_a, parts_b) = (evaluate(&a.glom()).unwrap(), evaluate(&b.glom()).unwrap());
            let mut expected = Vec::new();
            for part_a in &parts_a {
                for part_b in &parts_b {
                    expected.extend(part_a.iter().flat_map(|x| part_b.iter().map(move |y| (*x, *y))));
                }
            }
            assert_eq!(computed(&pairs), expected);
        }
    }
    let none = Bag::range(0..5, 2).filter(|_| false);
    assert_eq!(computed(&none.cartesian(&Bag::range(0..5, 2))), []);
    assert_eq!(computed(&Bag::range(0..5, 2).cartesian(&none)), []);
    // A thousand million pairs, of which five are made.
    let many = Bag::range(0..40_000, 1);
    assert_eq!(evaluate(&many.cartesian(&many).take(5)).unwrap(), [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]);
}

#[test]
fn union_keeps_everything() {
    let (a, b) = (Bag::range(0..5, 2), Bag::range(3..8, 3));
    assert_eq!(computed(&a.union(&b)), [0, 1, 2, 3, 4, 3, 4, 5, 6, 7]);
    assert_eq!(a.union(&b).keys(), Bag::concat([a, b]).keys());
}

#[test]
fn repartition_keeps_order() {
    for before in PARTITIONS {
        for after in [1, 2, 3, 7, 40, 200] {
            for length in [0usize, 1, 40, 1500] {
                let bag = Bag::range(0..length, before).filter(|x| x % 4 != 3);
                let again = bag.repartition(after);
                assert_eq!(again.n_partitions(), after);
                assert_eq!(computed(&again), (0..length).filter(|x| x % 4 != 3).collect::<Vec<_>>());
            }
            let lengths = evaluate(&Bag::range(0..1000, before).repartition(after).glom()).unwrap();
            let (most, least) = (lengths.iter().map(Vec::len).max().unwrap(), lengths.iter().map(Vec::len).min().unwrap());
            assert!(most - least <= 1000 / after + 1, "{before} → {after}: {least} to {most}");
        }
    }
    assert!(matches!(
        Bag::range(0..3, 1).repartition(0).graph().unwrap_err().find(),
        Some(Error::ZeroPartitions { operation: "repartition" })
    ));
    let bag = Bag::range(0..100, 2);
    assert_eq!(bag.repartition(5).keys(), bag.repartition(5).keys());
    assert_ne!(bag.repartition(5).keys(), bag.repartition(6).keys());
    // Two partitions, each cut into its pieces: what is taken from the first is computed once, and the second not at all.
    assert_eq!(computed(&bag.repartition(5).map(|x| x * 2).take(30)), (0..60).step_by(2).collect::<Vec<_>>());
}
