//! Bags and arrays as frames.

use arras::frame::df;
use arras::prelude::*;

#[test]
fn elements_keep_their_order_partitions_and_type() {
    let bag = Bag::from_sequence((0..10i64).map(|x| x * x), 3);
    let frame = bag.to_frame("square").unwrap();
    assert_eq!(frame.n_partitions().unwrap(), 3);
    let rows = frame.compute().unwrap();
    let squares: Vec<i64> = rows.column("square").unwrap().i64().unwrap().into_no_null_iter().collect();
    assert_eq!(squares, (0..10).map(|x| x * x).collect::<Vec<i64>>());
    for scheduler in [Threads::new(1), Threads::new(3)] {
        assert_eq!(frame.compute_with(&scheduler).unwrap(), rows);
    }
}

#[test]
fn an_empty_bag_is_an_empty_frame_with_its_column() {
    let rows = Bag::from_sequence(Vec::<f64>::new(), 2).to_frame("x").unwrap().compute().unwrap();
    assert_eq!((rows.height(), rows.width()), (0, 1));
}

#[test]
fn what_is_wrong_with_the_bag_is_said_at_once() {
    let bad = Bag::from_sequence([1i64], 0);
    assert!(bad.to_frame("x").unwrap_err().to_string().contains("partition"));
}

#[test]
fn group_by_counts_what_foldby_counts() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/moby-dick.txt");
    let words = Bag::read_text(text).unwrap().flat_map(|line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let folded = words.frequencies().compute().unwrap();
    let grouped = words.to_frame("word").unwrap().group_by([col("word")]).agg([len().alias("n")]).compute().unwrap();
    let names = grouped.column("word").unwrap().str().unwrap();
    let counts = grouped.column("n").unwrap().u32().unwrap();
    assert_eq!(folded.len(), grouped.height());
    for (i, (word, n)) in folded.iter().enumerate() {
        assert_eq!((names.get(i), counts.get(i)), (Some(word.as_str()), Some(*n as u32)));
    }
}

#[test]
fn a_matrix_is_a_frame_of_its_columns() {
    let data = ndarray::Array2::from_shape_fn((7, 3), |(i, j)| (10 * i + j) as i32);
    let expected = df!("a" => data.column(0).to_vec(), "b" => data.column(1).to_vec(), "ü" => data.column(2).to_vec()).unwrap();
    for chunks in [(7, 3), (2, 3), (3, 1), (1, 2)] {
        let frame = Array::from_ndarray(data.clone(), chunks).unwrap().to_frame(&["a", "b", "ü"]).unwrap();
        assert_eq!(frame.n_partitions().unwrap(), 7usize.div_ceil(chunks.0));
        assert_eq!(frame.compute().unwrap(), expected, "{chunks:?}");
        assert_eq!(frame.compute_with(&Threads::new(3)).unwrap(), expected, "{chunks:?}");
    }
    let transposed = Array::from_ndarray(data.t().to_owned(), (2, 2)).unwrap().t().to_frame(&["a", "b", "ü"]).unwrap();
    assert_eq!(transposed.compute().unwrap(), expected);
    let vector = Array::<bool>::zeros(3, 2).unwrap().to_frame(&["x"]).unwrap().compute().unwrap();
    assert_eq!(vector, df!("x" => [false; 3]).unwrap());
    let none = Array::<f64>::zeros([0, 2], 1).unwrap().to_frame(&["x", "y"]).unwrap().compute().unwrap();
    assert_eq!((none.height(), none.width()), (0, 2));
}

#[test]
fn what_is_no_table_is_refused_when_the_frame_is_built() {
    let x = Array::<f64>::ones([2, 3], 2).unwrap();
    let says = |frame: arras::Result<Frame>| frame.map(drop).unwrap_err().to_string();
    assert!(says(x.to_frame(&["a"])).contains("for 3 columns"));
    assert!(says(x.to_frame(&["a", "b", "a"])).contains('a'));
    assert!(says(Array::<f64>::ones([2, 2, 2], 2).unwrap().to_frame(&["a", "b"])).contains("[2, 2, 2]"));
    assert!(says((&x + Array::<f64>::ones(5, 5).unwrap()).to_frame(&["a"])).contains("broadcast"));
}
