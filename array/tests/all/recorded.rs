//! NumPy's own answers, recorded by the scripts next to them.

use std::collections::HashMap;

use arras_array::{Array, Chunks, Element};
use ndarray::{ArrayD, IxDyn};

use super::oracle::check;

/// Answers by the names of their cases: type, shape, elements.
pub(super) struct Recorded(HashMap<&'static str, (&'static str, Vec<usize>, Vec<f64>)>);

impl Recorded {
    /// What `shapes.py` wrote.
    pub(super) fn shapes() -> Recorded {
        let lines = include_str!("../fixtures/shapes.txt").lines().filter(|line| !line.starts_with('#'));
        let case = |line: &'static str| {
            let [name, dtype, shape, elements] = line.split(';').collect::<Vec<_>>().try_into().expect("four fields");
            let shape = shape.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect();
            let elements = elements.split(' ').filter(|x| !x.is_empty()).map(|x| x.parse().unwrap()).collect();
            (name, (dtype, shape, elements))
        };
        Recorded(lines.map(case).collect())
    }

    /// The answer of a case, which NumPy has in the same type.
    pub(super) fn answer<T: Element>(&self, name: &str) -> ArrayD<T> {
        let (dtype, shape, elements) = self.0.get(name).unwrap_or_else(|| panic!("no case {name}"));
        let ours = T::DTYPE.name().replace("f", "float").replace("i", "int").replace("u", "uint");
        assert_eq!(ours, *dtype, "{name}");
        let elements = elements.iter().map(|&x| T::cast_from(x)).collect();
        ArrayD::from_shape_vec(IxDyn(shape), elements).unwrap()
    }

    /// A recorded array, cut into chunks.
    pub(super) fn input<T: Element>(&self, name: &str, chunks: impl Into<Chunks>) -> Array<T> {
        Array::from_ndarray(self.answer(&format!("in {name}")), chunks).unwrap()
    }

    /// Checks an array against the answer of a case.
    pub(super) fn check<T: Element>(&self, name: &str, array: &Array<T>) {
        if let Err(error) = array.check() {
            panic!("{name}: {error}");
        }
        let expected = self.answer::<T>(name);
        assert_eq!(array.shape(), expected.shape(), "{name}");
        println!("{name}");
        check(array, expected);
    }
}

/// One chunk, uneven ones, chunks of one element.
pub(super) fn chunkings() -> [Chunks; 4] {
    [Chunks::one(), 3.into(), 2.into(), 1.into()]
}
