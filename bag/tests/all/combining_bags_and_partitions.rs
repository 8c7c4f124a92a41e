use arras_bag::{Bag, Partition};
use arras_core::{Collection, Persist, delayed, get_values};

use crate::computed;

#[test]
fn concat_puts_partitions_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "x\ny\n").unwrap();
    let texts = Bag::from_sequence(["a", "bb"], 2).map(|text| (*text).to_owned());
    let lines = Bag::read_text(&path).unwrap();
    let all = Bag::concat([texts.clone(), lines, texts.filter(|text| text.len() > 1), texts]);
    assert_eq!(all.n_partitions(), 7);
    assert_eq!(computed(&all), ["a", "bb", "x", "y", "bb", "a", "bb"]);
    assert_eq!(computed(&all.map(String::len).sum()), 10);
    assert_eq!(computed(&all.take(4)), ["a", "bb", "x", "y"]);
    assert_eq!(computed(&all.frequencies()), [("a", 2), ("bb", 3), ("x", 1), ("y", 1)].map(|(text, n)| (text.to_owned(), n)));
    assert_eq!(computed(&all.map_partitions(|items| [items.len()])), [1, 1, 2, 0, 1, 1, 1]);
}

#[test]
fn map_partitions_sees_all_of_each() {
    let bag = Bag::from_sequence(0..5000, 3).filter(|x| x % 2 == 0);
    let reversed = bag.map_partitions(|items| items.iter().rev().copied().collect::<Vec<_>>());
    let expected: Vec<i32> =
        [0..1667, 1667..3334, 3334..5000].into_iter().flat_map(|part| part.rev().filter(|x| x % 2 == 0).collect::<Vec<_>>()).collect();
    assert_eq!(computed(&reversed), expected);
    assert_eq!(computed(&reversed.map(|x| i64::from(*x)).sum()), expected.iter().map(|&x| i64::from(x)).sum::<i64>());
}

#[test]
fn to_and_from_delayed() {
    let bag = Bag::from_sequence(0..7, 3).map(|x| x * x);
    let parts = bag.to_delayed().unwrap();
    assert_eq!(parts.iter().map(|part| part.key()).collect::<Vec<_>>(), bag.keys());
    let back = Bag::from_delayed(parts.iter().map(|part| part.map(|items: &Partition<i32>| Partition(items.iter().map(|x| -x).collect()))));
    assert_eq!((back.n_partitions(), computed(&back)), (3, (0..7).map(|x| -(x * x)).collect()));
    let one = Bag::from_delayed([delayed(|| Partition(vec![1, 2]), ())]);
    assert_eq!(computed(&one.map(|x| x + 1)), [2, 3]);
}

#[test]
fn a_persisted_bag_keeps_its_keys_and_runs_nothing_again() {
    let twice = Bag::from_sequence(0..10, 4).map(|x| x * 2);
    let both = Bag::concat([twice.clone(), Bag::from_sequence([7], 1)]);
    for bag in [twice, both] {
        let values = get_values(&bag.graph().unwrap(), &bag.keys()).unwrap();
        let persisted = bag.persisted(values).unwrap();
        assert_eq!(persisted.keys(), bag.keys());
        assert_eq!(computed(&persisted), computed(&bag));
        assert_eq!(persisted.graph().unwrap().len(), bag.n_partitions());
        assert_eq!(computed(&persisted.map(|x| x + 1).sum()), computed(&bag.map(|x| x + 1).sum()));
        assert_eq!(computed(&persisted), computed(&bag), "computing takes nothing from what is shared");
    }
}

#[test]
fn bags_computed_together_share_their_work() {
    let squares = Bag::from_sequence(0..10u64, 2).map(|x| x * x);
    let both = (squares.clone(), squares.sum(), squares.count());
    assert_eq!(computed(&both), ((0..10).map(|x| x * x).collect(), 285, 10));
}
