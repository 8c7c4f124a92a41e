use arras_bag::{Bag, Error};
use arras_core::{Collection, Panic, evaluate};
use arras_scheduler::{Compute, Synchronous, Threads};

/// The step, the partition and the element that a run broke on, the same under every scheduler.
fn broken<C>(collection: &C) -> (String, u32, Option<u64>)
where
    C: Collection + Sync,
    C::Output: std::fmt::Debug + Send,
{
    let results = [evaluate(collection), collection.compute_with(&Synchronous), collection.compute_with(&Threads::new(1))];
    let places = results.map(|result| {
        let error = result.unwrap_err();
        assert!(error.find::<Panic>().unwrap().message().contains("no!"), "{error}");
        assert!(error.to_string().contains("no!"), "{error}");
        match error.find::<Error>() {
            Some(Error::Panicked { step, partition, element, .. }) => (step.clone(), *partition, *element),
            other => panic!("{error}: {other:?}"),
        }
    });
    assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    places[0].clone()
}

fn not(x: u64, bad: u64) -> u64 {
    assert_ne!(x, bad, "no!");
    x
}

#[test]
fn each_step_tells_where_it_was() {
    // Elements 0..3000 in three partitions; 2715 is number 715 of the last, and past the first batch.
    let held = Bag::from_sequence(0..3000u64, 3);
    let made = Bag::range(0..3000u64, 3);
    for bag in [held.clone(), made, held.map(|x| *x), held.filter(|_| true), held.flat_map(|x| [*x])] {
        let at = |element| (2, Some(element));
        let place = |(step, partition, element): (String, u32, Option<u64>), operation: &str| {
            assert!(step.starts_with(operation), "{step} is no {operation}");
            (partition, element)
        };
        assert_eq!(place(broken(&bag.map(|x| not(*x, 2715))), "map("), at(715));
        assert_eq!(place(broken(&bag.filter(|x| not(*x, 2715) < 5).map(|x| x + 1)), "filter("), at(715));
        assert_eq!(place(broken(&bag.remove(|x| not(*x, 2715) < 5)), "remove("), at(715));
        assert_eq!(place(broken(&bag.flat_map(|x| [not(*x, 2715), 1])), "flat_map("), at(715));
        assert_eq!(place(broken(&bag.inspect(|x| assert_eq!(not(*x, 2715), *x))), "inspect("), at(715));
        assert_eq!(place(broken(&bag.map_with(2715, |bad, x| not(*x, *bad))), "map_with("), at(715));
        assert_eq!(place(broken(&bag.fold(0, |a, x| a + not(*x, 2715), |a, b| a + b)), "fold"), at(715));
        assert_eq!(place(broken(&bag.reduce(|a, b| a.min(not(b, 2715)))), "reduce"), at(715));
        assert_eq!(place(broken(&bag.for_each(|x| assert_eq!(not(*x, 2715), *x))), "for_each"), at(715));
        assert_eq!(place(broken(&bag.all(|x| not(*x, 2715) < 5000)), "all"), at(715));
        assert_eq!(place(broken(&bag.scan(0, |_, x| not(*x, 2715))), "scan"), at(715));
        assert_eq!(place(broken(&bag.accumulate(|_, x| not(*x, 2715))), "accumulate"), at(715));
        assert_eq!(place(broken(&bag.foldby(|x| not(*x, 2715) % 2, 0, |n, _| n + 1, |a, b| a + b)), "foldby"), at(715));
        assert_eq!(place(broken(&bag.foldby(|x| x % 2, 0, |n, x| n + not(*x, 2715), |a, b| a + b)), "foldby"), at(715));
        let pairs = bag.map(|x| (x % 7, *x));
        assert_eq!(place(broken(&pairs.map_values(|x| not(*x, 2715))), "map_values("), at(715));
        assert_eq!(place(broken(&pairs.flat_map_values(|x| [not(*x, 2715)])), "flat_map("), at(715));
        assert_eq!(place(broken(&bag.group_by(|x| not(*x, 2715) % 3)), "group_by"), at(715));
        assert_eq!(place(broken(&pairs.reduce_by_key(|a, b| a.min(not(b, 2715)))), "reduce_by_key"), at(715));
        assert_eq!(place(broken(&pairs.aggregate_by_key(0, |n, x| n + not(*x, 2715), |a, b| a + b)), "aggregate_by_key"), at(715));
        assert_eq!(
            place(broken(&bag.topk_by(3, |a, b| not(*a, 2715).cmp(&not(*b, 2715)))), "topk_by"),
            (2, None),
            "at the end, when all are sorted"
        );
        // Counted in what the step was given, not in what the partition held.
        assert_eq!(place(broken(&bag.filter(|x| x % 5 == 0).map(|x| not(*x, 2715))), "map("), at(143));
        assert_eq!(place(broken(&bag.map(|x| x + 1).filter(|x| x % 5 == 0).filter(|x| not(*x, 2715) > 5)), "filter("), at(142));
        // Where one step feeds the next from inside its own loop, the one that broke is the one told.
        assert_eq!(place(broken(&bag.flat_map(|&x| x..x + 700).map(|x| not(*x, 2715))), "map("), at(16 * 700 + 699));
        assert_eq!(place(broken(&bag.flat_map(|&x| (x..x + 700).map(|x| not(x, 3200)))), "flat_map("), at(501));
    }
}

#[test]
fn a_partition_that_breaks_as_a_whole_has_no_element() {
    let bag = Bag::from_sequence(0..9u64, 3).map_partitions(|items| items.iter().map(|x| not(*x, 7)).collect::<Vec<_>>());
    let (step, partition, element) = broken(&bag.map(|x| x + 1));
    assert_eq!((step.contains("closure"), partition, element), (true, 2, None));
}

#[test]
fn a_run_that_broke_leaves_the_next_alone() {
    let bag = Bag::from_sequence(0..3000u64, 3);
    let broken = bag.map(|x| not(*x, 2715));
    for _ in 0..3 {
        assert!(broken.compute_with(&Threads::new(2)).is_err());
        assert_eq!(bag.map(|x| x + 1).compute_with(&Threads::new(2)).unwrap().len(), 3000);
    }
}
