//! Where the least or greatest element is.
//!
//! ```text
//!     element ──► key, an i64: the least key is the element that is looked for
//!     state:      (key, position)      the lesser key wins, of equal keys the lesser position
//! ```
//! Positions count over the reduced axes of the whole array in row-major order, so blocks can be merged in any order.

use arras_core::BoxError;

use crate::engine::dtype::Element;
use crate::engine::fold::Runs;

/// A type that the elements of every ordered type become without loss: `i64`, `u64`, `f64`.
pub(crate) trait Keyed: Element {
    /// A number that orders as the values do. NaN, and only NaN, is `i64::MIN`.
    fn ascending(self) -> i64;
}

impl Keyed for i64 {
    #[inline(always)]
    fn ascending(self) -> i64 {
        self
    }
}

impl Keyed for u64 {
    #[inline(always)]
    fn ascending(self) -> i64 {
        (self ^ (1 << 63)) as i64
    }
}

impl Keyed for f64 {
    #[inline(always)]
    fn ascending(self) -> i64 {
        // -0.0 becomes 0.0, to which it is equal.
        let bits = (self + 0.0).to_bits() as i64;
        if self.is_nan() { i64::MIN } else { bits ^ ((bits >> 63) as u64 >> 1) as i64 }
    }
}

/// The key of an element: what is looked for has the least.
#[inline(always)]
fn key<T: Keyed>(x: T, greatest: bool, skip_nan: bool) -> i64 {
    match (x.is_nan(), greatest) {
        (true, _) => {
            if skip_nan {
                NOTHING
            } else {
                i64::MIN
            }
        }
        (false, false) => x.ascending(),
        (false, true) => !x.ascending(),
    }
}

/// The key of what must not be found.
const NOTHING: i64 = i64::MAX;

/// Folds the tiles of a block into keys and positions, one for each element that is kept.
pub(crate) struct PositionFolder {
    runs: Runs,
    greatest: bool,
    skip_nan: bool,
    states: Vec<[i64; 2]>,
}

impl PositionFolder {
    pub(crate) fn new(greatest: bool, skip_nan: bool, shape: &[usize], reduced: &[bool]) -> PositionFolder {
        let runs = Runs::new(shape, reduced, false);
        let states = vec![[i64::MAX, i64::MAX]; runs.kept];
        PositionFolder { runs, greatest, skip_nan, states }
    }

    pub(crate) fn consume<T: Keyed>(&mut self, mut tile: &[T]) {
        let (greatest, skip_nan) = (self.greatest, self.skip_nan);
        while !tile.is_empty() {
            let run = self.runs.next(tile.len());
            let (part, rest) = tile.split_at(run.length);
            tile = rest;
            if run.folds {
                let least = part.iter().fold(i64::MAX, |least, &x| least.min(key(x, greatest, skip_nan)));
                let at = part.iter().position(|&x| key(x, greatest, skip_nan) == least).expect("a run has an element");
                let found = [least, (run.at + at) as i64];
                self.states[run.place] = self.states[run.place].min(found);
            } else {
                for (i, (state, &x)) in self.states[run.place..].iter_mut().zip(part).enumerate() {
                    *state = (*state).min([key(x, greatest, skip_nan), (run.at + i) as i64]);
                }
            }
        }
    }

    /// The states, one after another, with positions over the reduced axes of the whole array. The block has this shape and starts at this element.
    pub(crate) fn finish(self, block: &[usize], start: &[usize], whole: &[usize], reduced: &[bool]) -> Vec<i64> {
        let position = |mut at: usize| {
            let (mut position, mut stride) = (0, 1);
            for axis in (0..block.len()).rev() {
                if reduced[axis] {
                    position += stride * (start[axis] + at % block[axis]);
                    stride *= whole[axis];
                }
                at /= block[axis];
            }
            position as i64
        };
        self.states.into_iter().flat_map(|[key, at]| [key, if at == i64::MAX { at } else { position(at as usize) }]).collect()
    }
}

/// Merges keys and positions with others.
pub(crate) fn merge_positions(states: &mut [i64], others: &[i64]) {
    let (states, _) = states.as_chunks_mut::<2>();
    let (others, _) = others.as_chunks::<2>();
    states.iter_mut().zip(others).for_each(|(a, b)| *a = (*a).min(*b));
}

/// The positions of states.
pub(crate) fn positions(name: &str, states: &[i64], skip_nan: bool) -> Result<Vec<i64>, BoxError> {
    let (states, _) = states.as_chunks::<2>();
    if skip_nan && states.iter().any(|[key, _]| *key == NOTHING) {
        return Err(format!("{name}: all elements of a row are NaN").into());
    }
    Ok(states.iter().map(|[_, position]| *position).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_values() {
        let floats = [f64::NAN, f64::NEG_INFINITY, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::INFINITY];
        assert!(floats.windows(2).all(|pair| pair[0].ascending() < pair[1].ascending()));
        assert_eq!((-0.0f64).ascending(), 0.0f64.ascending());
        assert!([0u64, 1, 1 << 63, u64::MAX].windows(2).all(|pair| pair[0].ascending() < pair[1].ascending()));
        assert!(f64::INFINITY.ascending() < NOTHING && !f64::NEG_INFINITY.ascending() < NOTHING);
    }
}
