//! Random arrays: every element is a function of the seed and its own index, so chunks do not change it.
//!
//! ```text
//!     ChaCha8(seed), stream s:   word 0 1 │ 2 3 │ 4 5 │ 6 7 │ …
//!                                  └ x[0] ┘ └ x[1] ┘                two words an element, in row-major order
//! ```
//! Other [laws](crate::law) make other numbers of the same words, or give an element more of them. The generator is counter-based: it starts at any position at once. A draw is a step of the kernel that uses it, and slices of a random array draw only what they show.

use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Dimension, IntoDimension};
use pulp::Arch;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

use crate::array::Array;
use crate::creation::law::{Drawn, Law, Sampler, WORDS};
use crate::engine::chunks::Chunks;
use crate::engine::dtype::Element;
use crate::engine::expr::Draws;
use crate::engine::simplify;
use crate::error::{Error, Result};

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
    /// [`Error::Interval`](crate::Error::Interval) unless both limits are finite and `low < high`; what is wrong with the chunks.
    pub fn uniform(&self, low: f64, high: f64, shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<f64>> {
        self.draws(Law::Uniform { low, high }, shape.into_dimension().slice(), chunks.into())
    }

    /// Draws from a law, which has the array's type.
    pub(crate) fn draws<T: Element>(&self, law: Law, shape: &[usize], chunks: Chunks) -> Result<Array<T>> {
        law.check()?;
        let many = law.sampler()?.is_some();
        // What fits here keeps all positions below within i64.
        let chunks = chunks.of_dtype(shape, T::DTYPE, None)?;
        if many && shape.iter().product::<usize>() > LONGEST {
            let why = format!("shape {shape:?} has more than 2⁴⁸ elements, for which there are no random numbers");
            return Err(Error::argument(law.name(), why));
        }
        let mut strides = smallvec::smallvec![1i64; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis].max(1) as i64;
        }
        let (seed, stream) = self.stream();
        let draws = Draws { seed, stream, law, start: 0, strides };
        Ok(Array::of(|| Ok(simplify::random(draws, chunks))))
    }

    /// The seed, and a stream that no other array draws from.
    pub(crate) fn stream(&self) -> (u64, u64) {
        (self.seed, self.stream.fetch_add(1, Ordering::Relaxed))
    }
}

/// How many elements have words of their own, where each has 2²⁰ of the 2⁶⁸ of a stream.
const LONGEST: usize = 1 << 48;

/// Draws that lie so near to each other are made with those between: going to another place takes about as long as 30 draws.
const NEAR: u64 = 16;

/// A generator at the start of a stream.
pub(crate) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator
}

/// Sets a generator to the words of an element of a law of many draws.
pub(crate) fn seek_element(generator: &mut ChaCha8Rng, element: u64) {
    generator.set_word_pos(u128::from(element) << WORDS);
}

/// The draws of one block, tile by tile, in row-major order.
pub(crate) struct Drawing {
    generator: ChaCha8Rng,
    law: Law,
    /// For a law of many draws.
    sampler: Option<Sampler>,
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
    pub(crate) fn new(draws: &Draws, shape: &[usize], start: &[usize]) -> Result<Drawing> {
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
        let (generator, sampler) = (generator(draws.seed, draws.stream), draws.law.sampler()?);
        let start = draws.start.wrapping_add_signed(offset);
        Ok(Drawing { generator, law: draws.law.clone(), sampler, start, axes, drawn: 0, next: 0, arch: Arch::new() })
    }

    pub(crate) fn fill<T: Drawn>(&mut self, mut out: &mut [T]) {
        let (row_length, stride) = *self.axes.last().expect("there is one axis at least");
        while !out.is_empty() {
            let column = self.drawn % row_length;
            let n = (row_length - column).min(out.len());
            let first = self.row_start(self.drawn / row_length).wrapping_add_signed(stride * column as i64);
            let (row, rest) = std::mem::take(&mut out).split_at_mut(n);
            out = rest;
            let position = |i: usize| first.wrapping_add_signed(stride * i as i64);
            if let Some(sampler) = &self.sampler {
                for (i, x) in row.iter_mut().enumerate() {
                    seek_element(&mut self.generator, position(i));
                    *x = T::of_sampler(sampler, &mut self.generator);
                }
            } else if stride == 1 {
                self.seek(first);
                self.draw_row(row);
            } else if stride != 0 && stride.unsigned_abs() <= NEAR {
                // Drawn with what lies between, and picked.
                let (low, high) = (first.min(position(n - 1)), first.max(position(n - 1)));
                let mut span = vec![row[0]; (high - low) as usize + 1];
                self.seek(low);
                self.draw_row(&mut span);
                row.iter_mut().enumerate().for_each(|(i, x)| *x = span[(position(i) - low) as usize]);
            } else {
                for (i, x) in row.chunks_mut(1).enumerate() {
                    self.seek(position(i));
                    self.draw_row(x);
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

    /// The next draws, their words made all at once.
    fn draw_row<T: Drawn>(&mut self, row: &mut [T]) {
        self.next += row.len() as u64;
        self.generator.fill_bytes(bytemuck::cast_slice_mut(row));
        T::of_words(&self.law, self.arch, row);
    }
}
