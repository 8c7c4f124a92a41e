//! Where nothing is shared, no depth-first order holds less than the plan's: compared with all of them.

use proptest::prelude::*;

use super::drawing::Drawing;

/// A tree: each task but the last is read by one of a higher number. Sizes, and the reader of each.
fn trees() -> impl Strategy<Value = Vec<(u64, prop::sample::Index)>> {
    prop::collection::vec((1u64..50, any::<prop::sample::Index>()), 1..8)
}

/// The least that any order holds which finishes one input of a task before it starts the next.
fn least(task: usize, inputs: &[Vec<usize>], sizes: &[u64]) -> u64 {
    let needs: Vec<(u64, u64)> = inputs[task].iter().map(|&input| (least(input, inputs, sizes), sizes[input])).collect();
    fn best(needs: &mut Vec<(u64, u64)>, from: usize, held: u64, own: u64) -> u64 {
        if from == needs.len() {
            return held + own;
        }
        let mut least = u64::MAX;
        for i in from..needs.len() {
            needs.swap(from, i);
            let (need, size) = needs[from];
            least = least.min((held + need).max(best(needs, from + 1, held + size, own)));
            needs.swap(from, i);
        }
        least
    }
    best(&mut needs.clone(), 0, 0, sizes[task])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_a_tree_no_depth_first_order_holds_less(tree in trees()) {
        let (mut drawing, mut inputs) = (Drawing::default(), vec![Vec::new(); tree.len()]);
        for (task, (_, reader)) in tree.iter().enumerate().take(tree.len() - 1) {
            inputs[task + 1 + reader.index(tree.len() - 1 - task)].push(task);
        }
        for (task, (size, _)) in tree.iter().enumerate() {
            drawing.reads(format!("t{task}"), inputs[task].iter().map(|input| format!("t{input}")));
            drawing.size(format!("t{task}"), *size);
        }
        let sizes: Vec<u64> = tree.iter().map(|(size, _)| *size).collect();
        let last = tree.len() - 1;
        prop_assert_eq!(drawing.run(&format!("t{last}")).peak, least(last, &inputs, &sizes));
    }
}
