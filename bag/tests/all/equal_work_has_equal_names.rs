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
    assert_eq!(by_key().keys(), by_key().keys());
    assert_eq!(bag.clone().frequencies().keys(), bag.frequencies().keys());
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
    let texts = bag.map(|x| vec![x.to_string()]).flatten().enumerate();
    assert!(texts.to_string().ends_with("→ flatten → enumerate)"), "{texts}");
}

#[test]
fn captures_that_are_spelled_out_are_seen() {
    let bag = Bag::from_sequence(0..10i64, 2);
    let times = |k: i64| bag.map_with(k, |k, x| x * k);
    assert_eq!(times(2).keys(), times(2).keys());
    assert_ne!(times(2).keys(), times(3).keys());
    let above = |k: i64| bag.filter_with(k, |k, x| x > k).enumerate();
    assert_eq!(above(2).keys(), above(2).keys());
    assert_ne!(above(2).keys(), above(3).keys());
    let modulo = |m: i64| bag.fold_with(m, 0, |m, a, x| (a + x) % m, |m, a, b| (a + b) % m).key();
    assert_eq!(modulo(5), modulo(5));
    assert_ne!(modulo(5), modulo(6));
    assert_eq!(bag.topk(3).keys(), bag.topk(3).keys());
    assert_ne!(bag.topk(3).keys(), bag.topk(4).keys());
    assert_ne!(bag.topk(3).keys(), bag.take_ordered(3).keys());
    assert_ne!(bag.var(0).key(), bag.var(1).key());
    assert_ne!(bag.any(|x| *x > 1).key(), bag.all(|x| *x > 1).key());
    assert_ne!(bag.scan(0, |a, x| a + x).keys(), bag.scan(1, |a, x| a + x).keys());
    assert_ne!(bag.histogram(2).key(), bag.histogram(3).key());
    assert_eq!(bag.histogram([0.0, 1.0]).key(), bag.histogram([0.0, 1.0]).key());
    assert_ne!(bag.zip(&bag.map(double)).keys(), bag.map(double).zip(&bag).keys());
}
