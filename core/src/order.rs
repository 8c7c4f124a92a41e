//! The static order of tasks: depth first, so that values die young.
//!
//! ```text
//!        sum                 rank   task     live after it
//!       ╱   ╲                  0    load 0   load 0
//!    map 0   map 1             1    map 0    map 0
//!      │       │               2    load 1   map 0, load 1
//!    load 0  load 1            3    map 1    map 0, map 1
//!                              4    sum      sum
//! ```
//! Running both loads first would hold both; walking from the wanted task down to its inputs and back up holds one at a time. Four rules make the order:
//!
//! 1. **Depth first**: the inputs of a task, and all they need, come right before it.
//! 2. **Largest need first**: among the inputs of a task the one whose own computation needs most memory beyond its result comes first, before the others'
//!    results are there to be held (Sethi and Ullman, 1970, with bytes for registers). Bytes are used where a layer states them, one unit
//!    a value where not. Where that gains nothing, and where values are shared unless it gains much, the inputs keep their order.
//! 3. **Close what is open**: when a task completes the inputs of others, or leaves them as the last to read a value, those run at once if that does not
//!    grow what is held, each followed by what it completes: a value that feeds both a mean and a variance feeds both, and goes.
//!    So do those that take a part of a value, as of one that was cut into buckets: the whole goes when all its parts are taken.
//! 4. **Finish what is nearly done**: where sizes are known and a large value waits for one last reader, which itself waits only for a leaf or two, these are
//!    computed at once if only little is left of all of them: after the sum of a block comes the product with its neighbour, before the sums of all blocks.
//!
//! Work: the number of tasks and edges, and a sort of each task's inputs where their needs differ.

use crate::error::Result;
use crate::flat::{Edges, Flat};
use crate::func::Func;
use crate::layer::{Layer, Rows};

/// Tasks that a value may feed at once under rule 3 when no sizes are known.
const FEW_READERS: usize = 8;

/// Inputs that a task may wait for under rule 4.
const FEW_WAITING: u32 = 2;

/// The tasks that `wanted` need, in the order in which to run them.
pub(crate) fn order(flat: &Flat<'_>, edges: &Edges<'_>, wanted: &[u32]) -> Result<Vec<u32>> {
    let topological = flat.topological_order(edges, wanted.iter().copied())?;
    let readers = Readers::new(flat.len(), edges, &topological);
    let sizes = sizes(flat);
    let size = |id: u32| sizes.as_ref().map_or(1, |sizes| sizes[id as usize]);
    let needs = Needs::new(flat.len(), edges, &readers, &topological, &size);

    let mut placed = Placed {
        order: Vec::with_capacity(topological.len()),
        done: vec![false; flat.len()],
        waiting: vec![0; flat.len()],
        unread: vec![0; flat.len()],
        frees: vec![0; flat.len()],
        seen_by: vec![u32::MAX; flat.len()],
        edges,
        readers: &readers,
        size: &size,
        takes_part: takes_part(flat),
        parts: Vec::new(),
        residues: sizes.as_ref().map(|_| residues(flat.len(), edges, &readers, &topological, wanted, &size)),
        next: Vec::new(),
        nearly: Vec::new(),
    };
    for &id in wanted {
        placed.unread[id as usize] = 1;
    }
    for &id in &topological {
        placed.waiting[id as usize] = edges.tasks(id).count() as u32;
        // A task that reads another twice is there twice, side by side.
        let of = readers.of(id);
        let n_different = of.chunk_by(|a, b| a == b).count() as u32;
        placed.unread[id as usize] += n_different;
        if n_different == 1 && placed.unread[id as usize] == 1 {
            let frees = &mut placed.frees[of[0] as usize];
            *frees = frees.saturating_add(size(id));
        }
    }

    // A task, and which of its inputs comes next; the inputs in order of need lie on their own stack.
    let mut stack: Vec<(u32, u32)> = Vec::new();
    let mut sorted: Vec<u32> = Vec::new();
    for &start in wanted {
        if placed.done[start as usize] {
            continue;
        }
        stack.push((start, push_sorted(&mut sorted, edges, start, &needs, &size)));
        while let Some(&mut (id, first)) = stack.last_mut() {
            if placed.done[id as usize] || sorted.len() as u32 == first {
                sorted.truncate(first as usize);
                stack.pop();
                placed.place(id);
                while let Some(reader) = placed.nearly.pop() {
                    if placed.is_worth_finishing(reader) {
                        stack.push((reader, push_sorted(&mut sorted, edges, reader, &needs, &size)));
                    }
                }
                continue;
            }
            let input = sorted.pop().expect("longer than first");
            if !placed.done[input as usize] {
                let first = push_sorted(&mut sorted, edges, input, &needs, &size);
                stack.push((input, first));
            }
        }
    }
    Ok(placed.order)
}

/// Pushes the inputs of a task, the one to visit first last. Returns where they start.
fn push_sorted(sorted: &mut Vec<u32>, edges: &Edges<'_>, id: u32, needs: &Needs, size: &impl Fn(u32) -> u64) -> u32 {
    let first = sorted.len();
    sorted.extend(edges.tasks(id).rev());
    if needs.sorts[id as usize] {
        // Stable, so equal needs keep their order.
        sorted[first..].sort_by_key(|&input| needs.of[input as usize].saturating_sub(size(input)));
    }
    first as u32
}

/// The most that is held at once while each task's value is computed, if its inputs shared nothing.
struct Needs {
    of: Vec<u64>,
    /// Tasks whose inputs are visited by need rather than as they are given.
    sorts: Vec<bool>,
}

impl Needs {
    fn new(n: usize, edges: &Edges<'_>, readers: &Readers, topological: &[u32], size: &impl Fn(u32) -> u64) -> Needs {
        let mut needs = Needs { of: vec![0; n], sorts: vec![false; n] };
        // Whether all that a task stands on is read once, so that its need is exact.
        let mut exact = vec![false; n];
        let mut inputs: Vec<(u64, u64)> = Vec::new();
        for &id in topological {
            inputs.clear();
            inputs.extend(edges.tasks(id).map(|input| (needs.of[input as usize], size(input))));
            exact[id as usize] = edges.tasks(id).all(|input| exact[input as usize] && readers.of(input).len() == 1);
            let surplus = |&(need, size): &(u64, u64)| need.saturating_sub(size);
            let mut most = most_held(&inputs, size(id));
            if inputs.windows(2).any(|pair| surplus(&pair[0]) < surplus(&pair[1])) {
                inputs.sort_by_key(|input| std::cmp::Reverse(surplus(input)));
                let by_need = most_held(&inputs, size(id));
                // Where values are shared the needs are too large, by more the more is shared, and neighbours are better visited side by side,
                // as in a stencil; there only a gain of more than a sixth counts.
                if by_need < most && (exact[id as usize] || by_need.saturating_mul(6) < most.saturating_mul(5)) {
                    (most, needs.sorts[id as usize]) = (by_need, true);
                }
            }
            needs.of[id as usize] = most;
        }
        needs
    }
}

/// The most that is held while a value of this size is made of inputs of these needs and sizes, one after another.
fn most_held(inputs: &[(u64, u64)], size: u64) -> u64 {
    let (mut held, mut most) = (0u64, 0u64);
    for &(need, size) in inputs {
        most = most.max(held.saturating_add(need));
        held = held.saturating_add(size);
    }
    most.max(held.saturating_add(size))
}

/// What is left of each value once its readers, and theirs, have run as far as they need little else: a block that only sums read leaves the sums.
fn residues(n: usize, edges: &Edges<'_>, readers: &Readers, topological: &[u32], wanted: &[u32], size: &impl Fn(u32) -> u64) -> Vec<u64> {
    let mut residues = vec![0; n];
    wanted.iter().for_each(|&id| residues[id as usize] = size(id));
    for &id in topological.iter().rev() {
        let left = readers.of(id).iter().fold(residues[id as usize], |left, &reader| {
            left.saturating_add(if edges.of(reader).len() <= 2 { residues[reader as usize] } else { size(reader) })
        });
        residues[id as usize] = left.min(size(id));
    }
    residues
}

/// Which tasks say that they take a part of their one input; nothing if none do. Only collections' kernels say so, and those are in grids.
fn takes_part(flat: &Flat<'_>) -> Vec<bool> {
    let mut takes_part = Vec::new();
    for (number, layer) in flat.graph.layers().enumerate() {
        let Layer::Grid(grid) = &**layer else { continue };
        let Rows::Calls(calls) = &grid.rows else { continue };
        if !calls.funcs.iter().any(Func::takes_part) {
            continue;
        }
        takes_part.resize(flat.len(), false);
        let start = flat.range(number).start;
        for position in 0..layer.len() as u32 {
            takes_part[(start + position) as usize] = calls.funcs[calls.func_of(position) as usize].takes_part();
        }
    }
    takes_part
}

/// The size of every task's value, if any is known; those that are not count as the smallest that is.
fn sizes(flat: &Flat<'_>) -> Option<Vec<u64>> {
    let known = flat.graph.layers().any(|layer| (0..layer.len() as u32).next().is_some_and(|first| layer.nbytes_at(first).is_some()));
    known.then(|| {
        let mut sizes = Vec::with_capacity(flat.len());
        for layer in flat.graph.layers() {
            sizes.extend((0..layer.len() as u32).map(|position| layer.nbytes_at(position).unwrap_or(u64::MAX)));
        }
        let smallest = sizes.iter().copied().min().filter(|&size| size != u64::MAX).unwrap_or(1);
        sizes.iter_mut().filter(|size| **size == u64::MAX).for_each(|size| *size = smallest);
        sizes
    })
}

/// Who reads each task, in flat adjacency; a reader that reads twice is there twice.
pub(crate) struct Readers {
    offsets: Vec<u32>,
    readers: Vec<u32>,
}

impl Readers {
    pub(crate) fn new(n: usize, edges: &Edges<'_>, tasks: &[u32]) -> Readers {
        let mut offsets = vec![0u32; n + 1];
        for &id in tasks {
            for input in edges.tasks(id) {
                offsets[input as usize + 1] += 1;
            }
        }
        for i in 0..n {
            offsets[i + 1] += offsets[i];
        }
        let mut next = offsets.clone();
        let mut readers = vec![0u32; offsets[n] as usize];
        for &id in tasks {
            for input in edges.tasks(id) {
                readers[next[input as usize] as usize] = id;
                next[input as usize] += 1;
            }
        }
        Readers { offsets, readers }
    }

    pub(crate) fn of(&self, id: u32) -> &[u32] {
        &self.readers[self.offsets[id as usize] as usize..self.offsets[id as usize + 1] as usize]
    }
}

/// What has its place in the order already.
struct Placed<'a, Size> {
    order: Vec<u32>,
    done: Vec<bool>,
    /// Inputs of a task that have no place yet.
    waiting: Vec<u32>,
    /// Different readers of a task that have no place yet; one more for a wanted task, which nobody frees.
    unread: Vec<u32>,
    /// The sizes of a task's inputs that no other task without a place reads: what running it frees.
    frees: Vec<u64>,
    /// The last task that was seen to read each.
    seen_by: Vec<u32>,
    edges: &'a Edges<'a>,
    readers: &'a Readers,
    size: &'a Size,
    /// Which tasks take a part of their one input; nothing if none do.
    takes_part: Vec<bool>,
    /// Parts that were just placed, whose readers come after the last part.
    parts: Vec<u32>,
    /// What is left of each value once it has been used, if sizes are known.
    residues: Option<Vec<u64>>,
    /// Tasks that rule 3 says to run next, the first last.
    next: Vec<u32>,
    /// Tasks that are the last to read a value and wait for few inputs: rule 4 looks at them.
    nearly: Vec<u32>,
}

impl<Size: Fn(u32) -> u64> Placed<'_, Size> {
    /// Gives the next place to a task whose inputs all have theirs, and then to those that rule 3 says.
    fn place(&mut self, id: u32) {
        self.put(id);
        while let Some(id) = self.next.pop() {
            self.put(id);
        }
    }

    fn put(&mut self, id: u32) {
        if std::mem::replace(&mut self.done[id as usize], true) {
            return;
        }
        self.order.push(id);
        let (edges, readers) = (self.edges, self.readers);
        for input in edges.tasks(id) {
            if std::mem::replace(&mut self.seen_by[input as usize], id) == id {
                continue;
            }
            self.unread[input as usize] -= 1;
            // The one reader that is left would free it.
            if self.unread[input as usize] == 1
                && let Some(&last) = readers.of(input).iter().find(|&&reader| !self.done[reader as usize])
            {
                let frees = &mut self.frees[last as usize];
                *frees = frees.saturating_add((self.size)(input));
                if self.is_ready(last) && self.frees_its_size(last) {
                    self.next.push(last);
                } else if self.residues.is_some() && (1..=FEW_WAITING).contains(&self.waiting[last as usize]) {
                    self.nearly.push(last);
                }
            }
        }
        for &reader in readers.of(id) {
            self.waiting[reader as usize] -= 1;
        }
        // What parts complete waits until the whole is gone.
        if self.is_part(id) {
            self.parts.push(id);
            if self.next.last().is_some_and(|&next| self.is_part(next)) {
                return;
            }
            while let Some(part) = self.parts.pop() {
                self.close(part);
            }
            return;
        }
        self.close(id);
    }

    fn is_part(&self, id: u32) -> bool {
        self.takes_part.get(id as usize) == Some(&true)
    }

    /// Rule 3 for the readers of a task that was just placed.
    fn close(&mut self, id: u32) {
        let of = self.readers.of(id);
        let (mut n_ready, mut held, mut all_can) = (0usize, 0u64, true);
        for &reader in of {
            if self.is_ready(reader) {
                n_ready += 1;
                held = held.saturating_add((self.size)(reader));
            } else {
                all_can &= self.done[reader as usize];
            }
        }
        if n_ready == 0 {
            return;
        }
        // All its readers can run, and hold no more than it does: known, or likely as they are few and see nothing else.
        let fits = all_can
            && match self.residues {
                Some(_) => held <= (self.size)(id),
                None => {
                    n_ready == 1 || n_ready <= FEW_READERS && of.iter().all(|&reader| self.edges.tasks(reader).all(|input| input == id))
                }
            };
        for &reader in of.iter().rev() {
            if self.is_ready(reader) && (fits || self.is_part(reader) || self.frees_its_size(reader)) {
                self.next.push(reader);
            }
        }
    }

    fn is_ready(&self, id: u32) -> bool {
        !self.done[id as usize] && self.waiting[id as usize] == 0
    }

    /// Rule 4: whether to compute what a task still waits for, so as to be done with the value that it is the last to read.
    fn is_worth_finishing(&self, id: u32) -> bool {
        let Some(residues) = &self.residues else { return false };
        if self.done[id as usize] || self.waiting[id as usize] > FEW_WAITING || self.edges.of(id).len() > FEW_READERS {
            return false;
        }
        let mut left = residues[id as usize];
        for input in self.edges.tasks(id).filter(|&input| !self.done[input as usize]) {
            let chain_starts = self.edges.tasks(input).all(|input| self.done[input as usize] || self.edges.of(input).is_empty());
            if !chain_starts {
                return false;
            }
            left = left.saturating_add(residues[input as usize]);
        }
        left <= self.frees[id as usize]
    }

    /// Whether running a task frees inputs of at least its own size.
    fn frees_its_size(&self, id: u32) -> bool {
        self.frees[id as usize] >= (self.size)(id)
    }
}
