use arras_bag::Bag;
use arras_core::{Collection, evaluate};

use crate::{PARTITIONS, computed};

#[test]
fn a_sample_keeps_about_its_fraction_in_order() {
    for n in PARTITIONS {
        let bag = Bag::range(0..20_000u32, n);
        for fraction in [0.0, 0.01, 0.3, 1.0] {
            let sample = computed(&bag.random_sample(fraction, 7));
            assert!(sample.is_sorted());
            let (expected, deviation) = (20_000.0 * fraction, (20_000.0 * fraction * (1.0 - fraction)).sqrt());
            assert!((sample.len() as f64 - expected).abs() <= 5.0 * deviation, "{} of {expected}", sample.len());
        }
        assert_eq!(evaluate(&bag.random_sample(0.3, 7)).unwrap(), evaluate(&bag.random_sample(0.3, 7)).unwrap());
        assert_eq!(bag.random_sample(0.3, 7).keys(), bag.random_sample(0.3, 7).keys());
        assert_ne!(evaluate(&bag.random_sample(0.3, 7)).unwrap(), evaluate(&bag.random_sample(0.3, 8)).unwrap());
        // The number of an element is that of its place, wherever the elements come from and however far they are read.
        let held = Bag::from_sequence(0..20_000u32, n);
        assert_eq!(evaluate(&held.random_sample(0.3, 7)).unwrap(), evaluate(&bag.random_sample(0.3, 7)).unwrap());
        assert_eq!(computed(&bag.random_sample(0.3, 7).take(50)), evaluate(&bag.random_sample(0.3, 7)).unwrap()[..50]);
    }
}

#[test]
fn partitions_draw_numbers_of_their_own() {
    let bag = Bag::range(0..1000u32, 1);
    let both = evaluate(&Bag::concat([bag.clone(), bag.clone()]).random_sample(0.5, 7)).unwrap();
    let again = both.iter().rposition(|x| *x < both[0] + 1).map_or(0, |_| both.windows(2).position(|pair| pair[0] > pair[1]).unwrap() + 1);
    assert_ne!(both[..again], both[again..], "two parts of one bag");
    assert_eq!(both[..again], evaluate(&bag.random_sample(0.5, 7)).unwrap());
}

#[test]
fn a_split_sends_each_element_to_one_part() {
    for n in PARTITIONS {
        let bag = Bag::range(0..10_000u32, n);
        let parts = bag.random_split(&[3.0, 0.0, 1.0, 4.0], 11);
        let found: Vec<Vec<u32>> = parts.iter().map(computed).collect();
        for (part, expected) in found.iter().zip([3750.0, 0.0, 1250.0, 5000.0f64]) {
            assert!(part.is_sorted() && (part.len() as f64 - expected).abs() <= 5.0 * expected.sqrt(), "{} of {expected}", part.len());
        }
        let mut all = found.concat();
        all.sort();
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
    }
    assert!(Bag::range(0..10, 2).random_split(&[], 1).is_empty());
}

#[test]
fn a_sample_with_replacement_repeats_elements() {
    for n in PARTITIONS {
        let bag = Bag::range(0..10_000u32, n);
        for fraction in [0.0, 0.2, 3.0] {
            let sample = computed(&bag.sample_with_replacement(fraction, 3));
            let expected = 10_000.0 * fraction;
            assert!(
                sample.is_sorted() && (sample.len() as f64 - expected).abs() <= 5.0 * expected.sqrt(),
                "{} of {expected}",
                sample.len()
            );
        }
        // As often as Poisson says: e^-1 are left out.
        let mut kept = computed(&bag.sample_with_replacement(1.0, 3));
        kept.dedup();
        assert!((kept.len() as f64 - 10_000.0 * (1.0 - (-1f64).exp())).abs() < 250.0, "{}", kept.len());
    }
}

#[test]
fn a_sample_of_exact_size_is_fair() {
    for n in PARTITIONS {
        let bag = Bag::range(0..1000u32, n).map(|x| x.to_string());
        for size in [0, 1, 10, 999, 1000, 2000] {
            let sample = computed(&bag.take_sample(size, 5));
            let numbers: Vec<u32> = sample.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(numbers.len(), size.min(1000));
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
        }
    }
    // Each of ten elements is as likely as any other to be among three.
    let bag = Bag::range(0..10usize, 3);
    let mut times = [0; 10];
    for seed in 0..2000 {
        evaluate(&bag.take_sample(3, seed)).unwrap().iter().for_each(|x| times[*x] += 1);
    }
    assert!(times.iter().all(|n| (500..700).contains(n)), "{times:?}");
}
