use arras_bag::Bag;
use arras_core::Collection;

fn double(x: &i64) -> i64 {
    x * 2
}

#[test]
fn functions_that_capture_nothing_share_names() {
    let bag = Bag::from_sequence(0..10i64, 2);
    assert_eq!(bag.map(double).keys(), bag.map(double).keys());
    assert_eq!(bag.map(double).sum().key(), bag.map(double).sum().key());
    assert_eq!(bag.map(double).take(2).keys(), bag.map(double).take(2).keys());
    let by_key = || bag.foldby(double, 0, |n, _| n + 1, |a, b| a + b);
    assert_eq!(Collection::keys(&by_key()), Collection::keys(&by_key()));
    assert_eq!(Collection::keys(&bag.clone().frequencies()), Collection::keys(&bag.frequencies()));
}

#[test]
fn different_work_has_different_names() {
    let bag = Bag::from_sequence(0..10i64, 2);
    assert_ne!(bag.map(|x| x + 1).keys(), bag.map(|x| x + 2).keys());
    assert_ne!(bag.filter(|x| *x > 1).keys(), bag.map(|x| *x > 1).keys());
    assert_ne!(bag.take(2).keys(), bag.take(3).keys());
    assert_ne!(bag.fold(0, |a, x| a + x, |a, b| a + b).key(), bag.fold(0, |a, x| a - x, |a, b| a + b).key());
    let from = |initial: i64| bag.fold(initial, |a, x| a + x, |a, b| a + b).key();
    assert_eq!(from(1), from(1));
    assert_ne!(from(1), from(2));
    assert_ne!(Bag::from_sequence([1], 1).keys(), Bag::from_sequence([1], 1).keys());
    let k = 3;
    let captured = || bag.map(move |x| x + k);
    assert_ne!(captured().keys(), captured().keys(), "nobody can see into a capture");
    let one = captured();
    assert_eq!(one.keys(), one.keys());
}

#[test]
fn names_tell_the_operation() {
    let bag = Bag::from_sequence(0..10i64, 20);
    assert_eq!(bag.name().unwrap().operation(), "from_sequence");
    assert_eq!(bag.map(double).name().unwrap().operation(), "map");
    assert_eq!(bag.sum().key().name().operation(), "sum");
    assert_eq!(bag.frequencies().name().unwrap().operation(), "frequencies");
    assert_eq!(bag.map(double).to_string(), "Bag<i64>(10 partitions: from_sequence → map(double))");
}
