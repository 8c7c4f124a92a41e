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
//! Running both loads first would hold both; walking from the wanted task down to its inputs and back up holds one at a time. Three rules make the order:
//!
//! 1. **Depth first**: the inputs of a task, and all they need, come right before it.
//! 2. **Largest need first**: among the inputs of a task the one whose own computation needs most memory beyond its result comes first, before the others'
//!    results are there to be held (Sethi and Ullman, 1970, with bytes for registers). Bytes are used where a layer states them, one unit
//!    a value where not. Equal needs keep the order of the inputs.
//! 3. **Close what is open**: when a task completes the inputs of others, those run at once if that does not grow what is held: a value that feeds both a
//!    mean and a variance feeds both, and goes.

use crate::error::Result;
use crate::flat::{Edges, Flat, LITERAL};

/// Tasks that a value may feed at once under rule 3 when no sizes are known.
const FEW_READERS: usize = 4;

/// The tasks that `wanted` need, in the order in which to run them.
pub(crate) fn order(flat: &Flat<'_>, edges: &Edges<'_>, wanted: &[u32]) -> Result<Vec<u32>> {
    let topological = flat.topological_order(edges, wanted.iter().copied())?;
    let readers = Readers::new(flat.len(), edges, &topological);
    let sizes = sizes(flat);
    let size = |id: u32| sizes.as_ref().map_or(1, |sizes| sizes[id as usize]);
    let needs = needs(flat.len(), edges, &topological, &size);

    let mut placed = Placed {
        order: Vec::with_capacity(topological.len()),
        done: vec![false; flat.len()],
        waiting: vec![0; flat.len()],
        unread: vec![0; flat.len()],
        edges,
        readers: &readers,
        size: &size,
        sizes_known: sizes.is_some(),
        open: Vec::new(),
    };
    for &id in &topological {
        placed.waiting[id as usize] = edges.tasks(id).count() as u32;
        placed.unread[id as usize] = readers.of(id).len() as u32;
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
fn push_sorted(sorted: &mut Vec<u32>, edges: &Edges<'_>, id: u32, needs: &[u64], size: &impl Fn(u32) -> u64) -> u32 {
    let first = sorted.len();
    sorted.extend(edges.tasks(id).rev());
    let surplus = |id: &u32| needs[*id as usize].saturating_sub(size(*id));
    if sorted[first..].windows(2).any(|pair| surplus(&pair[0]) != surplus(&pair[1])) {
        // Stable, so equal needs keep their order.
        sorted[first..].sort_by_key(surplus);
    }
    first as u32
}

/// The most that is held at once while a task's value is computed, if its inputs shared nothing.
fn needs(n: usize, edges: &Edges<'_>, topological: &[u32], size: &impl Fn(u32) -> u64) -> Vec<u64> {
    let mut needs = vec![0u64; n];
    let mut inputs: Vec<(u64, u64)> = Vec::new();
    for &id in topological {
        inputs.clear();
        inputs.extend(edges.tasks(id).map(|input| (needs[input as usize], size(input))));
        if inputs.windows(2).any(|pair| pair[0] != pair[1]) {
            inputs.sort_by_key(|&(need, size)| std::cmp::Reverse(need.saturating_sub(size)));
        }
        let (mut held, mut most) = (0u64, 0u64);
        for &(need, size) in &inputs {
            most = most.max(held.saturating_add(need));
            held = held.saturating_add(size);
        }
        needs[id as usize] = most.max(held.saturating_add(size(id)));
    }
    needs
}

/// The size of every task's value, if any is known; those that are not count as the smallest that is.
fn sizes(flat: &Flat<'_>) -> Option<Vec<u64>> {
    let known = flat.graph.layers().any(|layer| (0..layer.len() as u32).next().is_some_and(|first| layer.nbytes_at(first).is_some()));
    known.then(|| {
        let mut sizes = Vec::with_capacity(flat.len());
        for layer in flat.graph.layers() {
            sizes.extend((0..layer.len() as u32).map(|position| layer.nbytes_at(position).unwrap_or(1)));
        }
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
    /// Readers of a task that have no place yet.
    unread: Vec<u32>,
    edges: &'a Edges<'a>,
    readers: &'a Readers,
    size: &'a Size,
    sizes_known: bool,
    /// Tasks placed whose readers rule 3 has not looked at.
    open: Vec<u32>,
}

impl<Size: Fn(u32) -> u64> Placed<'_, Size> {
    /// Gives the next place to a task whose inputs all have theirs, and then to those that rule 3 says.
    fn place(&mut self, id: u32) {
        self.put(id);
        while let Some(id) = self.open.pop() {
            self.close(id);
        }
    }

    fn put(&mut self, id: u32) {
        if self.done[id as usize] {
            return;
        }
        self.done[id as usize] = true;
        self.order.push(id);
        for &input in self.edges.of(id) {
            if input & LITERAL == 0 {
                self.unread[input as usize] -= 1;
            }
        }
        for &reader in self.readers.of(id) {
            self.waiting[reader as usize] -= 1;
        }
        if !self.readers.of(id).is_empty() {
            self.open.push(id);
        }
    }

    /// Rule 3 for the readers of a task that was just placed.
    fn close(&mut self, id: u32) {
        let readers = self.readers;
        let ready = |this: &Self, reader: &u32| !this.done[*reader as usize] && this.waiting[*reader as usize] == 0;
        let of = readers.of(id);
        let n_ready = of.iter().filter(|reader| ready(self, reader)).count();
        if n_ready == 0 {
            return;
        }
        // All its readers can run, and hold no more than it does.
        let all_can = of.iter().all(|reader| self.done[*reader as usize] || self.waiting[*reader as usize] == 0);
        let fits = if self.sizes_known {
            let held: u64 = of.iter().filter(|reader| ready(self, reader)).map(|&reader| (self.size)(reader)).sum();
            held <= (self.size)(id)
        } else {
            n_ready <= FEW_READERS
        };
        for reader in of {
            if ready(self, reader) && ((all_can && fits) || self.frees_its_size(*reader)) {
                self.put(*reader);
            }
        }
    }

    /// Whether running a task frees inputs of at least its own size.
    fn frees_its_size(&self, id: u32) -> bool {
        let inputs = self.edges.of(id);
        let mut freed = 0;
        for (i, &input) in inputs.iter().enumerate() {
            if input & LITERAL != 0 || inputs[..i].contains(&input) {
                continue;
            }
            let own = inputs.iter().filter(|&&other| other == input).count() as u32;
            if self.unread[input as usize] == own {
                freed += (self.size)(input);
            }
        }
        freed >= (self.size)(id)
    }
}
