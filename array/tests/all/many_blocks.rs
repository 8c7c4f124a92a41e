//! Arrays of very many blocks: the work for a block does not grow with their number.

use std::time::{Duration, Instant};

use arras_array::{Array, Boundary};
use arras_core::{Collection, evaluate};
use ndarray::{ArrayD, ArrayViewD};

/// An array of `n` blocks, which hold where they start.
fn starts(n: usize) -> Array<i64> {
    Array::from_fn_blocks([n], 1, |at| ArrayD::from_elem(at.shape.clone(), at.start[0] as i64)).unwrap()
}

/// The time that four times the blocks take is about four times the time; sixteen times, if each block adds up the chunks before it.
fn grows_with_the_blocks(what: &str, body: impl Fn(usize)) {
    let time = |n: usize| -> Duration {
        let start = Instant::now();
        body(n);
        start.elapsed()
    };
    let ratio = || time(200_000).as_secs_f64() / time(50_000).as_secs_f64().max(1e-3);
    // Others may use the machine too: one good run shows it.
    let ratios: Vec<f64> = (0..3).map(|_| ratio()).take_while(|&ratio| ratio > 10.0).collect();
    assert!(ratios.len() < 3, "{what}: four times the blocks take {ratios:?} times the time");
}

#[test]
fn tasks_that_ask_where_their_block_starts() {
    grows_with_the_blocks("from_fn_blocks", |n| {
        let made = evaluate(&starts(n)).unwrap();
        assert!(made.iter().enumerate().all(|(i, &start)| i as i64 == start));
    });
    grows_with_the_blocks("map_blocks", |n| {
        let moved = starts(n).map_blocks(|block: ArrayViewD<i64>, at| &block - at.start[0] as i64);
        assert_eq!(evaluate(&moved.abs().sum().item()).unwrap(), 0);
    });
}

#[test]
fn graphs_are_made() {
    grows_with_the_blocks("graph", |n| {
        let x = starts(n);
        let y = &x.overlap(1, Boundary::Reflect).trim(1, Boundary::Reflect).roll(1, 0) + &x.rechunk(3).flip([0]).rechunk(1);
        assert!(y.cumsum(0).graph().unwrap().len() > 7 * n);
    });
}
