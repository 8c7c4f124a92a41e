//! What holds for bundles of any plan.

use std::collections::BTreeSet;
use std::time::Duration;

use arras_core::optimise::{BundleOptions, Bundles, Costs};
use arras_core::{Plan, Source};
use proptest::prelude::*;

use super::bundle::{Sketch, USERS, kernel, options};
use super::reference::cases;

/// Compares everything that bundles say with what the plan and the bundle of each task say.
fn check(plan: &Plan, bundles: &Bundles) {
    let all = || 0..plan.len() as u32;
    let in_bundle = |bundle: u32| all().filter(move |&id| bundles.bundle_of(id) == bundle);
    let ascending = |ids: BTreeSet<u32>| ids.into_iter().collect::<Vec<u32>>();
    assert_eq!(bundles.is_empty(), plan.is_empty());
    let wanted: BTreeSet<u32> = plan.outputs().filter_map(|output| if let Source::Task(id) = output { Some(id) } else { None }).collect();
    for bundle in 0..bundles.len() as u32 {
        let tasks: Vec<u32> = in_bundle(bundle).collect();
        assert!(!tasks.is_empty());
        assert_eq!(bundles.tasks(bundle), tasks);
        let elsewhere = |id: &u32| bundles.bundle_of(*id) != bundle;
        let inputs: BTreeSet<u32> = tasks.iter().flat_map(|&id| plan.task_inputs(id)).filter(elsewhere).collect();
        let readers: BTreeSet<u32> = tasks.iter().flat_map(|&id| plan.readers(id).iter().copied()).filter(elsewhere).collect();
        let exports: Vec<u32> = tasks.iter().copied().filter(|id| wanted.contains(id) || plan.readers(*id).iter().any(elsewhere)).collect();
        let of = |ids: &BTreeSet<u32>| ascending(ids.iter().map(|&id| bundles.bundle_of(id)).collect());
        assert_eq!(bundles.predecessors(bundle), of(&inputs));
        assert_eq!(bundles.successors(bundle), of(&readers));
        assert_eq!(bundles.inputs(bundle), ascending(inputs));
        assert_eq!(bundles.exports(bundle), exports);
        assert!(bundles.predecessors(bundle).iter().all(|&before| before < bundle), "no cycle, and numbered in order");
        if let [before] = *bundles.predecessors(bundle) {
            assert_ne!(bundles.successors(before), [bundle], "two bundles that only follow each other");
        }
    }
    assert_eq!((0..bundles.len() as u32).map(|bundle| bundles.tasks(bundle).len()).sum::<usize>(), plan.len());
}

/// Parts of a plan that have nothing to do with each other.
fn n_components(plan: &Plan) -> usize {
    let mut of: Vec<u32> = (0..plan.len() as u32).collect();
    fn find(of: &[u32], mut id: u32) -> u32 {
        while of[id as usize] != id {
            id = of[id as usize];
        }
        id
    }
    for id in 0..plan.len() as u32 {
        for input in plan.task_inputs(id) {
            let (a, b) = (find(&of, id), find(&of, input));
            of[a as usize] = b;
        }
    }
    (0..plan.len() as u32).filter(|&id| of[id as usize] == id).count()
}

/// Layers at random, trees, shuffles, chains and stencils, up to three of them side by side; some 1,000 tasks.
fn sketches(work: impl Strategy<Value = Option<u64>> + Clone) -> impl Strategy<Value = Sketch> {
    let part = (0..5u32, 1..30u32, 1..12u32, prop::collection::vec(any::<u32>(), 64), prop::collection::vec(work, 8));
    prop::collection::vec(part, 1..4).prop_map(|parts| {
        let mut sketch = Sketch::default();
        for (kind, width, depth, picks, works) in parts {
            let (mut picks, mut works) = (picks.into_iter().cycle(), works.into_iter().cycle());
            let mut pick = move |n: usize| picks.next().unwrap() as usize % n;
            let mut work = move || works.next().unwrap();
            let mut row = sketch.roots(work(), width);
            match kind {
                0 => {
                    for _ in 0..depth {
                        let below: Vec<u32> =
                            (sketch.reads.len() as u32 - width..sketch.reads.len() as u32).chain(row.iter().copied()).collect();
                        row = (0..1 + pick(30))
                            .map(|_| (0..pick(4)).map(|_| below[pick(below.len())]).collect())
                            .map(|reads: Vec<u32>| sketch.add(work(), reads))
                            .collect();
                        sketch.wanted.push(row[pick(row.len())]);
                    }
                }
                1 => row = vec![sketch.reduce(work(), row, 2 + pick(7))],
                2 => {
                    let pieces: Vec<Vec<u32>> = row.iter().map(|&part| sketch.map(work(), &vec![part; depth as usize])).collect();
                    row = (0..depth as usize).map(|to| sketch.add(work(), pieces.iter().map(|pieces| pieces[to]))).collect();
                }
                3 => (0..3 * depth).for_each(|_| row = sketch.map(work(), &row)),
                _ => (0..depth).for_each(|_| row = sketch.step(work(), &row)),
            }
            sketch.wanted.extend(row);
        }
        sketch
    })
}

fn any_work() -> impl Strategy<Value = Option<u64>> + Clone {
    prop_oneof![4 => Just(USERS), 1 => Just(kernel(0)), 8 => (0u64..1 << 24).prop_map(kernel), 1 => (1u64 << 50..1 << 52).prop_map(kernel)]
}

fn any_options() -> impl Strategy<Value = BundleOptions<'static>> {
    (0usize..20, prop_oneof![Just(0), Just(50), 0..20_000u64])
        .prop_map(|(slots, micros)| BundleOptions { per_bundle: Duration::from_micros(micros), ..options(slots) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_task_is_in_one_bundle_and_what_goes_between_them_is_exact(sketch in sketches(any_work()), options in any_options()) {
        let plan = sketch.plan();
        check(&plan, &Bundles::new(&plan, &options));
    }

    #[test]
    fn hand_built_and_grid_layers_are_cut_alike(case in cases(), options in any_options()) {
        let plan = Plan::new(&case.graph, &case.wanted).unwrap();
        check(&plan, &Bundles::new(&plan, &options));
    }

    #[test]
    fn equal_plans_and_observations_give_equal_bundles(sketch in sketches(any_work()), options in any_options(), took in prop::collection::vec(0u64..1 << 40, 1..20)) {
        let run = || {
            let (plan, mut costs) = (sketch.plan(), Costs::default());
            let first = Bundles::new(&plan, &options);
            for (bundle, &took) in (0..first.len() as u32).zip(took.iter().cycle()) {
                costs.observe(&plan, &first, bundle, Duration::from_nanos(took));
            }
            let second = Bundles::new(&plan, &BundleOptions { costs: Some(&costs), ..options });
            check(&plan, &second);
            (0..plan.len() as u32).map(|id| (first.bundle_of(id), second.bundle_of(id))).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn the_users_work_keeps_all_slots_busy_where_it_is_independent(sketch in sketches(Just(USERS)), options in any_options()) {
        let plan = sketch.plan();
        let bundles = Bundles::new(&plan, &options);
        prop_assert!(bundles.len() >= n_components(&plan).min(options.slots), "{} bundles", bundles.len());
    }

    #[test]
    fn overhead_stays_a_fraction_of_cheap_work(sketch in sketches((0u64..1 << 20).prop_map(kernel)), options in any_options()) {
        let plan = sketch.plan();
        let bundles = Bundles::new(&plan, &options);
        let work: Duration = (0..bundles.len() as u32).map(|bundle| bundles.cost(bundle)).sum();
        prop_assert!(options.per_bundle * (bundles.len() as u32 - 1) <= work / 2, "{} bundles for {work:?}", bundles.len());
    }
}
