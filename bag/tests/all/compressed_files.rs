use std::io::Write;
use std::path::Path;

use arras_bag::{Bag, Error, ReadText};
use arras_core::evaluate;

use crate::computed;

/// An ending of names, and a way to compress.
type Codec = (&'static str, fn(&[u8]) -> Vec<u8>);

/// Those that this build can read.
#[cfg_attr(not(any(feature = "xz", feature = "zstd")), expect(unused_mut))]
fn codecs() -> Vec<Codec> {
    let mut codecs: Vec<Codec> = vec![
        ("gz", |bytes| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }),
        ("bz2", |bytes| {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }),
        ("lz4", |bytes| {
            let mut info = lz4_flex::frame::FrameInfo::new();
            info.content_checksum = true;
            info.block_size = lz4_flex::frame::BlockSize::Max64KB;
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }),
    ];
    #[cfg(feature = "xz")]
    codecs.push(("xz", |bytes| {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }));
    #[cfg(feature = "zstd")]
    codecs.push(("zst", |bytes| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }));
    codecs
}

fn text() -> String {
    (0..60_000).map(|i| format!("line {i} {:x}\n", i * 0x9e37_79b9u64)).collect()
}

fn damaged(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    let error = evaluate(&Bag::read_text(path).unwrap().count()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Damaged { path: found, .. }) if found == path), "{}: {error}", path.display());
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn each_kind_is_read_by_its_ending_and_so_are_several_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = text();
    let expected: Vec<&str> = text.lines().collect();
    for (ending, compress) in codecs() {
        for ending in [ending.to_owned(), ending.to_uppercase()] {
            let path = folder.path().join(format!("a.{ending}"));
            std::fs::write(&path, compress(text.as_bytes())).unwrap();
            assert!(computed(&Bag::read_text(&path).unwrap()) == expected, "{ending}");
        }
        let (first, second) = text.as_bytes().split_at(text.len() / 3);
        let path = folder.path().join(format!("several.txt.{ending}"));
        std::fs::write(&path, [compress(first), compress(b""), compress(second)].concat()).unwrap();
        assert!(computed(&Bag::read_text(&path).unwrap()) == expected, "several in one .{ending}");
        std::fs::write(&path, compress(b"")).unwrap();
        assert_eq!(computed(&Bag::read_text(&path).unwrap()), [""; 0], "nothing in a .{ending}");
        let error = ReadText::new(&path).blocksize(1000).read().unwrap_err();
        assert!(matches!(&error, Error::CannotCut { path: found, .. } if *found == path), "{error}");
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (ending, compress) in codecs() {
        let path = folder.path().join(format!("a.{ending}"));
        let good = compress(text().as_bytes());
        for cut in [1, 5, good.len() / 3, good.len() / 2, good.len() - 9, good.len() - 1] {
            damaged(&path, &good[..cut]);
        }
        for flip in [good.len() / 3, good.len() / 2, good.len() - 1000] {
            let mut flipped = good.clone();
            flipped[flip] ^= 0x55;
            damaged(&path, &flipped);
        }
        damaged(&path, b"this is plain text, whatever its name says\n");
        damaged(&path, &[good, b"garbage that is no other member".to_vec()].concat());
    }
}

#[test]
fn the_first_lines_of_a_damaged_file_can_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (ending, compress) in codecs() {
        let text = text().repeat(4);
        let path = folder.path().join(format!("a.{ending}"));
        let good = compress(text.as_bytes());
        std::fs::write(&path, &good[..good.len() - 20]).unwrap();
        assert_eq!(computed(&Bag::read_text(&path).unwrap().take(3)), text.lines().take(3).collect::<Vec<_>>(), "{ending}");
    }
}

#[cfg(not(feature = "zstd"))]
#[test]
fn a_kind_that_this_build_lacks_is_named_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zst");
    std::fs::write(&path, "x").unwrap();
    assert!(matches!(Bag::read_text(&path), Err(Error::Feature { feature: "zstd", .. })));
    let written = Bag::from_sequence(["x"], 1).to_textfiles(folder.path().join("*.zst"));
    assert!(matches!(evaluate(&written).unwrap_err().find(), Some(Error::Feature { feature: "zstd", .. })));
}
