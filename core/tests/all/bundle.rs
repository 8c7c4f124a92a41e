//! How plans of known shapes are cut.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use arras_core::optimise::{BundleOptions, Bundles, Costs, fuse};
use arras_core::{BoxError, Func, Graph, GridBuilder, Inputs, Kernel, Key, Name, Plan, Sizes, Value, alias, task, value};
use serde::{Deserialize, Serialize};

/// A graph by numbers: what each task reads, the bytes of its value, and whether it is the user's code.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    pub(super) reads: Vec<Vec<u32>>,
    nbytes: Vec<u64>,
    is_users: Vec<bool>,
    pub(super) wanted: Vec<u32>,
}

/// The user's code: 10 ms, for all that anybody knows.
pub(super) const USERS: Option<u64> = None;

/// A kernel that makes this many bytes: at least as many nanoseconds.
pub(super) const fn kernel(nbytes: u64) -> Option<u64> {
    Some(nbytes)
}

#[derive(Serialize, Deserialize)]
struct Nothing;

impl Kernel for Nothing {
    fn name(&self) -> Cow<'static, str> {
        "nothing".into()
    }
    fn run(&self, _: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(Value::new(()))
    }
}

fn users() -> Func {
    Func::erased::<Sketch, _>(|_: &Inputs<'_>| Ok(Value::new(())))
}

impl Sketch {
    pub(super) fn add(&mut self, work: Option<u64>, reads: impl IntoIterator<Item = u32>) -> u32 {
        self.reads.push(reads.into_iter().collect());
        self.nbytes.push(work.unwrap_or(8));
        self.is_users.push(work.is_none());
        self.reads.len() as u32 - 1
    }

    /// A task for each of `below`, which it reads.
    pub(super) fn map(&mut self, work: Option<u64>, below: &[u32]) -> Vec<u32> {
        below.iter().map(|&input| self.add(work, [input])).collect()
    }

    pub(super) fn roots(&mut self, work: Option<u64>, n: u32) -> Vec<u32> {
        (0..n).map(|_| self.add(work, [])).collect()
    }

    pub(super) fn reduce(&mut self, work: Option<u64>, mut below: Vec<u32>, arity: usize) -> u32 {
        while below.len() > 1 {
            below = below.chunks(arity).map(|group| self.add(work, group.to_vec())).collect();
        }
        below[0]
    }

    /// A row that reads each task and its neighbours.
    pub(super) fn step(&mut self, work: Option<u64>, row: &[u32]) -> Vec<u32> {
        (0..row.len()).map(|x| self.add(work, row[x.saturating_sub(1)..(x + 2).min(row.len())].to_vec())).collect()
    }

    pub(super) fn stencil(work: Option<u64>, width: u32, steps: u32) -> Sketch {
        let mut sketch = Sketch::default();
        let mut row = sketch.roots(work, width);
        (1..steps).for_each(|_| row = sketch.step(work, &row));
        sketch.wanted = row;
        sketch
    }

    pub(super) fn plan(&self) -> Plan {
        let mut layer = GridBuilder::new(Name::new("t"), &[self.reads.len() as u32]);
        let funcs = [layer.func(Func::kernel(Nothing)), layer.func(users())];
        let this = layer.depends_on(Name::new("t"));
        for (reads, &is_users) in self.reads.iter().zip(&self.is_users) {
            layer.call(funcs[usize::from(is_users)], reads.iter().map(|&input| (this, input)));
        }
        layer.sizes(Sizes::Each(self.nbytes.clone().into()));
        let mut graph = Graph::new();
        graph.insert_layer(layer.build());
        let keys: Vec<Key> = self.wanted.iter().map(|&id| Key::from(("t", id))).collect();
        Plan::new(&graph, &keys).unwrap()
    }

    fn bundles(&self, slots: usize) -> Bundles {
        Bundles::new(&self.plan(), &options(slots))
    }
}

pub(super) fn options(slots: usize) -> BundleOptions<'static> {
    BundleOptions { slots, per_bundle: Duration::from_micros(50), costs: None }
}

fn numbers(bundles: &Bundles) -> std::ops::Range<u32> {
    0..bundles.len() as u32
}

/// Bundles, edges between them, and the most that follow one after another.
fn shape(bundles: &Bundles) -> (usize, usize, usize) {
    let mut depths: Vec<usize> = Vec::new();
    for bundle in numbers(bundles) {
        depths.push(1 + bundles.predecessors(bundle).iter().map(|&before| depths[before as usize]).max().unwrap_or(0));
    }
    let n_edges = numbers(bundles).map(|bundle| bundles.predecessors(bundle).len()).sum();
    (bundles.len(), n_edges, depths.into_iter().max().unwrap_or(0))
}

/// The share of the slots' time that is spent on tasks, when each slot takes the first bundle that is ready.
fn efficiency(bundles: &Bundles, slots: usize) -> f64 {
    let mut waiting: Vec<usize> = numbers(bundles).map(|bundle| bundles.predecessors(bundle).len()).collect();
    let mut ready: BinaryHeap<_> = numbers(bundles).filter(|&bundle| waiting[bundle as usize] == 0).map(Reverse).collect();
    let mut running: BinaryHeap<Reverse<(Duration, u32)>> = BinaryHeap::new();
    let (mut now, mut work) = (Duration::ZERO, Duration::ZERO);
    loop {
        while running.len() < slots
            && let Some(Reverse(bundle)) = ready.pop()
        {
            work += bundles.cost(bundle);
            running.push(Reverse((now + bundles.cost(bundle) + Duration::from_micros(50), bundle)));
        }
        let Some(Reverse((end, bundle))) = running.pop() else { break };
        now = end;
        for &after in bundles.successors(bundle) {
            waiting[after as usize] -= 1;
            if waiting[after as usize] == 0 {
                ready.push(Reverse(after));
            }
        }
    }
    work.as_secs_f64() / now.as_secs_f64() / slots as f64
}

#[test]
fn nothing_and_one_task_and_values_that_are_there() {
    let mut graph = Graph::new();
    graph.insert("value", value(1i64));
    graph.insert("alias", alias("value"));
    let plan = Plan::new(&graph, &["alias".into(), "value".into()]).unwrap();
    let bundles = Bundles::new(&plan, &options(8));
    assert!(bundles.is_empty() && shape(&bundles) == (0, 0, 0));

    graph.insert("task", task(|x: &i64| x + 1, ("alias",)));
    for slots in [0, 1, usize::MAX] {
        let bundles = Bundles::new(&Plan::new(&graph, &["task".into(), "value".into()]).unwrap(), &options(slots));
        assert_eq!((bundles.tasks(0), bundles.inputs(0), bundles.exports(0)), (&[0][..], &[][..], &[0][..]));
    }
}

#[test]
fn independent_tasks_make_four_bundles_for_each_slot() {
    let mut sketch = Sketch::default();
    let below = sketch.roots(USERS, 1000);
    sketch.wanted = sketch.map(USERS, &below);
    let bundles = sketch.bundles(8);
    assert_eq!(shape(&bundles), (32, 0, 1));
    assert!(numbers(&bundles).all(|bundle| (62..=64).contains(&bundles.tasks(bundle).len())));
}

#[test]
fn a_small_graph_of_the_users_is_a_task_a_bundle_but_for_its_chains() {
    let mut sketch = Sketch::default();
    let root = sketch.add(USERS, []);
    let branches = sketch.map(USERS, &[root; 3]);
    let branches = sketch.map(USERS, &branches);
    sketch.wanted = vec![sketch.add(USERS, branches)];
    let bundles = sketch.bundles(4);
    assert_eq!(shape(&bundles), (5, 6, 3));
    assert_eq!(numbers(&bundles).map(|bundle| bundles.tasks(bundle).len()).collect::<Vec<_>>(), [1, 2, 2, 2, 1]);
}

#[test]
fn a_reduction_is_branches_and_a_trunk() {
    // ((0 1 2 3 → 4) (5 6 7 8 → 9) … → 20): four branches and what reads them.
    let mut sketch = Sketch::default();
    let leaves = sketch.roots(kernel(1 << 20), 16);
    sketch.wanted = vec![sketch.reduce(kernel(1 << 20), leaves, 4)];
    let bundles = sketch.bundles(1);
    assert_eq!(shape(&bundles), (5, 4, 2));
    assert_eq!(bundles.tasks(1), [5, 6, 7, 8, 9]);
    assert_eq!((bundles.tasks(4), bundles.inputs(4)), (&[20][..], &[4, 9, 14, 19][..]));

    for (arity, n_leaves, work) in
        [(2, 100_000, USERS), (8, 100_000, USERS), (2, 3_000, USERS), (2, 200_000, kernel(8)), (10, 3_000, kernel(1 << 20))]
    {
        let mut sketch = Sketch::default();
        let leaves = sketch.roots(work, n_leaves);
        sketch.wanted = vec![sketch.reduce(work, leaves, arity)];
        let bundles = sketch.bundles(8);
        let (n, n_edges, depth) = shape(&bundles);
        assert!((33..=64).contains(&n) && depth <= 3 && n_edges <= 2 * n, "{arity} {n_leaves}: {:?}", shape(&bundles));
        assert!(efficiency(&bundles, 8) > 0.93, "{arity} {n_leaves}: {}", efficiency(&bundles, 8));
    }
}

#[test]
fn a_chain_is_one_bundle_and_several_are_not_cut() {
    for (n_chains, n_bundles) in [(1, 1), (5, 5), (12, 12), (320, 32)] {
        for work in [USERS, kernel(1 << 20)] {
            let mut sketch = Sketch::default();
            let mut links = sketch.roots(work, n_chains);
            (0..200).for_each(|_| links = sketch.map(work, &links));
            sketch.wanted = links;
            assert_eq!(shape(&sketch.bundles(8)), (n_bundles, 0, 1), "{n_chains} chains");
        }
    }
    // Of very different lengths.
    let mut sketch = Sketch::default();
    for length in (0..40).map(|i| 1 + i * i * i / 10) {
        let mut link = sketch.add(USERS, []);
        (1..length).for_each(|_| link = sketch.add(USERS, [link]));
        sketch.wanted.push(link);
    }
    for slots in [2, 8, 16] {
        let (n, n_edges, _) = shape(&sketch.bundles(slots));
        assert!((4 * slots.min(4)..=40).contains(&n) && n_edges == 0, "{slots} slots: {n} bundles, {n_edges} edges");
    }
}

#[test]
fn the_pieces_of_a_shuffle_stay_with_what_they_are_cut_from() {
    for (n, slots) in [(20u32, 8), (40, 8), (100, 8), (100, 64)] {
        let mut sketch = Sketch::default();
        let parts = sketch.roots(kernel(1 << 20), n);
        let pieces: Vec<Vec<u32>> =
            parts.iter().map(|&part| sketch.map(kernel((1 << 20) / u64::from(n)), &vec![part; n as usize])).collect();
        sketch.wanted = (0..n as usize).map(|to| sketch.add(kernel(1 << 20), pieces.iter().map(|pieces| pieces[to]))).collect();
        let plan = sketch.plan();
        let bundles = Bundles::new(&plan, &options(slots));
        for id in 0..plan.len() as u32 {
            let of_one = plan.task_inputs(id).count() == 1;
            plan.task_inputs(id).for_each(|input| assert_eq!(bundles.bundle_of(input) == bundles.bundle_of(id), of_one, "{n} {slots}"));
        }
        assert_eq!(shape(&bundles).2, 2);
        assert!(efficiency(&bundles, slots) > 0.7, "{n} {slots}: {}", efficiency(&bundles, slots));
    }
}

#[test]
fn what_many_read_comes_first_and_alone_unless_what_reads_it_is_cheap() {
    let mut sketch = Sketch::default();
    let root = sketch.add(USERS, []);
    sketch.wanted = sketch.map(USERS, &vec![root; 10_000]);
    let bundles = sketch.bundles(8);
    assert_eq!((shape(&bundles), bundles.tasks(0).len()), ((33, 32, 2), 1));

    // A file, its cheap pieces, and a long row of steps for each.
    let mut sketch = Sketch::default();
    let file = sketch.add(USERS, []);
    let mut rows = sketch.map(kernel(100), &[file; 8]);
    (0..50).for_each(|_| rows = sketch.map(USERS, &rows));
    sketch.wanted = rows;
    let bundles = sketch.bundles(8);
    assert_eq!((shape(&bundles), bundles.tasks(0).len()), ((9, 8, 2), 9));
    assert_eq!(bundles.exports(0).len(), 8, "the pieces travel, the file does not");
}

#[test]
fn what_one_bundle_could_take_alone_is_left_for_all() {
    let mut sketch = Sketch::default();
    let roots = sketch.roots(USERS, 40);
    sketch.wanted = sketch.map(USERS, &vec![roots[17]; 4000]);
    sketch.wanted.extend(roots);
    let bundles = sketch.bundles(8);
    assert!(efficiency(&bundles, 8) > 0.95, "{}", efficiency(&bundles, 8));
}

#[test]
fn a_stencil_is_triangles_and_then_diamonds() {
    let bundles = Sketch::stencil(kernel(1 << 23), 320, 100).bundles(4);
    let (n, n_edges, depth) = shape(&bundles);
    // 16 diamonds of 20 cells side by side, 10 after each other; at the walls they are less regular.
    assert!((160..=320).contains(&n) && depth <= 24 && n_edges <= 3 * n, "{:?}", shape(&bundles));
    assert!(efficiency(&bundles, 4) > 0.9, "{}", efficiency(&bundles, 4));
    // Of 32,000 values, those along the edges of the diamonds.
    let n_values: usize = numbers(&bundles).map(|bundle| bundles.inputs(bundle).len()).sum();
    assert!(n_values < 12_000, "{n_values}");
}

#[test]
fn a_grid_whose_cells_wait_for_two_is_swept_by_all_slots() {
    for (n, slots, least) in [(30, 8, 0.6), (60, 4, 0.8)] {
        let mut sketch = Sketch::default();
        for cell in 0..n * n {
            let reads = [(cell % n > 0).then(|| cell - 1), (cell >= n).then(|| cell - n)];
            sketch.add(USERS, reads.into_iter().flatten());
        }
        sketch.wanted = vec![n * n - 1];
        let bundles = sketch.bundles(slots);
        assert!(efficiency(&bundles, slots) > least, "{n} {slots}: {}", efficiency(&bundles, slots));
    }
}

#[test]
fn rounds_of_work_between_joins_keep_their_blocks_together() {
    // Each block is read once to find the scale and once to apply it.
    let mut sketch = Sketch::default();
    let blocks = sketch.roots(kernel(1 << 23), 1000);
    let sums = sketch.map(kernel(8), &blocks);
    let scale = sketch.reduce(kernel(8), sums, 8);
    sketch.wanted = blocks.iter().map(|&block| sketch.add(kernel(1 << 23), [block, scale])).collect();
    let bundles = sketch.bundles(8);
    assert_eq!(shape(&bundles), (65, 96, 3), "32 that load, 1 that joins, 32 that each read the join and one of the first");
}

#[test]
fn cheap_work_is_not_cut_finer_than_its_overhead() {
    let mut sketch = Sketch::default();
    sketch.wanted = sketch.roots(kernel(99_000), 4);
    assert_eq!(sketch.bundles(8).len(), 1, "0.4 ms");
    sketch.wanted = sketch.roots(kernel(99_000), 100);
    let bundles = sketch.bundles(8);
    assert_eq!(bundles.len(), 20, "10 ms");
    assert!(numbers(&bundles).all(|bundle| bundles.cost(bundle) == Duration::from_micros(500)));
}

#[test]
fn durations_that_were_observed_decide() {
    let mut sketch = Sketch::default();
    sketch.wanted = sketch.roots(USERS, 320);
    let plan = sketch.plan();
    let observed = |took: Duration| {
        let (mut costs, bundles) = (Costs::default(), Bundles::new(&plan, &options(8)));
        assert_eq!(bundles.len(), 32);
        numbers(&bundles).for_each(|bundle| costs.observe(&plan, &bundles, bundle, took));
        assert_eq!(costs.mean(&Name::new("t")), Some(took / 10));
        Bundles::new(&plan, &BundleOptions { costs: Some(&costs), ..options(8) })
    };
    let bundles = observed(Duration::from_millis(20));
    assert_eq!((bundles.len(), bundles.cost(0)), (32, Duration::from_millis(20)));
    assert_eq!(observed(Duration::from_micros(200)).len(), 12, "20 µs each, so that 25 are worth a bundle");
    assert_eq!(observed(Duration::from_nanos(100)).len(), 8, "the user's functions are spread over all slots in any case");
    assert_eq!(observed(Duration::ZERO).len(), 8);

    // A bundle of two layers: each gets its share.
    let mut graph = Graph::new();
    graph.insert("a", task(|| 1i64, ()));
    graph.insert("b", task(|x: &i64| x + 1, ("a",)));
    let plan = Plan::new(&graph, &["b".into()]).unwrap();
    let mut costs = Costs::default();
    costs.observe(&plan, &Bundles::new(&plan, &options(1)), 0, Duration::from_millis(3));
    assert_eq!([costs.mean(&Name::new("a")), costs.mean(&Name::new("b"))], [Some(Duration::from_micros(1500)); 2]);
    assert_eq!(costs.mean(&Name::new("c")), None);
}

#[test]
fn chains_run_the_users_code_if_a_step_does() {
    for (last, expected) in [(Func::kernel(Nothing), false), (users(), true)] {
        let mut graph = Graph::new();
        graph.insert("a", arras_core::Task::call(Func::kernel(Nothing), []));
        graph.insert("b", arras_core::Task::call(last, [arras_core::Input::Key("a".into())]));
        let plan = Plan::new(&fuse(&graph, &["b".into()]).unwrap(), &["b".into()]).unwrap();
        assert_eq!((plan.len(), plan.func(0).n_steps(), plan.func(0).runs_user_code()), (1, 2, expected));
    }
}

#[test]
fn deep_and_narrow_plans_make_a_few_thousand_bundles_in_linear_time() {
    let start = Instant::now();
    let mut sketch = Sketch::stencil(USERS, 50, 4000);
    let n = sketch.bundles(64).len();
    assert!((500..5000).contains(&n), "{n}");
    // One after another, each read by all that follow within 64.
    sketch = Sketch::default();
    for id in 0..50_000u32 {
        sketch.add(USERS, id.saturating_sub(64)..id);
    }
    sketch.wanted = vec![49_999];
    assert!(sketch.bundles(8).len() < 5000);
    // A fork and a join, again and again.
    sketch = Sketch::default();
    let mut end = sketch.add(USERS, []);
    for _ in 0..10_000 {
        let fork = sketch.map(USERS, &[end; 8]);
        end = sketch.add(USERS, fork);
    }
    sketch.wanted = vec![end];
    assert!(sketch.bundles(8).len() < 5000);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
