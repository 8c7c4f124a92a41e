//! Counts, sums and central moments, folded in one pass: means, variances, skewness, kurtosis.
//!
//! ```text
//!     run of a tile ──► (n, c, Σ(x-c), Σ(x-m)², …, Σ(x-m)ᵖ)       c: its first element, m: its mean; while the run is in the first cache
//!                            │ merge
//!                            ▼
//!     kept element:     (n, c, Σ(x-c), M₂, …, Mₚ)                  of tiles, then of blocks, in a fixed tree
//! ```
//! States are merged with the formulas of Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments" (2008);
//! for variances those are Chan's. No large sum of squares is ever subtracted from another, and
//! means are told apart by their distances to elements, so a large mean does no harm.

use arras_core::BoxError;
use ndarray::{ArrayD, IxDyn};
use pulp::Arch;
use serde::{Deserialize, Serialize};

use crate::engine::block::Block;
use crate::engine::dtype::{Complex64, DType, Element};
use crate::engine::fold::{LANES, Runs};

/// What is made of the moments in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Statistic {
    /// The states themselves, along a last axis: the count, an element, the sum of the distances to it, and the central moments' sums from the second on.
    State,
    Mean,
    Variance {
        ddof: usize,
        root: bool,
    },
    /// The central moment of the state's order, divided by the count less this.
    Moment {
        ddof: usize,
    },
}

/// Moments up to an order, and what is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Moments {
    /// 1 at least.
    pub(crate) order: u8,
    pub(crate) skip_nan: bool,
    pub(crate) statistic: Statistic,
    /// `F64`, or `F32` if the result is to be that.
    pub(crate) to: DType,
}

impl Moments {
    pub(crate) fn name(&self) -> &'static str {
        match (self.statistic, self.skip_nan) {
            (Statistic::State, _) => "moments",
            (Statistic::Mean, true) => "nanmean",
            (Statistic::Mean, false) => "mean",
            (Statistic::Variance { root: false, .. }, true) => "nanvar",
            (Statistic::Variance { root: false, .. }, false) => "var",
            (Statistic::Variance { root: true, .. }, true) => "nanstd",
            (Statistic::Variance { root: true, .. }, false) => "std",
            (Statistic::Moment { .. }, _) => "moment",
        }
    }

    /// The numbers of a state: twice as many for complex numbers, whose parts have a state each.
    pub(crate) fn width(&self, dtype: DType) -> usize {
        (usize::from(self.order) + 2) * if matches!(dtype, DType::C32 | DType::C64) { 2 } else { 1 }
    }

    /// The result of the states along the last axis of a block.
    pub(crate) fn finish(&self, states: &ArrayD<f64>, shape: &[usize]) -> Result<Block, BoxError> {
        let results = states.rows().into_iter().map(|state| self.of_state(&state.to_vec()));
        Ok(match self.to {
            DType::F32 => f32::into_block(ArrayD::from_shape_vec(IxDyn(shape), results.map(|x| x as f32).collect())?.into_shared()),
            _ => f64::into_block(ArrayD::from_shape_vec(IxDyn(shape), results.collect())?.into_shared()),
        })
    }

    /// The result of one state, or of the two of complex numbers.
    fn of_state(&self, state: &[f64]) -> f64 {
        let width = usize::from(self.order) + 2;
        let n = state[0];
        // There is no distance to a mean that is infinite.
        let spreads = !matches!(self.statistic, Statistic::Mean);
        if spreads && state.chunks(width).any(|state| !mean_of(state).is_finite()) {
            return f64::NAN;
        }
        match self.statistic {
            Statistic::State => unreachable!("states are not made anything of"),
            Statistic::Mean => mean_of(state),
            Statistic::Variance { ddof, root } => {
                let freedom = n - ddof as f64;
                let freedom = if self.skip_nan && freedom <= 0.0 { f64::NAN } else { freedom.max(0.0) };
                let sum: f64 = state.chunks(width).map(|state| state[3]).sum();
                let variance = sum / freedom;
                if root { variance.sqrt() } else { variance }
            }
            Statistic::Moment { ddof } => {
                let sum = match self.order {
                    1 => 0.0 * state[2],
                    order => state[usize::from(order) + 1],
                };
                sum / (n - ddof as f64)
            }
        }
    }
}

/// The mean of a state.
pub(crate) fn mean_of(state: &[f64]) -> f64 {
    state[1] + state[2] / state[0]
}

/// Adds the state `b` to the state `a`.
fn merge(a: &mut [f64], b: &[f64]) {
    let (na, nb) = (a[0], b[0]);
    if nb == 0.0 {
        return;
    }
    if na == 0.0 {
        a.copy_from_slice(b);
        return;
    }
    let n = na + nb;
    let shift = b[1] - a[1];
    let delta = shift + (b[2] / nb - a[2] / na);
    for p in (3..a.len() - 1).rev() {
        let mut moment = a[p + 1] + b[p + 1];
        let (mut binomial, mut power) = (1.0, 1.0);
        for k in 1..=p - 2 {
            binomial *= (p + 1 - k) as f64 / k as f64;
            power *= delta;
            moment += binomial * power * ((-nb / n).powi(k as i32) * a[p - k + 1] + (na / n).powi(k as i32) * b[p - k + 1]);
        }
        let own = p as i32 - 1;
        moment += (na * nb / n * delta).powi(p as i32) * (nb.powi(-own) - (-na).powi(-own));
        a[p + 1] = moment;
    }
    if a.len() > 3 {
        a[3] += b[3] + delta * delta * (na * nb / n);
    }
    (a[0], a[2]) = (n, a[2] + (b[2] + nb * shift));
}

/// Adds up in eight lanes.
#[inline(always)]
fn sum_of(run: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = run.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += term(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += term(x);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// The state of a run.
#[inline(always)]
fn fold_run(run: &[f64], state: &mut [f64]) {
    state.fill(0.0);
    if run.is_empty() {
        return;
    }
    let n = run.len() as f64;
    // Sums alone are those of the elements, whose infinities must not meet.
    let shift = if state.len() == 3 { 0.0 } else { run[0] };
    let sum = sum_of(run, |x| x - shift);
    let mean = sum / n;
    (state[0], state[1], state[2]) = (n, shift, sum);
    let distance = |x: f64| (x - shift) - mean;
    match state.len() {
        3 => {}
        4 => state[3] = sum_of(run, |x| distance(x) * distance(x)),
        _ => {
            for (p, moment) in (2..).zip(&mut state[3..]) {
                *moment = sum_of(run, |x| distance(x).powi(p));
            }
        }
    }
}

/// Folds the tiles of a block into states, one for each element that is kept.
pub(crate) struct MomentFolder {
    runs: Runs,
    skip_nan: bool,
    /// For each number of a state, that of every kept element.
    columns: Vec<Vec<f64>>,
    state: Vec<f64>,
    other: Vec<f64>,
    filtered: Vec<f64>,
    arch: Arch,
}

impl MomentFolder {
    pub(crate) fn new(moments: &Moments, shape: &[usize], reduced: &[bool], masked: bool) -> MomentFolder {
        let runs = Runs::new(shape, reduced, masked);
        let width = usize::from(moments.order) + 2;
        let columns = vec![vec![0.0; runs.kept]; width];
        let (state, other) = (vec![0.0; width], vec![0.0; width]);
        MomentFolder { runs, skip_nan: moments.skip_nan, columns, state, other, filtered: Vec::new(), arch: Arch::new() }
    }

    pub(crate) fn consume(&mut self, mut tile: &[f64]) {
        let arch = self.arch;
        while !tile.is_empty() {
            let run = self.runs.next(tile.len());
            let (mut part, rest) = tile.split_at(run.length);
            tile = rest;
            if run.folds {
                if self.skip_nan {
                    self.filtered.clear();
                    self.filtered.extend(part.iter().filter(|x| !x.is_nan()));
                    part = &self.filtered;
                }
                let state = &mut self.other;
                arch.dispatch(
                    #[inline(always)]
                    || fold_run(part, state),
                );
                self.merge_other(run.place);
            } else if let ([counts, shifts, sums, squares], false) = (self.columns.as_mut_slice(), self.skip_nan) {
                let places = run.place..run.place + run.length;
                let (sums, squares) = (&mut sums[places.clone()], &mut squares[places.clone()]);
                // All elements of a row have the same count.
                let n = counts[places.start];
                if n == 0.0 {
                    shifts[places.clone()].copy_from_slice(part);
                }
                let shifts = &shifts[places.clone()];
                counts[places].fill(n + 1.0);
                let (weight, ratio) = (if n > 0.0 { 1.0 / n } else { 0.0 }, n / (n + 1.0));
                arch.dispatch(
                    #[inline(always)]
                    || {
                        for (((sum, square), &shift), &x) in sums.iter_mut().zip(squares).zip(shifts).zip(part) {
                            let distance = x - shift;
                            let delta = distance - *sum * weight;
                            *square += delta * delta * ratio;
                            *sum += distance;
                        }
                    },
                );
            } else {
                for (i, &x) in part.iter().enumerate() {
                    if !(self.skip_nan && x.is_nan()) {
                        self.other.fill(0.0);
                        let only_sums = self.other.len() == 3;
                        (self.other[0], self.other[1], self.other[2]) = if only_sums { (1.0, 0.0, x) } else { (1.0, x, 0.0) };
                        self.merge_other(run.place + i);
                    }
                }
            }
        }
    }

    fn merge_other(&mut self, place: usize) {
        self.state.iter_mut().zip(&self.columns).for_each(|(x, column)| *x = column[place]);
        merge(&mut self.state, &self.other);
        self.columns.iter_mut().zip(&self.state).for_each(|(column, &x)| column[place] = x);
    }

    /// The states, one after another, given those of the imaginary parts if there are any.
    pub(crate) fn finish(self, imaginary: Option<MomentFolder>) -> Vec<f64> {
        let columns: Vec<Vec<f64>> = self.columns.into_iter().chain(imaginary.into_iter().flat_map(|folder| folder.columns)).collect();
        (0..self.runs.kept).flat_map(|place| columns.iter().map(move |column| column[place])).collect()
    }
}

/// The parts of complex numbers, each NaN where one is, if NaN is to be left out.
pub(crate) fn parts_of(tile: &[Complex64], skip_nan: bool) -> (Vec<f64>, Vec<f64>) {
    let whole = |z: &Complex64| if skip_nan && z.is_nan() { (f64::NAN, f64::NAN) } else { (z.re, z.im) };
    tile.iter().map(whole).unzip()
}

/// Adds the states along the last axis of a block to others.
pub(crate) fn merge_states(states: &mut [f64], others: &[f64], width: usize) {
    states.chunks_exact_mut(width).zip(others.chunks_exact(width)).for_each(|(a, b)| merge(a, b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_folding_the_whole() {
        let data: Vec<f64> = (0..50).map(|i| f64::from(i * i % 17) + 1e3).collect();
        for width in 3..9 {
            let (mut whole, mut a, mut b) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
            fold_run(&data, &mut whole);
            for cut in [0, 1, 7, 50] {
                fold_run(&data[..cut], &mut a);
                fold_run(&data[cut..], &mut b);
                merge(&mut a, &b);
                assert!((mean_of(&a) - mean_of(&whole)).abs() < 1e-12 * 1e3);
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1e3);
                assert!(a[0] == 50.0 && a[3..].iter().zip(&whole[3..]).all(near), "{a:?} {whole:?}");
            }
        }
    }
}
