//! The shape of a run: which bundle reads and makes which values, as dense numbers. All that the [coordinator](super::coordinator) knows of
//! a plan.
//!
//! ```text
//!     bundle        0          1          2
//!     makes         v0 v1      v2         v3            in the order of the bundles
//!     reads         –          v0 v4      v1 v2
//!                                 └ a given value: large constants, which are there before the run
//! ```

/// Lists of numbers, one a row, in one vector.
#[derive(Debug, Default)]
struct Rows {
    offsets: Vec<u32>,
    items: Vec<u32>,
}

impl Rows {
    fn new(rows: impl Iterator<Item = impl IntoIterator<Item = u32>>) -> Rows {
        let mut made = Rows { offsets: vec![0], items: Vec::new() };
        for row in rows {
            made.items.extend(row);
            made.offsets.push(made.items.len() as u32);
        }
        made
    }

    /// For each of `n` items, the rows that hold it, ascending.
    fn transposed(&self, n: usize) -> Rows {
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); n];
        for row in 0..self.len() as u32 {
            for &item in self.of(row) {
                rows[item as usize].push(row);
            }
        }
        Rows::new(rows.into_iter())
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn of(&self, row: u32) -> &[u32] {
        &self.items[self.offsets[row as usize] as usize..self.offsets[row as usize + 1] as usize]
    }
}

/// Who makes, reads and wants the values that pass between bundles.
#[derive(Debug)]
pub(crate) struct Shape {
    inputs: Rows,
    readers: Rows,
    /// Bundle `b` makes the values from `makes[b]` to `makes[b + 1]`.
    makes: Vec<u32>,
    producers: Vec<u32>,
    wanted: Vec<bool>,
}

impl Shape {
    /// A shape from the number of values that each bundle makes, the values that each bundle reads, the number of given values (numbered
    /// after all others), and the values that the caller wants.
    pub(crate) fn new(
        makes: impl Iterator<Item = usize>,
        reads: impl Iterator<Item = impl IntoIterator<Item = u32>>,
        n_given: usize,
        wanted: impl Iterator<Item = u32>,
    ) -> Shape {
        let mut producers = Vec::new();
        let mut offsets = vec![0];
        for (bundle, n) in makes.enumerate() {
            producers.extend(std::iter::repeat_n(bundle as u32, n));
            offsets.push(producers.len() as u32);
        }
        let n_values = producers.len() + n_given;
        let inputs = Rows::new(reads);
        let readers = inputs.transposed(n_values);
        let mut is_wanted = vec![false; n_values];
        for value in wanted {
            is_wanted[value as usize] = true;
        }
        Shape { inputs, readers, makes: offsets, producers, wanted: is_wanted }
    }

    pub(crate) fn n_bundles(&self) -> usize {
        self.inputs.len()
    }

    pub(crate) fn n_values(&self) -> usize {
        self.wanted.len()
    }

    /// The values that a bundle reads.
    pub(crate) fn inputs(&self, bundle: u32) -> &[u32] {
        self.inputs.of(bundle)
    }

    /// The values that a bundle makes.
    pub(crate) fn exports(&self, bundle: u32) -> std::ops::Range<u32> {
        self.makes[bundle as usize]..self.makes[bundle as usize + 1]
    }

    /// The bundles that read a value.
    pub(crate) fn readers(&self, value: u32) -> &[u32] {
        self.readers.of(value)
    }

    /// The bundle that makes a value; none for a given one.
    pub(crate) fn producer(&self, value: u32) -> Option<u32> {
        self.producers.get(value as usize).copied()
    }

    /// Whether the caller wants a value.
    pub(crate) fn is_wanted(&self, value: u32) -> bool {
        self.wanted[value as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_by_their_bundles_and_given_ones_follow() {
        let shape = Shape::new([2, 1, 1].into_iter(), [vec![], vec![0, 4], vec![1, 2]].into_iter(), 1, [3].into_iter());
        assert_eq!((shape.n_bundles(), shape.n_values()), (3, 5));
        assert_eq!((0..3).map(|bundle| shape.exports(bundle)).collect::<Vec<_>>(), [0..2, 2..3, 3..4]);
        assert_eq!((0..5).map(|value| shape.producer(value)).collect::<Vec<_>>(), [Some(0), Some(0), Some(1), Some(2), None]);
        assert_eq!((0..5).map(|value| shape.readers(value).to_vec()).collect::<Vec<_>>(), [vec![1], vec![2], vec![2], vec![], vec![1]]);
        assert_eq!(shape.inputs(1), [0, 4]);
        assert!(shape.is_wanted(3) && !shape.is_wanted(0));
    }
}
