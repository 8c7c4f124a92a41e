//! Random arrays: every element is a function of the seed and its own index, so chunks do not change it.
//!
//! ```text
//!     ChaCha8(seed), stream s:   word 0 1 │ 2 3 │ 4 5 │ 6 7 │ …
//!                                  └ x[0] ┘ └ x[1] ┘                two words an element, in row-major order
//! ```
//! The generator is counter-based: it starts at any position at once. A draw is a step of the kernel that uses it, and slices of a random array draw only what they show.

use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::IntoDimension;
use pulp::Arch;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

use crate::array::Array;
use crate::chunks::Chunks;
use crate::error::{Error, Result};
use crate::expr::Uniform;
use crate::simplify;

/// A source of random arrays. Each array it makes is independent of the others; the same calls on the same seed give the same arrays, under every chunking and scheduler.
///
/// ```
/// use arras_array::Rng;
/// use arras_scheduler::Compute;
/// let x = Rng::seed(42).uniform(-1.0, 1.0, [100, 30], 10)?;
/// let y = Rng::seed(42).uniform(-1.0, 1.0, [100, 30], [7, 11])?;
/// assert_eq!(x.compute()?, y.compute()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rng {
    seed: u64,
    stream: AtomicU64,
}

impl Rng {
    /// The source of this seed.
    pub fn seed(seed: u64) -> Rng {
        Rng { seed, stream: AtomicU64::new(0) }
    }

    /// Draws from the uniform distribution over `low..high`, in steps of 2⁻⁵³ of the interval. Lazy.
    ///
    /// # Errors
    /// [`Error::Interval`] unless both limits are finite and `low < high`; what is wrong with the chunks.
    pub fn uniform(&self, low: f64, high: f64, shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<f64>> {
        if !(low < high && (high - low).is_finite()) {
            return Err(Error::Interval { low: low.to_string(), high: high.to_string() });
        }
        let shape = shape.into_dimension();
        let shape = ndarray::Dimension::slice(&shape);
        // What fits here keeps all positions below within i64.
        let chunks = chunks.into().of_shape(shape)?;
        let mut strides = smallvec::smallvec![1i64; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis].max(1) as i64;
        }
        let stream = self.stream.fetch_add(1, Ordering::Relaxed);
        let draws = Uniform { seed: self.seed, stream, low, high, start: 0, strides };
        Ok(Array::of(|| Ok(simplify::uniform(draws, chunks))))
    }
}

/// The upper 53 bits of a word as a multiple of 2⁻⁵³ below 1.
#[inline(always)]
fn unit(word: u64) -> f64 {
    // 52 of them as the fraction of a number from 1 to 2, and the last as what it adds: all exact, and vectorised where no instruction turns words into floats.
    let upper = f64::from_bits((word >> 12) | 1f64.to_bits()) - 1.0;
    let last = f64::from_bits(((word >> 11) & 1).wrapping_neg() & (1.0 / (1u64 << 53) as f64).to_bits());
    upper + last
}

/// The draws of one block, tile by tile, in row-major order.
pub(crate) struct Drawing {
    generator: ChaCha8Rng,
    low: f64,
    width: f64,
    /// The draw of the block's first element.
    start: u64,
    /// Lengths and strides of the block's axes, those that follow each other without a gap made one; at least one.
    axes: Vec<(usize, i64)>,
    /// How many elements were drawn.
    drawn: usize,
    /// The draw that the generator makes next.
    next: u64,
    arch: Arch,
}

impl Drawing {
    pub(crate) fn new(draws: &Uniform, shape: &[usize], start: &[usize]) -> Drawing {
        let offset: i64 = draws.strides.iter().zip(start).map(|(stride, &i)| stride * i as i64).sum();
        let mut axes: Vec<(usize, i64)> = vec![(1, 0)];
        for (&length, &stride) in shape.iter().zip(&draws.strides) {
            match axes.last_mut() {
                _ if length == 1 => {}
                Some(last) if last.0 == 1 => *last = (length, stride),
                Some((outer, outer_stride)) if *outer_stride == stride * length as i64 => {
                    (*outer, *outer_stride) = (*outer * length, stride)
                }
                _ => axes.push((length, stride)),
            }
        }
        let mut generator = ChaCha8Rng::seed_from_u64(draws.seed);
        generator.set_stream(draws.stream);
        let start = draws.start.wrapping_add_signed(offset);
        Drawing { generator, low: draws.low, width: draws.high - draws.low, start, axes, drawn: 0, next: 0, arch: Arch::new() }
    }

    pub(crate) fn fill(&mut self, mut out: &mut [f64]) {
        let (row_length, stride) = *self.axes.last().expect("there is one axis at least");
        while !out.is_empty() {
            let column = self.drawn % row_length;
            let n = (row_length - column).min(out.len());
            let first = self.row_start(self.drawn / row_length).wrapping_add_signed(stride * column as i64);
            let (row, rest) = std::mem::take(&mut out).split_at_mut(n);
            out = rest;
            if stride == 1 {
                self.seek(first);
                self.draw_row(row);
            } else {
                for (i, x) in row.iter_mut().enumerate() {
                    self.seek(first.wrapping_add_signed(stride * i as i64));
                    *x = self.draw();
                }
            }
            self.drawn += n;
        }
    }

    /// The draw of the first element of a row.
    fn row_start(&self, mut row: usize) -> u64 {
        let mut start = self.start;
        for &(length, stride) in self.axes[..self.axes.len() - 1].iter().rev() {
            start = start.wrapping_add_signed(stride * (row % length) as i64);
            row /= length;
        }
        start
    }

    fn seek(&mut self, position: u64) {
        if self.next != position {
            self.generator.set_word_pos(2 * u128::from(position));
            self.next = position;
        }
    }

    /// The next draws: as [`draw`](Drawing::draw) for each, the words made all at once.
    fn draw_row(&mut self, row: &mut [f64]) {
        self.next += row.len() as u64;
        self.generator.fill_bytes(bytemuck::cast_slice_mut(row));
        let (low, width) = (self.low, self.width);
        self.arch.dispatch(
            #[inline(always)]
            || row.iter_mut().for_each(|x| *x = low + width * unit(u64::from_le(x.to_bits()))),
        );
    }

    #[inline]
    fn draw(&mut self) -> f64 {
        self.next += 1;
        self.low + self.width * unit(self.generator.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::unit;

    #[test]
    fn a_unit_is_the_upper_53_bits_scaled() {
        let mut word = 0x9e37_79b9_7f4a_7c15u64;
        for special in [0, 1 << 11, (1 << 12) - 1, 1 << 63, u64::MAX, u64::MAX - (1 << 11)] {
            assert_eq!(unit(special), (special >> 11) as f64 / (1u64 << 53) as f64);
        }
        for _ in 0..100_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            assert_eq!(unit(word), (word >> 11) as f64 / (1u64 << 53) as f64);
        }
        assert!(unit(u64::MAX) < 1.0);
    }
}
