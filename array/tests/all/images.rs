//! Stacks of images: what Pillow reads in files is what is read here, one block a file; what is no image, or another one, is named.

use std::path::{Path, PathBuf};

use arras_array::{Array, Element, Error};
use arras_core::evaluate;
use ndarray::{ArrayD, Axis, IxDyn};
use serde_json::Value;

use super::npy::Folder;
use super::oracle::computed;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

#[test]
fn images_of_each_kind_are_what_pillow_reads() {
    let recorded: Value = serde_json::from_str(include_str!("../fixtures/images/read.json")).unwrap();
    fn pixels<T: Element>(recorded: &Value) -> ArrayD<T> {
        let numbers = |value: &Value| value.as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect::<Vec<_>>();
        let shape: Vec<usize> = numbers(&recorded["shape"]).into_iter().map(|n| n as usize).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), numbers(&recorded["pixels"]).into_iter().map(T::cast_from).collect()).unwrap()
    }
    let mut n = 0;
    for (name, recorded) in recorded["images"].as_object().unwrap() {
        match recorded["dtype"].as_str().unwrap() {
            "uint8" => {
                let (found, expected) = (computed(&Array::<u8>::from_images(fixture(name)).unwrap()), pixels::<u8>(recorded));
                assert_eq!(found.shape()[1..], *expected.shape(), "{name}");
                // Two decoders of JPEG may round differently.
                let tolerance = if name.ends_with("jpg") { 1 } else { 0 };
                assert!(found.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= tolerance), "{name}: {found} instead of {expected}");
            }
            "uint16" => {
                let found = computed(&Array::<u16>::from_images(fixture(name)).unwrap());
                assert_eq!(found, pixels::<u16>(recorded).insert_axis(Axis(0)), "{name}");
            }
            other => panic!("{other}"),
        }
        n += 1;
    }
    assert_eq!(n, 13);
}

#[test]
fn a_pattern_is_a_stack_in_the_order_of_names() {
    let folder = Folder::new("images", "stack ünïcode [1]");
    for (i, name) in ["b.png", "a.png", "c.png"].iter().enumerate() {
        image::GrayImage::from_pixel(3, 2, image::Luma([10 * i as u8])).save(folder.0.join(name)).unwrap();
    }
    std::fs::create_dir(folder.0.join("d.png")).unwrap();
    // A folder's name may look like a pattern: brackets stand for themselves in brackets.
    let pattern = folder.0.to_str().unwrap().replace('[', "[[]") + "/*.png";
    let x = Array::<u8>::from_images(&pattern).unwrap();
    assert_eq!((x.shape(), x.chunks()), (vec![3, 2, 3], vec![vec![1, 1, 1], vec![2], vec![3]]));
    assert_eq!(computed(&x).index_axis(Axis(2), 1).index_axis(Axis(1), 1).iter().copied().collect::<Vec<_>>(), [10, 0, 20]);
    assert_eq!(evaluate(&x.slice(arras_array::s![1.., 0, 0])).unwrap().into_raw_vec_and_offset().0, [0, 20]);
    let turned = Array::<u8>::from_image_files(["c.png", "a.png"].map(|name| folder.0.join(name))).unwrap();
    assert_eq!(evaluate(&turned.slice(arras_array::s![.., 0, 0])).unwrap().into_raw_vec_and_offset().0, [20, 10]);
    // A path that is there is no pattern.
    let odd = folder.0.join("e[0].png");
    std::fs::copy(folder.0.join("a.png"), &odd).unwrap();
    assert_eq!(Array::<u8>::from_images(&odd).unwrap().shape(), [1, 2, 3]);
}

#[test]
fn what_does_not_fit_names_the_file() {
    let folder = Folder::new("images", "errors");
    let file = |name: &str| folder.0.join(name);
    let error = |found: Result<Array<u8>, Error>| found.unwrap_err().to_string();
    assert!(error(Array::from_images(file("*.png"))).contains("*.png: no file matches"));
    assert!(error(Array::from_images(file("gone.png"))).contains("gone.png: "));
    assert!(error(Array::from_images(file("***"))).contains("from_images: "));
    assert!(error(Array::from_image_files([""; 0])).contains("no files"));
    std::fs::write(file("text.png"), "no image").unwrap();
    std::fs::write(file("empty.png"), "").unwrap();
    for name in ["text.png", "empty.png"] {
        let why = error(Array::from_images(file(name)));
        assert!(why.contains(&format!("{name}: ")), "{why}");
    }
    let why = error(Array::from_images(fixture("deep.png")));
    assert!(why.contains("deep.png: it holds uint16, not uint8") || why.contains("deep.png: it holds u16, not u8"), "{why}");

    // Others than the first are looked at by their tasks.
    let good = std::fs::read(fixture("colours.png")).unwrap();
    std::fs::write(file("cut.png"), &good[..good.len() - 30]).unwrap();
    let mut flipped = good.clone();
    flipped[50] ^= 0xff;
    std::fs::write(file("flipped.png"), flipped).unwrap();
    std::fs::copy(fixture("colours.jpg"), file("larger.jpg")).unwrap();
    std::fs::copy(fixture("grey.png"), file("grey.png")).unwrap();
    std::fs::copy(fixture("deep.tiff"), file("deep.tiff")).unwrap();
    for name in ["cut.png", "flipped.png", "larger.jpg", "grey.png", "deep.tiff", "text.png", "gone.png"] {
        let x = Array::<u8>::from_image_files([fixture("colours.png"), file(name)]).unwrap();
        let why = evaluate(&x).unwrap_err().to_string();
        assert!(why.contains(name), "{why}");
        assert!(evaluate(&x.slice(arras_array::s![0])).is_ok(), "a broken file is in the way of another");
    }
}
