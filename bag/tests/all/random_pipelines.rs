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
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (-5i64..5).prop_map(Step::Add),
        (1i64..4).prop_map(Step::KeepMultiplesOf),
        (0usize..4).prop_map(Step::Repeat),
        Just(Step::Reverse),
    ];
    prop::collection::vec(step, 0..6)
}

/// The same steps over partitions that are plain vectors.
fn by_hand(mut partitions: Vec<Vec<i64>>, steps: &[Step]) -> Vec<Vec<i64>> {
    for step in steps {
        for items in &mut partitions {
            *items = match *step {
                Step::Add(n) => items.iter().map(|x| x + n).collect(),
                Step::KeepMultiplesOf(n) => items.iter().copied().filter(|x| x % n == 0).collect(),
                Step::Repeat(n) => items.iter().flat_map(|&x| std::iter::repeat_n(x, n)).collect(),
                Step::Reverse => items.iter().rev().copied().collect(),
            };
        }
    }
    partitions
}

fn with_steps(mut bag: Bag<i64>, steps: &[Step]) -> Bag<i64> {
    for step in steps {
        bag = match *step {
            Step::Add(n) => bag.map(move |x| x + n),
            Step::KeepMultiplesOf(n) => bag.filter(move |x| x % n == 0),
            Step::Repeat(n) => bag.flat_map(move |&x| std::iter::repeat_n(x, n)),
            Step::Reverse => bag.map_partitions(|items| items.iter().rev().copied().collect::<Vec<_>>()),
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
        prop_assert_eq!(evaluate(&bag.sum()).unwrap(), expected.iter().sum::<i64>());
        prop_assert_eq!(evaluate(&bag.count()).unwrap(), expected.len() as u64);
        let counts = evaluate(&bag.frequencies()).unwrap();
        let mut seen = Vec::new();
        for x in &expected {
            if !seen.contains(x) {
                seen.push(*x);
            }
        }
        prop_assert_eq!(counts.iter().map(|(x, _)| *x).collect::<Vec<_>>(), seen);
        for (x, n) in counts {
            prop_assert_eq!(n, expected.iter().filter(|y| **y == x).count() as u64);
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
