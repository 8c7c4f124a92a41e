use arras_bag::{Bag, Error};
use arras_core::{Collection, evaluate};

use crate::{PARTITIONS, computed};

fn numbers() -> Vec<f64> {
    (0..2500).map(|i| f64::from(i * 7919 % 2503) / 7.0 - 100.0).collect()
}

#[test]
fn moments() {
    let items = numbers();
    let n = items.len() as f64;
    let mean = items.iter().sum::<f64>() / n;
    let squares: f64 = items.iter().map(|x| (x - mean).powi(2)).sum();
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-10 * b.abs().max(1.0), "{a} is not {b}");
    for parts in PARTITIONS {
        let bag = Bag::from_sequence(items.clone(), parts);
        close(computed(&bag.mean()), mean);
        close(computed(&bag.var(0)), squares / n);
        close(computed(&bag.var(1)), squares / (n - 1.0));
        close(computed(&bag.std(1)), (squares / (n - 1.0)).sqrt());
        let stats = computed(&bag.stats());
        assert_eq!(stats.count, 2500);
        close(stats.sum, items.iter().sum());
        close(stats.mean, mean);
        close(stats.std(0), (squares / n).sqrt());
        assert_eq!(stats.min, items.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(stats.max, items.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        assert_eq!(computed(&Bag::range(0..1001i32, parts).mean()), 500.0);
        assert_eq!(computed(&bag.map(|x| *x as i64).mean()), items.iter().map(|x| *x as i64).sum::<i64>() as f64 / n);
        assert_eq!(computed(&Bag::range(1..7i64, parts).product()), 720);
    }
}

#[test]
fn too_few_numbers_are_typed_errors() {
    let none = Bag::range(0..0, 3);
    assert!(matches!(evaluate(&none.mean()).unwrap_err().find(), Some(Error::Empty { operation: "mean" })));
    assert!(matches!(evaluate(&none.var(0)).unwrap_err().find(), Some(Error::TooFew { operation: "var", n: 0, ddof: 0 })));
    assert!(matches!(evaluate(&Bag::range(0..1, 3).std(1)).unwrap_err().find(), Some(Error::TooFew { operation: "std", n: 1, ddof: 1 })));
    assert_eq!(evaluate(&none.stats()).unwrap().count, 0);
    assert_eq!(evaluate(&none.product()).unwrap(), 1);
    assert!(matches!(evaluate(&none.min_by(i32::cmp)).unwrap_err().find(), Some(Error::Empty { operation: "min_by" })));
    assert!(matches!(evaluate(&none.histogram(3)).unwrap_err().find(), Some(Error::Empty { operation: "histogram" })));
    assert!(matches!(evaluate(&none.approx_quantiles(&[0.5])).unwrap_err().find(), Some(Error::Empty { .. })));
    assert_eq!(evaluate(&none.count_approx_distinct(0.05)).unwrap(), 0);
    assert_eq!(evaluate(&none.topk(3)).unwrap(), []);
}

#[test]
fn arguments_that_cannot_be_are_refused_before_anything_runs() {
    let bag = Bag::range(0..10, 3).map(|_| -> i32 { panic!("ran") });
    let argument =
        |error: arras_core::Error| assert!(matches!(error.find(), Some(Error::Argument { operation: "histogram", .. })), "{error}");
    argument(bag.histogram(0).graph().unwrap_err());
    argument(bag.histogram([1.0]).graph().unwrap_err());
    argument(bag.histogram([1.0, 1.0]).graph().unwrap_err());
    argument(bag.histogram([1.0, f64::NAN]).graph().unwrap_err());
    let fraction = |error: arras_core::Error| assert!(matches!(error.find(), Some(Error::Fraction { .. })), "{error}");
    fraction(bag.random_sample(1.5, 1).graph().unwrap_err());
    fraction(bag.random_sample(f64::NAN, 1).graph().unwrap_err());
    fraction(bag.sample_with_replacement(-1.0, 1).graph().unwrap_err());
    fraction(bag.random_split(&[1.0, -1.0], 1)[0].graph().unwrap_err());
    fraction(bag.random_split(&[0.0, 0.0], 1)[1].graph().unwrap_err());
    fraction(bag.count_approx_distinct(0.0).graph().unwrap_err());
    fraction(bag.count_approx_distinct(f64::NAN).graph().unwrap_err());
    fraction(bag.approx_quantiles(&[0.5, 2.0]).graph().unwrap_err());
    let error = bag.tree_aggregate(0, |a, _| a, |a, _| a, 1).graph().unwrap_err();
    assert!(matches!(error.find(), Some(Error::SplitEvery { split_every: 1, .. })), "{error}");
}

#[test]
fn trees_of_any_width_give_the_same() {
    let bag = Bag::range(0..1000u64, 50);
    for split_every in [2, 3, 8, 100] {
        let joined = bag.tree_aggregate(String::new(), |text, x| text + &x.to_string(), |a, b| a + &b, split_every);
        assert_eq!(computed(&joined), (0..1000).map(|x| x.to_string()).collect::<String>());
    }
    assert_eq!(computed(&bag.aggregate(0, |a, x| a + x, |a, b| a + b)), 499_500);
    let tasks = |split_every| bag.tree_aggregate(0, |a, x| a + x, |a, b| a + b, split_every).graph().unwrap().len();
    assert!(tasks(2) > tasks(8) && tasks(8) > tasks(100));
}

#[test]
fn the_largest_and_the_smallest() {
    let items: Vec<(i32, usize)> = (0..3000usize).map(|i| ((i * 7919 % 1009) as i32, i)).collect();
    for n in PARTITIONS {
        let bag = Bag::from_sequence(items.clone(), n);
        for k in [0, 1, 5, 600, 2999, 3000, 10_000] {
            let mut rising = items.clone();
            rising.sort_by_key(|x| x.0);
            let mut falling = items.clone();
            falling.sort_by_key(|x| std::cmp::Reverse(x.0));
            rising.truncate(k);
            falling.truncate(k);
            assert_eq!(computed(&bag.topk_by_key(k, |x| x.0)), falling, "of equal ones the first seen");
            assert_eq!(computed(&bag.topk_by(k, |a, b| a.0.cmp(&b.0))), falling);
            assert_eq!(computed(&bag.take_ordered_by_key(k, |x| x.0)), rising);
            assert_eq!(computed(&bag.take_ordered_by(k, |a, b| a.0.cmp(&b.0))), rising);
            let mut all = items.clone();
            all.sort();
            assert_eq!(computed(&bag.take_ordered(k)), all.iter().copied().take(k).collect::<Vec<_>>());
            assert_eq!(computed(&bag.topk(k)), all.iter().rev().copied().take(k).collect::<Vec<_>>());
        }
        assert_eq!(computed(&bag.min_by_key(|x| x.0)), *items.iter().min_by_key(|x| x.0).unwrap());
        assert_eq!(computed(&bag.max_by_key(|x| x.0)), *items.iter().max_by_key(|x| x.0).unwrap());
        assert_eq!(computed(&bag.min_by(|a, b| a.0.cmp(&b.0))), *items.iter().min_by_key(|x| x.0).unwrap());
        assert_eq!(computed(&bag.max_by(|a, b| a.0.cmp(&b.0))), *items.iter().max_by_key(|x| x.0).unwrap());
    }
    let floats = Bag::from_sequence(numbers(), 3);
    assert_eq!(computed(&floats.max_by(f64::total_cmp)), numbers().into_iter().max_by(f64::total_cmp).unwrap());
}

#[test]
fn histograms() {
    let items = numbers();
    let by_hand = |edges: &[f64]| {
        let mut counts = vec![0u64; edges.len() - 1];
        for x in &items {
            let last = edges.len() - 2;
            if let Some(i) = (0..=last).find(|&i| edges[i] <= *x && (*x < edges[i + 1] || i == last && *x == edges[i + 1])) {
                counts[i] += 1;
            }
        }
        counts
    };
    for n in PARTITIONS {
        let bag = Bag::from_sequence(items.clone(), n);
        for edges in [vec![-100.0, 0.0], vec![-1000.0, -50.0, -49.5, 0.0, 1.0 / 7.0, 257.0], vec![1e6, 2e6]] {
            assert_eq!(computed(&bag.histogram(edges.clone())).counts, by_hand(&edges));
        }
        for buckets in [1, 2, 10, 1000] {
            let histogram = computed(&bag.histogram(buckets));
            assert_eq!(histogram.edges.len(), buckets + 1);
            assert_eq!(histogram.counts, by_hand(&histogram.edges));
            assert_eq!(histogram.counts.iter().sum::<u64>(), 2500, "the smallest and the largest are in");
        }
        assert_eq!(computed(&Bag::range(5..6, n).histogram(4)).counts, [1]);
    }
    let wide = Bag::from_sequence([f64::MIN, 0.0, f64::MAX], 2);
    assert_eq!(computed(&wide.histogram(2)).counts, [1, 2]);
    let holes = Bag::from_sequence([0.0, f64::NAN, 1.0], 2);
    assert_eq!(evaluate(&holes.histogram([0.0, 1.0])).unwrap().counts, [2]);
    assert!(matches!(evaluate(&holes.histogram(2)).unwrap_err().find(), Some(Error::NotFinite { .. })));
}

#[test]
fn approximate_answers() {
    for n in PARTITIONS {
        let bag = Bag::range(0..60_000u64, n).map(|x| x * x % 20_011);
        let exact = std::collections::BTreeSet::from_iter((0..60_000u64).map(|x| x * x % 20_011)).len() as f64;
        let about = computed(&bag.count_approx_distinct(0.01));
        assert!((about as f64 / exact - 1.0).abs() < 0.04, "{about} of {exact}");
        assert_eq!(about, evaluate(&Bag::range(0..60_000u64, 1).map(|x| x * x % 20_011).count_approx_distinct(0.01)).unwrap());
        assert_eq!(computed(&Bag::from_sequence(["a", "b", "a"], n).count_approx_distinct(0.05)), 2);
        let quantiles = computed(&Bag::from_sequence(numbers(), n).approx_quantiles(&[0.0, 0.01, 0.5, 0.9, 1.0]));
        let mut sorted = numbers();
        sorted.sort_by(f64::total_cmp);
        for (found, q) in quantiles.iter().zip([0.0, 0.01, 0.5, 0.9, 1.0]) {
            let rank = sorted.partition_point(|x| x < found) as f64 / 2500.0;
            assert!((rank - q).abs() < 0.005, "{q}: {found} has rank {rank}");
        }
    }
    let holes = Bag::from_sequence([0.0, f64::NAN], 2);
    assert!(matches!(evaluate(&holes.approx_quantiles(&[0.5])).unwrap_err().find(), Some(Error::NotFinite { .. })));
}
