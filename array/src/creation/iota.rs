//! Positions as elements: the source that `arange`, `linspace`, `eye`, `tri` and `indices` are made of.
//!
//! ```text
//!     iota of shape (2, 3), start 10, strides (5, 1):   10 11 12        eye = (rows equal columns), of the iotas with
//!                                                       15 16 17             strides (1, 0) and (0, 1)
//! ```
//! An iota is a step of the kernel that uses it and takes no block of its own; a slice or a transpose of one is another one.

use std::sync::Arc;

use arras_core::Tokenizer;
use smallvec::SmallVec;

use crate::DType;
use crate::engine::chunks::Chunking;
use crate::engine::expr::{Expr, Kind};
use crate::shape::view::Item;

/// Element `i` is `start + Σ strides · i`, in `i64`, wrapping.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Iota {
    pub(crate) start: i64,
    pub(crate) strides: SmallVec<[i64; 4]>,
}

impl Iota {
    /// The positions along an axis, of arrays of so many axes.
    pub(crate) fn along(axis: usize, ndim: usize) -> Iota {
        let mut strides = SmallVec::from_elem(0, ndim);
        strides[axis] = 1;
        Iota { start: 0, strides }
    }

    /// What a slice shows of it.
    pub(crate) fn slice(&self, items: &[Item]) -> Iota {
        let mut sliced = Iota { start: self.start, strides: SmallVec::new() };
        let mut axes = self.strides.iter();
        for item in items {
            if matches!(item, Item::NewAxis) {
                sliced.strides.push(0);
                continue;
            }
            let stride = *axes.next().expect("an item for each axis");
            let first = match *item {
                Item::Range { start, step, .. } => {
                    sliced.strides.push(stride.wrapping_mul(step as i64));
                    start
                }
                Item::Index(i) => i,
                Item::NewAxis => unreachable!("handled above"),
            };
            sliced.start = sliced.start.wrapping_add(stride.wrapping_mul(first as i64));
        }
        sliced
    }

    /// With its axes in another order.
    pub(crate) fn transpose(&self, axes: &[usize]) -> Iota {
        Iota { start: self.start, strides: axes.iter().map(|&axis| self.strides[axis]).collect() }
    }
}

/// The node of an iota.
pub(crate) fn iota(iota: Iota, chunks: Chunking) -> Arc<Expr> {
    let parameters = Tokenizer::new().text(&format!("{} {:?}", iota.start, iota.strides)).finish();
    Expr::new("iota", parameters, DType::I64, chunks, Kind::Iota(iota))
}

/// The elements of one block, tile by tile, in row-major order.
pub(crate) struct Counting {
    /// The block's first element.
    start: i64,
    /// Lengths and strides of the block's axes, at least one.
    axes: SmallVec<[(usize, i64); 4]>,
    /// How many elements were made.
    made: usize,
}

impl Counting {
    pub(crate) fn new(iota: &Iota, shape: &[usize], start: &[usize]) -> Counting {
        let moved = iota.strides.iter().zip(start).map(|(stride, &i)| stride.wrapping_mul(i as i64));
        let start = moved.fold(iota.start, i64::wrapping_add);
        let mut axes: SmallVec<[(usize, i64); 4]> = SmallVec::from_slice(&[(1, 0)]);
        for (&length, &stride) in shape.iter().zip(&iota.strides) {
            match axes.last_mut() {
                _ if length == 1 => {}
                Some(last) if last.0 == 1 => *last = (length, stride),
                // Axes that follow each other without a gap are one.
                Some((outer, outer_stride)) if *outer_stride == stride.wrapping_mul(length as i64) => {
                    (*outer, *outer_stride) = (*outer * length, stride)
                }
                _ => axes.push((length, stride)),
            }
        }
        Counting { start, axes, made: 0 }
    }

    pub(crate) fn fill(&mut self, mut out: &mut [i64]) {
        let &(row_length, stride) = self.axes.last().expect("there is one axis at least");
        while !out.is_empty() {
            let column = self.made % row_length;
            let n = (row_length - column).min(out.len());
            let first = self.row_start(self.made / row_length).wrapping_add(stride.wrapping_mul(column as i64));
            let (row, rest) = std::mem::take(&mut out).split_at_mut(n);
            out = rest;
            row.iter_mut().enumerate().for_each(|(i, x)| *x = first.wrapping_add(stride.wrapping_mul(i as i64)));
            self.made += n;
        }
    }

    fn row_start(&self, mut row: usize) -> i64 {
        let mut start = self.start;
        for &(length, stride) in self.axes[..self.axes.len() - 1].iter().rev() {
            start = start.wrapping_add(stride.wrapping_mul((row % length) as i64));
            row /= length;
        }
        start
    }
}
