use arras_bag::Bag;
use arras_core::{Collection, Key};

/// Of its partitions: pairs have a method `keys` of their own.
fn names<C: Collection>(collection: &C) -> Vec<Key> {
    collection.keys()
}

fn double(x: &i64) -> i64 {
    x * 2
}

#[test]
fn functions_that_capture_nothing_share_names() {
    let bag = Bag::from_sequence(0..10i64, 2);
    assert_eq!(names(&bag.map(double)), names(&bag.map(double)));
    assert_eq!(bag.map(double).sum().key(), bag.map(double).sum().key());
    assert_eq!(names(&bag.map(double).take(2)), names(&bag.map(double).take(2)));
    let by_key = || bag.foldby(double, 0, |n, _| n + 1, |a, b| a + b);
    assert_eq!(names(&by_key()), names(&by_key()));
    assert_eq!(names(&bag.clone().frequencies()), names(&bag.frequencies()));
}

#[test]
fn different_work_has_different_names() {
    let bag = Bag::from_sequence(0..10i64, 2);
    assert_ne!(names(&bag.map(|x| x + 1)), names(&bag.map(|x| x + 2)));
    assert_ne!(names(&bag.filter(|x| *x > 1)), names(&bag.map(|x| *x > 1)));
    assert_ne!(names(&bag.take(2)), names(&bag.take(3)));
    assert_ne!(bag.fold(0, |a, x| a + x, |a, b| a + b).key(), bag.fold(0, |a, x| a - x, |a, b| a + b).key());
    let from = |initial: i64| bag.fold(initial, |a, x| a + x, |a, b| a + b).key();
    assert_eq!(from(1), from(1));
    assert_ne!(from(1), from(2));
    assert_ne!(names(&Bag::from_sequence([1], 1)), names(&Bag::from_sequence([1], 1)));
    let k = 3;
    let captured = || bag.map(move |x| x + k);
    assert_ne!(captured().keys(), captured().keys(), "nobody can see into a capture");
    let one = captured();
    assert_eq!(names(&one), names(&one));
}

#[test]
fn names_tell_the_operation() {
    let bag = Bag::from_sequence(0..10i64, 20);
    assert_eq!(bag.name().unwrap().operation(), "from_sequence");
    assert_eq!(bag.map(double).name().unwrap().operation(), "map");
    assert_eq!(bag.sum().key().name().operation(), "sum");
    assert_eq!(bag.frequencies().name().unwrap().operation(), "frequencies");
    assert_eq!(bag.map(double).to_string(), "Bag<i64>(10 partitions: from_sequence → map(double))");
    let texts = bag.map(|x| vec![x.to_string()]).flatten().enumerate();
    assert!(texts.to_string().ends_with("→ flatten → enumerate)"), "{texts}");
}

#[test]
fn captures_that_are_spelled_out_are_seen() {
    let bag = Bag::from_sequence(0..10i64, 2);
    let times = |k: i64| bag.map_with(k, |k, x| x * k);
    assert_eq!(names(&times(2)), names(&times(2)));
    assert_ne!(names(&times(2)), names(&times(3)));
    let above = |k: i64| bag.filter_with(k, |k, x| x > k).enumerate();
    assert_eq!(names(&above(2)), names(&above(2)));
    assert_ne!(names(&above(2)), names(&above(3)));
    let modulo = |m: i64| bag.fold_with(m, 0, |m, a, x| (a + x) % m, |m, a, b| (a + b) % m).key();
    assert_eq!(modulo(5), modulo(5));
    assert_ne!(modulo(5), modulo(6));
    assert_eq!(names(&bag.topk(3)), names(&bag.topk(3)));
    assert_ne!(names(&bag.topk(3)), names(&bag.topk(4)));
    assert_ne!(names(&bag.topk(3)), names(&bag.take_ordered(3)));
    assert_ne!(bag.var(0).key(), bag.var(1).key());
    assert_ne!(bag.any(|x| *x > 1).key(), bag.all(|x| *x > 1).key());
    assert_ne!(names(&bag.scan(0, |a, x| a + x)), names(&bag.scan(1, |a, x| a + x)));
    assert_ne!(bag.histogram(2).key(), bag.histogram(3).key());
    assert_eq!(bag.histogram([0.0, 1.0]).key(), bag.histogram([0.0, 1.0]).key());
    assert_ne!(names(&bag.zip(&bag.map(double))), names(&bag.map(double).zip(&bag)));
}
