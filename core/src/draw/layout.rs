//! Where tasks go: ranks along the flow of data, columns across it.
//!
//! ```text
//!      along                 rank 0   [box]          the result
//!        │                            (circle)
//!        │                   ───────────│───╲──────  a channel: here edges may cross
//!        │                   rank 1   [box]  ┆
//!        │                            (circle)┆      a bend: an edge passing a rank has a column of its own there
//!        │                   ───────────│─────┆────
//!        ▼                   rank 2   [box] [box]
//!            across ─────────────────────────►
//! ```
//! A circle stands in line with the box that it makes, so both are one node here. Everything is laid out with the result at the top; turning the picture is
//! left to the drawing.

use super::rows::{self, Rows};

/// Between the box and the circle of a task.
const INNER_GAP: f64 = 16.0;
/// Between columns, and between components.
pub(super) const COLUMN_GAP: f64 = 14.0;
const COMPONENT_GAP: f64 = 36.0;
/// The column of a passing edge.
const BEND_WIDTH: f64 = 4.0;
/// Between ranks: at least and at most, and the share of the widest span of the edges there.
const CHANNEL: (f64, f64, f64) = (34.0, 150.0, 0.16);
/// Components are put side by side up to this width at least.
const SHELF: f64 = 1400.0;

/// The sizes of a task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Of the wider of its box and its circle, across the flow.
    pub(super) across: f64,
    /// Of its box, along the flow.
    pub(super) box_along: f64,
    /// Of its circle; zero without one.
    pub(super) circle: f64,
}

/// A point: across and along the flow, which comes from large to small.
pub(super) type Point = (f64, f64);

/// An edge's way through a rank: straight from `far` to `near`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bend {
    pub(super) across: f64,
    pub(super) far: f64,
    pub(super) near: f64,
}

/// One edge. The edges of a task share their way as far as they have it in common: an edge starts where the one before left it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) source: u32,
    pub(super) reader: u32,
    /// The source's bends that it passes. A start over zero is a branch from the bend before.
    pub(super) bends: (u32, u32),
}

pub(super) struct Layout {
    /// The centres of boxes and of circles.
    pub(super) boxes: Vec<Point>,
    pub(super) circles: Vec<Point>,
    /// Where each task's rank begins and ends along the flow, results first.
    pub(super) ranks: Vec<(f64, f64)>,
    /// The bends of each task's edges, nearest first.
    pub(super) bends: Vec<Vec<Bend>>,
    /// All edges, those of a task together, nearest readers first.
    pub(super) routes: Vec<Route>,
    pub(super) size: Point,
}

/// Places tasks. `inputs` are what each reads, `order` has inputs before their readers.
pub(super) fn layout(inputs: &[Vec<u32>], order: &[u32], extents: &[Extent]) -> Layout {
    let n = inputs.len();
    let mut ranks = vec![0u32; n];
    for &reader in order.iter().rev() {
        for &input in &inputs[reader as usize] {
            ranks[input as usize] = ranks[input as usize].max(ranks[reader as usize] + 1);
        }
    }
    let (routes, n_bends) = routes(inputs, &ranks);
    let mut layout = Layout {
        boxes: vec![(0.0, 0.0); n],
        circles: vec![(0.0, 0.0); n],
        ranks: vec![(0.0, 0.0); n],
        bends: n_bends.iter().map(|&n| vec![Bend { across: 0.0, far: 0.0, near: 0.0 }; n as usize]).collect(),
        routes,
        size: (0.0, 0.0),
    };
    let mut offsets = vec![0; n + 1];
    for route in &layout.routes {
        offsets[route.source as usize + 1] += 1;
    }
    for source in 0..n {
        offsets[source + 1] += offsets[source];
    }
    let mut sizes = Vec::new();
    let components = components(inputs);
    for tasks in &components {
        let routes_of = |task: u32| offsets[task as usize]..offsets[task as usize + 1];
        sizes.push(place_component(tasks, &ranks, extents, routes_of, &mut layout));
    }
    pack(&components, &sizes, &mut layout);
    layout
}

/// All edges, and how many bends each task's edges have. Bends are shared, so there are at most as many for a task as ranks that its farthest edge passes;
/// should even that be out of proportion to the graph, the longest edges go straight.
fn routes(inputs: &[Vec<u32>], ranks: &[u32]) -> (Vec<Route>, Vec<u32>) {
    let n = inputs.len();
    let mut readers: Vec<Vec<u32>> = vec![Vec::new(); n];
    for (reader, inputs) in inputs.iter().enumerate() {
        for &input in inputs {
            readers[input as usize].push(reader as u32);
        }
    }
    let passed = |source: usize, reader: u32| ranks[source] - ranks[reader as usize] - 1;
    let farthest: Vec<u32> =
        readers.iter().enumerate().map(|(source, readers)| readers.iter().map(|&r| passed(source, r)).max().unwrap_or(0)).collect();
    let budget = 10_000 + 4 * n as u64;
    let needed = |limit: u32| farthest.iter().map(|&passed| u64::from(passed.min(limit))).sum::<u64>();
    let mut limit = (0, farthest.iter().copied().max().unwrap_or(0));
    while limit.0 < limit.1 {
        let middle = limit.0 + (limit.1 - limit.0).div_ceil(2);
        match needed(middle) <= budget {
            true => limit.0 = middle,
            false => limit.1 = middle - 1,
        }
    }
    let mut routes = Vec::new();
    let mut n_bends = vec![0; n];
    for (source, readers) in readers.iter_mut().enumerate() {
        readers.sort_by_key(|&reader| passed(source, reader));
        for &reader in readers.iter() {
            let end = passed(source, reader);
            let end = if end <= limit.0 { end } else { 0 };
            let start = n_bends[source].min(end);
            // Of several edges that end in one rank, only the first draws the way there.
            routes.push(Route { source: source as u32, reader, bends: (start, end) });
            n_bends[source] = n_bends[source].max(end);
        }
    }
    (routes, n_bends)
}

/// The connected components, each in ascending order, by their first task.
fn components(inputs: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut parents: Vec<u32> = (0..inputs.len() as u32).collect();
    fn root(parents: &mut [u32], mut id: u32) -> u32 {
        while parents[id as usize] != id {
            parents[id as usize] = parents[parents[id as usize] as usize];
            id = parents[id as usize];
        }
        id
    }
    for (reader, inputs) in inputs.iter().enumerate() {
        for &input in inputs {
            let (a, b) = (root(&mut parents, reader as u32), root(&mut parents, input));
            // The smaller id becomes the root, so the first task of a component is its root.
            parents[a.max(b) as usize] = a.min(b);
        }
    }
    let mut number = vec![usize::MAX; inputs.len()];
    let mut components: Vec<Vec<u32>> = Vec::new();
    for id in 0..inputs.len() as u32 {
        let root = root(&mut parents, id) as usize;
        if number[root] == usize::MAX {
            number[root] = components.len();
            components.push(Vec::new());
        }
        components[number[root]].push(id);
    }
    components
}

/// Places one component at the origin. Returns its size.
fn place_component(
    tasks: &[u32],
    ranks: &[u32],
    extents: &[Extent],
    routes_of: impl Fn(u32) -> std::ops::Range<usize>,
    layout: &mut Layout,
) -> Point {
    // Nodes: the component's tasks, then each task's bends.
    let mut rows = Rows::new(tasks.iter().map(|&task| ranks[task as usize]).max().unwrap_or(0) as usize + 1);
    for &task in tasks {
        rows.push(ranks[task as usize] as usize, extents[task as usize].across);
    }
    let node_of = |task: u32| tasks.binary_search(&task).expect("an edge stays in its component") as u32;
    let mut first_bend = Vec::with_capacity(tasks.len());
    for (node, &task) in tasks.iter().enumerate() {
        first_bend.push(rows.len() as u32);
        let mut below = node as u32;
        for bend in 0..layout.bends[task as usize].len() {
            let node = rows.push(ranks[task as usize] as usize - 1 - bend, BEND_WIDTH);
            rows.connect(node, below);
            below = node;
        }
        for route in &layout.routes[routes_of(task)] {
            let passed = ranks[task as usize] - ranks[route.reader as usize] - 1;
            if passed == route.bends.1 {
                let below = if passed == 0 { node as u32 } else { first_bend[node] + passed - 1 };
                rows.connect(node_of(route.reader), below);
            }
        }
    }
    let across = rows::place(&mut rows);

    // Along the flow: the sizes of ranks, and of the channels between them.
    let n_ranks = rows.rows.len();
    let (mut box_along, mut circle) = (vec![0f64; n_ranks], vec![0f64; n_ranks]);
    for &task in tasks {
        let (rank, extent) = (ranks[task as usize] as usize, extents[task as usize]);
        box_along[rank] = box_along[rank].max(extent.box_along);
        circle[rank] = circle[rank].max(extent.circle);
    }
    // The widest that an edge spans on its way to the rank above.
    let span = |rank: usize| {
        let edges = rows.rows[rank].iter().flat_map(|&node| rows.above[node as usize].iter().map(move |&above| (node, above)));
        edges.map(|(node, above)| (across[node as usize] - across[above as usize]).abs()).fold(0f64, f64::max)
    };
    let (least, most, share) = CHANNEL;
    let mut near = vec![0f64; n_ranks];
    let far = |rank: usize, near: &[f64]| near[rank] + box_along[rank] + if circle[rank] > 0.0 { INNER_GAP + circle[rank] } else { 0.0 };
    for rank in 1..n_ranks {
        near[rank] = far(rank - 1, &near) + (share * span(rank)).clamp(least, most);
    }

    let mut width = 0f64;
    for (node, &task) in tasks.iter().enumerate() {
        let (id, rank) = (task as usize, ranks[task as usize] as usize);
        width = width.max(across[node] + extents[id].across / 2.0);
        layout.boxes[id] = (across[node], near[rank] + box_along[rank] / 2.0);
        layout.circles[id] = (across[node], near[rank] + box_along[rank] + INNER_GAP + extents[id].circle / 2.0);
        layout.ranks[id] = (near[rank], far(rank, &near));
        for (i, bend) in layout.bends[id].iter_mut().enumerate() {
            let (node, rank) = (first_bend[node] as usize + i, rank - 1 - i);
            width = width.max(across[node] + BEND_WIDTH / 2.0);
            *bend = Bend { across: across[node], far: far(rank, &near), near: near[rank] };
        }
    }
    (width, far(n_ranks - 1, &near))
}

/// Moves components side by side, in shelves of about the proportions of a screen.
fn pack(components: &[Vec<u32>], sizes: &[Point], layout: &mut Layout) {
    let area: f64 = sizes.iter().map(|size| (size.0 + COMPONENT_GAP) * (size.1 + COMPONENT_GAP)).sum();
    let widest = sizes.iter().fold(SHELF, |widest, size| widest.max(size.0)).max((area * 1.6).sqrt());
    let (mut across, mut along, mut shelf) = (0f64, 0f64, 0f64);
    for (tasks, size) in components.iter().zip(sizes) {
        if across > 0.0 && across + size.0 > widest {
            along += shelf + COMPONENT_GAP;
            (across, shelf) = (0.0, 0.0);
        }
        for &task in tasks {
            let id = task as usize;
            for point in [&mut layout.boxes[id], &mut layout.circles[id]] {
                *point = (point.0 + across, point.1 + along);
            }
            let rank = &mut layout.ranks[id];
            *rank = (rank.0 + along, rank.1 + along);
            for bend in &mut layout.bends[id] {
                *bend = Bend { across: bend.across + across, far: bend.far + along, near: bend.near + along };
            }
        }
        shelf = shelf.max(size.1);
        layout.size = (layout.size.0.max(across + size.0), along + shelf);
        across += size.0 + COMPONENT_GAP;
    }
}
