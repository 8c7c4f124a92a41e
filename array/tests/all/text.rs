//! Arrays as text.

use arras_array::{Array, Rng};
use arras_scheduler::Compute;

#[test]
fn an_array_prints_what_a_person_asks_of_it() {
    let x = Array::from_ndarray(ndarray::Array2::<f64>::zeros((2_000, 300)), [1_000, 100]).unwrap();
    let expected = "\
array    ndarray
         whole            block
shape    (2000, 300)      (1000, 100)
bytes    4.8 MB           800.0 kB
count    0 tasks          6 blocks
type     f64";
    assert_eq!(x.to_string(), expected);
}

#[test]
fn an_explanation_shows_the_expression_and_its_kernels() {
    let rng = Rng::seed(1);
    let (x, y) = (rng.uniform(-1.0, 1.0, 100, 25).unwrap(), rng.uniform(-1.0, 1.0, 100, 25).unwrap());
    let pi = 4.0 * (x.powi(2) + y.powi(2)).lt(1.0).sum() / 100.0;
    let text = pi.explain().unwrap();
    let expected = "\
true_divide by 100.0  f64 ()
  multiply of 4.0  f64 ()
    astype  f64 ()
      sum  i64 ()
        less by 1.0  bool (100,), 4 blocks
          add  f64 (100,), 4 blocks
            square  f64 (100,), 4 blocks
              uniform -1..1  f64 (100,), 4 blocks
            square  f64 (100,), 4 blocks
              uniform -1..1  f64 (100,), 4 blocks
graph: 6 tasks in 3 layers, depth 3
  4 × sum-partial (uniform+square+add+less+sum), 8 B each
  1 × sum ← sum-partial, 8 B each
  1 × true_divide (astype+multiply+true_divide) ← sum, 8 B each
memory: at most 40 B of results at once on one thread
";
    assert_eq!(text, expected);
}
