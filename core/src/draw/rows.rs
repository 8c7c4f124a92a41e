//! The order of the nodes in each rank, and their coordinates across it.
//!
//! Small graphs are left to the crate `rust-sugiyama`, which is thorough, recursive and more than linear. Large ones get a plain version of the same: a few sweeps by
//! barycentre, the one with the fewest crossings kept, then every node as near to its neighbours as the order allows.

use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use rust_sugiyama::configure::{Config, CrossingMinimization, RankingType};

use super::layout::COLUMN_GAP;

/// The crate recurses as deep as there are nodes, and takes seconds for thousands.
const THOROUGH: usize = 400;
/// Sweeps over all ranks for the order, and for the coordinates.
const ORDER_SWEEPS: usize = 8;
const PLACE_SWEEPS: usize = 12; // Even, so that the last goes up.

/// Nodes in ranks, each connected to nodes of the next rank only.
pub(super) struct Rows {
    /// The nodes of each rank, in order from left to right once placed.
    pub(super) rows: Vec<Vec<u32>>,
    /// The neighbours of each node in the rank above, and below.
    pub(super) above: Vec<Vec<u32>>,
    below: Vec<Vec<u32>>,
    widths: Vec<f64>,
}

impl Rows {
    pub(super) fn new(n_ranks: usize) -> Rows {
        Rows { rows: vec![Vec::new(); n_ranks], above: Vec::new(), below: Vec::new(), widths: Vec::new() }
    }

    pub(super) fn push(&mut self, rank: usize, width: f64) -> u32 {
        let node = self.widths.len() as u32;
        self.rows[rank].push(node);
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        self.widths.push(width);
        node
    }

    pub(super) fn len(&self) -> usize {
        self.widths.len()
    }

    /// Connects a node to one of the rank below, once if it is said several times on end.
    pub(super) fn connect(&mut self, above: u32, below: u32) {
        if self.above[below as usize].last() != Some(&above) {
            self.above[below as usize].push(above);
            self.below[above as usize].push(below);
        }
    }

    /// The distance that two neighbours keep.
    fn distance(&self, left: u32, right: u32) -> f64 {
        (self.widths[left as usize] + self.widths[right as usize]) / 2.0 + COLUMN_GAP
    }
}

/// Orders the rows and returns the centre of each node; the leftmost node starts at zero.
pub(super) fn place(rows: &mut Rows) -> Vec<f64> {
    depth_first(rows);
    let mut centres = if rows.rows.iter().all(|row| row.len() == 1) {
        vec![0.0; rows.len()]
    } else {
        thorough(rows).unwrap_or_else(|| {
            sweep(rows);
            relax(rows)
        })
    };
    let left = centres.iter().zip(&rows.widths).map(|(centre, width)| centre - width / 2.0).fold(f64::INFINITY, f64::min);
    for centre in &mut centres {
        *centre -= left;
    }
    centres
}

/// The first order: as a walk from the results comes by.
fn depth_first(rows: &mut Rows) {
    let mut ranks = vec![0; rows.len()];
    for (rank, row) in rows.rows.iter().enumerate() {
        for &node in row {
            ranks[node as usize] = rank;
        }
    }
    let mut starts: Vec<u32> = rows.rows.iter_mut().flat_map(std::mem::take).collect();
    starts.reverse();
    let mut seen = vec![false; rows.len()];
    while let Some(node) = starts.pop() {
        if !std::mem::replace(&mut seen[node as usize], true) {
            rows.rows[ranks[node as usize]].push(node);
            starts.extend(rows.below[node as usize].iter().rev());
        }
    }
}

/// Order and coordinates by the crate; none if the graph is too large for it.
fn thorough(rows: &mut Rows) -> Option<Vec<f64>> {
    if rows.len() > THOROUGH {
        return None;
    }
    // With the ranks' nodes in order and every edge from one rank to the next, the crate finds the same ranks at once.
    let mut graph = StableDiGraph::<u32, ()>::with_capacity(rows.len(), rows.len());
    let mut indices = vec![NodeIndex::end(); rows.len()];
    for &node in rows.rows.iter().flatten() {
        indices[node as usize] = graph.add_node(node);
    }
    for &node in rows.rows.iter().flatten() {
        // Backwards, as petgraph tells the newest neighbour first.
        for &below in rows.below[node as usize].iter().rev() {
            graph.add_edge(indices[node as usize], indices[below as usize], ());
        }
    }
    let config = Config {
        vertex_spacing: COLUMN_GAP,
        ranking_type: RankingType::Up,
        c_minimization: CrossingMinimization::Barycenter,
        transpose: true,
        ..Config::default()
    };
    let layouts = rust_sugiyama::from_graph(&graph, &|_, &node| (rows.widths[node as usize], 1.0), &config);
    let [(placed, _, _)] = layouts.as_slice() else { return None };
    let mut centres = vec![f64::NAN; rows.len()];
    for &(index, (across, _)) in placed {
        centres[graph[index] as usize] = across;
    }
    if centres.iter().any(|centre| !centre.is_finite()) {
        return None;
    }
    for row in &mut rows.rows {
        row.sort_by(|&a, &b| centres[a as usize].total_cmp(&centres[b as usize]));
    }
    // Brandes and Köpf's compaction lets blocks of some graphs overlap.
    for row in &rows.rows {
        for pair in row.windows(2) {
            let least = centres[pair[0] as usize] + rows.distance(pair[0], pair[1]);
            centres[pair[1] as usize] = centres[pair[1] as usize].max(least);
        }
    }
    Some(centres)
}

/// Sweeps down and up, each rank ordered by the mean place of its neighbours in the rank before; keeps the best order.
fn sweep(rows: &mut Rows) {
    let n_ranks = rows.rows.len();
    let mut places = vec![0u32; rows.len()];
    let mut means = vec![0f64; rows.len()];
    number(&rows.rows, &mut places);
    let mut best = (crossings(rows, &places), rows.rows.clone());
    for sweep in 0..ORDER_SWEEPS {
        if best.0 == 0 {
            break;
        }
        for step in 1..n_ranks {
            let down = sweep % 2 == 0;
            let rank = if down { step } else { n_ranks - 1 - step };
            let neighbours = if down { &rows.above } else { &rows.below };
            for &node in &rows.rows[rank] {
                let near = &neighbours[node as usize];
                means[node as usize] = match near.len() {
                    0 => f64::from(places[node as usize]),
                    n => near.iter().map(|&n| f64::from(places[n as usize])).sum::<f64>() / n as f64,
                };
            }
            rows.rows[rank].sort_by(|&a, &b| means[a as usize].total_cmp(&means[b as usize]));
            number(&rows.rows[rank..=rank], &mut places);
        }
        let crossings = crossings(rows, &places);
        if crossings < best.0 {
            best = (crossings, rows.rows.clone());
        }
    }
    rows.rows = best.1;
}

fn number(rows: &[Vec<u32>], places: &mut [u32]) {
    for row in rows {
        for (place, &node) in row.iter().enumerate() {
            places[node as usize] = place as u32;
        }
    }
}

/// The number of pairs of edges that cross, counted with a binary indexed tree (Barth, Mutzel and Jünger).
fn crossings(rows: &Rows, places: &[u32]) -> u64 {
    let mut crossings = 0;
    let mut ends: Vec<u32> = Vec::new();
    for pair in rows.rows.windows(2) {
        let mut tree = vec![0u32; pair[1].len() + 1];
        let mut n_before = 0;
        for &node in &pair[0] {
            ends.clear();
            ends.extend(rows.below[node as usize].iter().map(|&below| places[below as usize]));
            ends.sort_unstable();
            // Edges of one node do not cross, so all are counted before any is entered.
            for &end in &ends {
                let mut i = end as usize + 1;
                let mut at_most = 0;
                while i > 0 {
                    at_most += tree[i];
                    i &= i - 1;
                }
                crossings += u64::from(n_before - at_most);
            }
            for &end in &ends {
                let mut i = end as usize + 1;
                while i < tree.len() {
                    tree[i] += 1;
                    i += i & i.wrapping_neg();
                }
            }
            n_before += ends.len() as u32;
        }
    }
    crossings
}

/// Coordinates for a given order: rank by rank, each node as near to the mean of its neighbours as its rank allows.
fn relax(rows: &Rows) -> Vec<f64> {
    let n_ranks = rows.rows.len();
    let mut centres = vec![0f64; rows.len()];
    for row in &rows.rows {
        for pair in row.windows(2) {
            centres[pair[1] as usize] = centres[pair[0] as usize] + rows.distance(pair[0], pair[1]);
        }
        // Around zero, so that narrow ranks start in the middle.
        let middle = row.last().map_or(0.0, |&last| centres[last as usize] / 2.0);
        for &node in row {
            centres[node as usize] -= middle;
        }
    }
    let mut wishes: Vec<(f64, f64)> = Vec::new();
    for sweep in 0..PLACE_SWEEPS {
        for step in 0..n_ranks {
            let rank = if sweep % 2 == 0 { step } else { n_ranks - 1 - step };
            // The late sweeps look both ways, the early ones where they come from; the very last, upwards, puts every reader over the middle of what it reads.
            let both = sweep + 4 >= PLACE_SWEEPS && sweep + 1 < PLACE_SWEEPS;
            wishes.clear();
            for &node in &rows.rows[rank] {
                let above = if both || sweep % 2 == 0 { rows.above[node as usize].as_slice() } else { &[] };
                let below = if both || sweep % 2 == 1 { rows.below[node as usize].as_slice() } else { &[] };
                let (mut sum, mut n) = (0.0, 0.0);
                for &near in above.iter().chain(below) {
                    sum += centres[near as usize];
                    n += 1.0;
                }
                wishes.push(if n > 0.0 { (sum / n, n) } else { (centres[node as usize], 0.01) });
            }
            fit(rows, &rows.rows[rank], &wishes, &mut centres);
        }
    }
    centres
}

/// Puts a row where the weighted squares of the distances to its wishes are least: pool adjacent violators.
fn fit(rows: &Rows, row: &[u32], wishes: &[(f64, f64)], centres: &mut [f64]) {
    // Pools of neighbours that touch: weighted sum of what they wish for their first node, weight, number of nodes.
    let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(row.len());
    let mut offset = 0.0;
    for (i, &(wish, weight)) in wishes.iter().enumerate() {
        if i > 0 {
            offset += rows.distance(row[i - 1], row[i]);
        }
        let mut pool = ((wish - offset) * weight, weight, 1);
        while let Some(last) = pools.last()
            && last.0 * pool.1 >= pool.0 * last.1
        {
            pool = (pool.0 + last.0, pool.1 + last.1, pool.2 + last.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let (mut i, mut offset) = (0, 0.0);
    for (sum, weight, n) in pools {
        for _ in 0..n {
            if i > 0 {
                offset += rows.distance(row[i - 1], row[i]);
            }
            centres[row[i] as usize] = sum / weight + offset;
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ranks: &[usize], edges: &[(u32, u32)]) -> Rows {
        let mut rows = Rows::new(ranks.iter().max().unwrap() + 1);
        for &rank in ranks {
            rows.push(rank, 10.0);
        }
        for &(above, below) in edges {
            rows.connect(above, below);
        }
        rows
    }

    fn assert_apart(rows: &Rows, centres: &[f64]) {
        for row in &rows.rows {
            for pair in row.windows(2) {
                let distance = centres[pair[1] as usize] - centres[pair[0] as usize];
                assert!(distance >= rows.distance(pair[0], pair[1]) - 1e-6, "{row:?} {centres:?}");
            }
        }
    }

    #[test]
    fn crossings_are_counted() {
        let rows = rows(&[0, 0, 0, 1, 1, 1], &[(0, 3), (0, 4), (0, 5), (1, 3), (1, 5), (2, 3), (2, 4)]);
        let mut places = vec![0; rows.len()];
        number(&rows.rows, &mut places);
        // By hand: (1,3) crosses (0,4) and (0,5); (2,3) crosses those and (1,5); (2,4) crosses (0,5) and (1,5).
        assert_eq!(crossings(&rows, &places), 7);
    }

    #[test]
    fn sweeps_untangle_what_can_be_untangled() {
        let mut tangled = rows(&[0, 0, 0, 0, 1, 1, 1, 1], &[(0, 7), (1, 6), (2, 5), (3, 4)]);
        sweep(&mut tangled);
        let mut places = vec![0; tangled.len()];
        number(&tangled.rows, &mut places);
        assert_eq!(crossings(&tangled, &places), 0);
    }

    #[test]
    fn both_ways_keep_nodes_apart_and_parents_over_their_children() {
        let edges = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6)];
        let ranks = [0, 1, 1, 2, 2, 2, 2];
        let mut tree = rows(&ranks, &edges);
        let centres = place(&mut tree);
        assert_apart(&tree, &centres);
        let relaxed = relax(&tree);
        assert_apart(&tree, &relaxed);
        for centres in [centres, relaxed] {
            for (parent, left, right) in [(0, 1, 2), (1, 3, 4), (2, 5, 6)] {
                assert!((centres[parent] - (centres[left] + centres[right]) / 2.0).abs() < 1.0, "{centres:?}");
            }
        }
    }

    #[test]
    fn a_row_without_conflicts_gets_its_wishes_and_one_with_shares_the_loss() {
        let free = rows(&[0, 0], &[]);
        let mut centres = vec![0.0; 2];
        fit(&free, &[0, 1], &[(0.0, 1.0), (100.0, 1.0)], &mut centres);
        assert_eq!(centres, [0.0, 100.0]);
        fit(&free, &[0, 1], &[(50.0, 1.0), (50.0, 1.0)], &mut centres);
        assert_eq!(centres, [50.0 - (10.0 + COLUMN_GAP) / 2.0, 50.0 + (10.0 + COLUMN_GAP) / 2.0]);
    }
}
