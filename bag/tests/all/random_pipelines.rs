use arras_bag::Bag;
use arras_core::evaluate;
use arras_scheduler::{Compute, Threads};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Add(i64),
    KeepMultiplesOf(i64),
    Repeat(usize),
    Reverse,
    Remove(i64),
    AddPlace,
    RunningSum,
    RunningMix,
    AddItself,
    Repartition(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (-5i64..5).prop_map(Step::Add),
        (1i64..4).prop_map(Step::KeepMultiplesOf),
        (0usize..4).prop_map(Step::Repeat),
        Just(Step::Reverse),
        (1i64..4).prop_map(Step::Remove),
        Just(Step::AddPlace),
        Just(Step::RunningSum),
        Just(Step::RunningMix),
        Just(Step::AddItself),
        (1usize..20).prop_map(Step::Repartition),
    ];
    prop::collection::vec(step, 0..6)
}

/// The same steps over partitions that are plain vectors.
fn by_hand(mut partitions: Vec<Vec<i64>>, steps: &[Step]) -> Vec<Vec<i64>> {
    let running = |partitions: &[Vec<i64>], mut acc: i64, step: fn(i64, i64) -> i64| {
        let mut next = |x: &i64| {
            acc = step(acc, *x);
            acc
        };
        partitions.iter().map(|items| items.iter().map(&mut next).collect()).collect()
    };
    for step in steps {
        match *step {
            Step::AddPlace => {
                let mut places = 0..;
                for x in partitions.iter_mut().flatten() {
                    *x = x.wrapping_add(places.next().unwrap());
                }
            }
            Step::RunningSum => partitions = running(&partitions, 0, i64::wrapping_add),
            Step::RunningMix => partitions = running(&partitions, 3, |acc, x| acc.wrapping_mul(5).wrapping_sub(x)),
            Step::Repartition(n) if n <= partitions.len() => {
                let bound = |i: usize| i * partitions.len() / n;
                partitions = (0..n).map(|i| partitions[bound(i)..bound(i + 1)].concat()).collect();
            }
            Step::Repartition(n) => {
                let pieces = |i: usize| (i + 1) * n / partitions.len() - i * n / partitions.len();
                let cut = |(i, items): (usize, &Vec<i64>)| {
                    let bound = |piece: usize| items.len() * piece / pieces(i);
                    (0..pieces(i)).map(|piece| items[bound(piece)..bound(piece + 1)].to_vec()).collect::<Vec<_>>()
                };
                partitions = partitions.iter().enumerate().flat_map(cut).collect();
            }
            _ => {}
        }
        for items in &mut partitions {
            *items = match *step {
                Step::Add(n) => items.iter().map(|x| x.wrapping_add(n)).collect(),
                Step::KeepMultiplesOf(n) => items.iter().copied().filter(|x| x % n == 0).collect(),
                Step::Repeat(n) => items.iter().flat_map(|&x| std::iter::repeat_n(x, n)).collect(),
                Step::Reverse => items.iter().rev().copied().collect(),
                Step::Remove(n) => items.iter().copied().filter(|x| x % n != 0).collect(),
                Step::AddItself => items.iter().map(|x| x.wrapping_add(*x)).collect(),
                _ => std::mem::take(items),
            };
        }
    }
    partitions
}

fn with_steps(mut bag: Bag<i64>, steps: &[Step]) -> Bag<i64> {
    for step in steps {
        bag = match *step {
            Step::Add(n) => bag.map_with(n, |n, x| x.wrapping_add(*n)),
            Step::KeepMultiplesOf(n) => bag.filter(move |x| x % n == 0),
            Step::Repeat(n) => bag.flat_map(move |&x| std::iter::repeat_n(x, n)),
            Step::Reverse => bag.map_partitions(|items| items.iter().rev().copied().collect::<Vec<_>>()),
            Step::Remove(n) => bag.remove(move |x| x % n == 0),
            Step::AddPlace => bag.enumerate().starmap(|i, x| x.wrapping_add(*i as i64)),
            Step::RunningSum => bag.accumulate(|sum, x| sum.wrapping_add(*x)),
            Step::RunningMix => bag.scan(3, |acc: &i64, x| acc.wrapping_mul(5).wrapping_sub(*x)),
            Step::AddItself => bag.zip(&bag).starmap(|a, b| a.wrapping_add(*b)),
            Step::Repartition(n) => bag.repartition(n),
        };
    }
    bag
}

proptest! {
    #[test]
    fn any_steps_over_any_partitions(items in prop::collection::vec(-20i64..20, 0..3000), n in 1usize..12, steps in steps(), taken in 0usize..50) {
        let bag = Bag::from_sequence(items.clone(), n);
        let partitions = bag.to_delayed().unwrap().iter().map(|part| evaluate(part).unwrap().0).collect::<Vec<_>>();
        prop_assert_eq!(partitions.concat(), items);
        let expected = by_hand(partitions, &steps).concat();
        let bag = with_steps(bag, &steps);
        prop_assert_eq!(&evaluate(&bag).unwrap(), &expected);
        prop_assert_eq!(&bag.compute_with(&Threads::new(2)).unwrap(), &expected);
        prop_assert_eq!(evaluate(&bag.take(taken)).unwrap(), expected.iter().copied().take(taken).collect::<Vec<_>>());
        prop_assert_eq!(evaluate(&bag.fold(0i64, |a, x| a.wrapping_add(*x), i64::wrapping_add)).unwrap(), expected.iter().fold(0, |a: i64, x| a.wrapping_add(*x)));
        prop_assert_eq!(evaluate(&bag.max_by_key(|x| x % 7)).ok(), expected.iter().copied().max_by_key(|x| x % 7));
        prop_assert_eq!(evaluate(&bag.any(|x| *x == 3)).unwrap(), expected.contains(&3));
        let mut sorted = expected.clone();
        sorted.sort();
        prop_assert_eq!(evaluate(&bag.take_ordered(taken)).unwrap(), sorted.iter().copied().take(taken).collect::<Vec<_>>());
        let sample = evaluate(&bag.take_sample(taken, 1)).unwrap();
        prop_assert_eq!(sample.len(), taken.min(expected.len()));
        let mut rest = expected.iter();
        prop_assert!(sample.iter().all(|x| rest.any(|y| x == y)), "a sample is in order");
        prop_assert_eq!(evaluate(&bag.count()).unwrap(), expected.len() as u64);
        let counts = evaluate(&bag.frequencies()).unwrap();
        let mut seen = Vec::new();
        let mut times = std::collections::BTreeMap::new();
        for x in &expected {
            let n = times.entry(*x).or_insert(0u64);
            *n += 1;
            if *n == 1 {
                seen.push(*x);
            }
        }
        prop_assert_eq!(counts.iter().map(|(x, _)| *x).collect::<Vec<_>>(), seen);
        for (x, n) in counts {
            prop_assert_eq!(n, times[&x]);
        }
    }

    #[test]
    fn any_text_has_the_lines_of_std(text in "[a-zä\\n\\r ]{0,200}", packed: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if packed { "a.gz" } else { "a" });
        if packed {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap();
        } else {
            std::fs::write(&path, &text).unwrap();
        }
        prop_assert_eq!(evaluate(&Bag::read_text(&path).unwrap()).unwrap(), text.lines().collect::<Vec<_>>());
    }
}
