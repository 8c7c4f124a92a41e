use std::path::{Path, PathBuf};

use arras_bag::{Bag, Error, ReadText};
use arras_core::{Collection, evaluate};
use proptest::prelude::*;

use crate::computed;

fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn every_size_of_blocks_gives_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let texts =
        ["", "\n", "a\nbb\n\nccc", "a\r\nb\r\n\r\nä\u{1f408}\r\nend\r\n", "one long line without an end", "\n\n\n\n", "ü\n\rx\r\r\ny"];
    for (i, text) in texts.iter().enumerate() {
        let path = file(folder.path(), &i.to_string(), text);
        let expected: Vec<&str> = text.lines().collect();
        for nbytes in 1..=text.len() as u64 + 1 {
            let bag = ReadText::new(&path).blocksize(nbytes).read().unwrap();
            assert_eq!(bag.n_partitions(), (text.len() as u64).div_ceil(nbytes).max(1) as usize);
            assert_eq!(evaluate(&bag).unwrap(), expected, "{text:?} in blocks of {nbytes}");
        }
    }
}

#[test]
fn large_files_with_lines_longer_than_a_block() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for i in 0..5_000 {
        text.push_str(&format!("{i} {}\r\n", "wört ".repeat(i % 50)));
        if i % 2_000 == 0 {
            text.push_str(&"é".repeat(900_000));
            text.push('\n');
        }
    }
    text.push_str("the end");
    let expected: Vec<&str> = text.lines().collect();
    let path = file(folder.path(), "a", &text);
    for nbytes in [100_000, 262_144, 262_145, 1 << 20] {
        let bag = ReadText::new(&path).blocksize(nbytes).read().unwrap();
        assert!(computed(&bag) == expected, "{nbytes}");
        assert_eq!(computed(&bag.count()), expected.len() as u64);
    }
}

#[test]
fn files_of_more_than_64_mib_are_cut_without_being_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{}\n", "x".repeat(999));
    let path = file(folder.path(), "a", line.repeat(140_000));
    let bag = Bag::read_text([&path, &file(folder.path(), "b", "1\n2\n")].map(PathBuf::as_path)).unwrap();
    assert_eq!(bag.n_partitions(), 4);
    assert_eq!(evaluate(&bag.count()).unwrap(), 140_002);
    assert!(bag.to_string().contains("read_text(2 files)"), "{bag}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn take_reads_one_block_of_one_partition() {
    let folder = tempfile::tempdir().unwrap();
    // Anything after the first block would be an error.
    let mut bytes = "good\n".repeat(200_000).into_bytes();
    bytes.extend_from_slice(&[0xff; 100]);
    let bag = ReadText::new(file(folder.path(), "a", bytes)).blocksize(400_000).read().unwrap();
    assert_eq!(evaluate(&bag.take(5)).unwrap(), ["good"; 5]);
    let error = evaluate(&bag.count()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::NotUtf8 { line: None, offset: 1_000_000, .. })), "{error}");
}

#[test]
fn many_small_files_in_one_partition() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..7 {
        // Some without a line end: files do not run into each other.
        file(folder.path(), &format!("{i}.txt"), if i == 3 { String::new() } else { format!("{i}\n{i}b") });
    }
    let all: Vec<String> = (0..7).filter(|i| *i != 3).flat_map(|i| [format!("{i}"), format!("{i}b")]).collect();
    let read = ReadText::new(folder.path().join("*.txt"));
    for (n, n_partitions) in [(1, 7), (2, 4), (3, 3), (7, 1), (100, 1)] {
        let bag = read.clone().files_per_partition(n).read().unwrap();
        assert_eq!((bag.n_partitions(), computed(&bag)), (n_partitions, all.clone()));
        let with_path = computed(&read.clone().files_per_partition(n).read_with_path().unwrap());
        assert_eq!(with_path.iter().map(|line| line.0.clone()).collect::<Vec<_>>(), all);
        for (line, path) in with_path {
            assert!(path.ends_with(&format!("/{}.txt", &line[..1])), "{line} of {path}");
        }
    }
    assert!(matches!(read.clone().files_per_partition(0).read(), Err(Error::ZeroSize { option: "files_per_partition" })));
    assert!(matches!(read.clone().blocksize(0).read(), Err(Error::ZeroSize { option: "blocksize" })));
}

#[test]
fn other_delimiters() {
    let folder = tempfile::tempdir().unwrap();
    let text = "one|two\n|with\r\n||three|";
    let path = file(folder.path(), "a", text);
    for nbytes in 1..30 {
        let read = |delimiter| evaluate(&ReadText::new(&path).line_delimiter(delimiter).blocksize(nbytes).read().unwrap()).unwrap();
        assert_eq!(read("|"), ["one", "two\n", "with\r\n", "", "three"], "nothing else is taken away");
        assert_eq!(read("\r\n"), ["one|two\n|with", "||three|"]);
        assert_eq!(read("e|t"), ["on", "wo\n|with\r\n||three|"]);
    }
    // Where lines end would depend on where reading begins.
    let doubled = ReadText::new(&path).line_delimiter("||");
    assert_eq!(computed(&doubled.read().unwrap()), ["one|two\n|with\r\n", "three|"]);
    assert!(matches!(doubled.blocksize(3).read(), Err(Error::CannotCut { .. })));
    assert!(matches!(ReadText::new(&path).line_delimiter("").read(), Err(Error::ZeroSize { .. })));
}

#[test]
fn other_encodings() {
    let folder = tempfile::tempdir().unwrap();
    let text = "Žluťoučký kůň\r\núpěl\n\nďábelské ódy";
    let expected: Vec<&str> = text.lines().collect();
    let (bytes, encoding, _) = encoding_rs::WINDOWS_1250.encode(text);
    assert_eq!(encoding.name(), "windows-1250");
    let path = file(folder.path(), "a", &bytes);
    for nbytes in 1..50 {
        let bag = ReadText::new(&path).encoding("windows-1250").blocksize(nbytes).read().unwrap();
        assert_eq!(evaluate(&bag).unwrap(), expected);
    }
    let error = evaluate(&Bag::read_text(&path).unwrap()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::NotUtf8 { line: Some(1), offset: 0, .. })), "{error}");

    // Two bytes a character, some of them bytes that are letters elsewhere.
    let text = "日本語\nソ連\n表示 ASCII\n";
    let path = file(folder.path(), "b", &encoding_rs::SHIFT_JIS.encode(text).0);
    for nbytes in 1..30 {
        let bag = ReadText::new(&path).encoding("shift_jis").blocksize(nbytes).read().unwrap();
        assert_eq!(evaluate(&bag).unwrap(), text.lines().collect::<Vec<_>>());
    }

    // UTF-16 of both kinds, with and without a byte-order mark; `Ċ` has the byte of a line end in it.
    let text = "aĊb\r\nü\u{1f408}\n\nend".repeat(30_000);
    for (name, to_bytes) in [("utf-16le", u16::to_le_bytes as fn(u16) -> [u8; 2]), ("utf-16be", u16::to_be_bytes)] {
        for mark in ["", "\u{feff}"] {
            let units: Vec<u8> = mark.encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect();
            let path = file(folder.path(), name, units);
            let read = ReadText::new(&path).encoding(name);
            assert!(computed(&read.read().unwrap()) == text.lines().collect::<Vec<_>>(), "{name} {mark:?}");
            assert!(matches!(read.blocksize(10).read(), Err(Error::CannotCut { .. })));
        }
    }
    assert!(matches!(ReadText::new(&path).encoding("klingon").read(), Err(Error::Encoding { label }) if label == "klingon"));
}

#[test]
fn what_is_not_of_the_encoding_is_found_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a", b"good\n\x81\x40 ok\nbad \xff\xff\nlast\n");
    let read = ReadText::new(&path).encoding("shift_jis");
    let error = evaluate(&read.read().unwrap()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::NotDecodable { encoding: "Shift_JIS", line: Some(3), offset: 11, .. })), "{error}");
    let lossy = computed(&read.clone().lossy().read().unwrap());
    assert_eq!(lossy, ["good", "\u{3000} ok", "bad \u{fffd}\u{fffd}", "last"]);
    assert!(matches!(read.skip_bad().read(), Err(Error::Option { option: "skip_bad", .. })));

    // Half of a surrogate pair.
    let path = file(folder.path(), "b", b"a\0\n\0\x3d\xd8b\0");
    let read = ReadText::new(&path).encoding("utf-16le");
    let error = evaluate(&read.read().unwrap()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::NotDecodable { encoding: "UTF-16LE", offset: 4, .. })), "{error}");
    assert_eq!(computed(&read.lossy().read().unwrap()), ["a", "\u{fffd}b"]);
}

#[test]
fn lines_that_are_not_utf8_can_be_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for i in 0..3_000 {
        bytes.extend_from_slice(if i % 100 == 7 { b"\xffbad\r\n" } else { b"good\r\n" });
    }
    let path = file(folder.path(), "a", &bytes);
    for nbytes in [10, 1_000, 1 << 20] {
        let read = ReadText::new(&path).blocksize(nbytes);
        assert_eq!(evaluate(&read.clone().skip_bad().read().unwrap()).unwrap(), vec!["good"; 2970]);
        let (lines, bad) = read.read_counted().unwrap();
        let (n, bad) = evaluate(&(lines.count(), bad)).unwrap();
        assert_eq!((n, bad.count, bad.first.len()), (2970, 30, 10));
        assert_eq!(bad.first.iter().map(|bad| bad.offset).collect::<Vec<_>>(), (0..10).map(|i| Some(i * 600 + 42)).collect::<Vec<_>>());
    }
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    for (i, text) in ["\u{feff}a\nb", "\u{feff}", "\u{feff}\n", "a\u{feff}\n\u{feff}b"].iter().enumerate() {
        let path = file(folder.path(), &i.to_string(), text);
        let expected: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
        for nbytes in 1..12 {
            assert_eq!(evaluate(&ReadText::new(&path).blocksize(nbytes).read().unwrap()).unwrap(), expected, "{text:?}");
        }
    }
}

#[test]
fn a_file_that_has_become_shorter_is_an_error_and_not_less() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a", "1\n2\n3\n4\n");
    let bag = ReadText::new(&path).blocksize(4).read().unwrap();
    std::fs::write(&path, "1\n2\n").unwrap();
    let error = evaluate(&bag).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Shrunk { before: 8, after: 4, .. })), "{error}");
}

#[test]
fn different_reads_have_different_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a", "1\n2\n3\n4\n");
    let reads = [
        ReadText::new(&path),
        ReadText::new(&path).blocksize(4),
        ReadText::new(&path).blocksize(3),
        ReadText::new(&path).lossy(),
        ReadText::new(&path).encoding("latin1"),
        ReadText::new(&path).line_delimiter("|"),
    ];
    let keys = |read: &ReadText| read.read().unwrap().map(String::len).keys();
    for (i, a) in reads.iter().enumerate() {
        for (j, b) in reads.iter().enumerate() {
            assert_eq!(keys(a) == keys(b), i == j, "{i} and {j}");
        }
    }
}

#[test]
fn files_by_url() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "a b.txt", "1\n");
    file(folder.path(), "c.txt", "2\n");
    let url = |name: &str| format!("file://{}/{name}", folder.path().display());
    assert_eq!(computed(&Bag::from_url([url("c.txt"), url("a%20b.txt")]).unwrap()), ["2", "1"]);
    assert_eq!(computed(&Bag::read_text(url("*.txt")).unwrap()), ["1", "2"]);
    assert!(matches!(Bag::read_text(url("d.txt")), Err(Error::MissingFile { .. })));
    #[cfg(not(feature = "cloud"))]
    assert!(matches!(Bag::read_text("s3://bucket/x"), Err(Error::Url { why, .. }) if why.contains("`cloud`")));
}

#[test]
fn whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let a = file(folder.path(), "a.txt", "one\ntwo\n");
    file(folder.path(), "b.txt", "");
    let texts = Bag::whole_text_files(folder.path().join("*.txt")).unwrap();
    assert_eq!(texts.n_partitions(), 2);
    let name = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
    let texts: Vec<(String, String)> = computed(&texts).into_iter().map(|(path, text)| (name(&path), text)).collect();
    assert_eq!(texts, [("a.txt", "one\ntwo\n"), ("b.txt", "")].map(|(path, text)| (path.to_owned(), text.to_owned())));
    let bytes = file(folder.path(), "c.bin", b"\xff\0\n\xfe");
    assert_eq!(computed(&Bag::binary_files(&bytes).unwrap())[0].1, b"\xff\0\n\xfe");
    let error = evaluate(&Bag::whole_text_files([&bytes, &a].map(PathBuf::as_path)).unwrap()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::NotUtf8 { offset: 0, .. })), "{error}");
    assert!(matches!(Bag::binary_files(folder.path().join("none")), Err(Error::MissingFile { .. })));
}

proptest! {
    #[test]
    fn any_text_in_blocks_of_any_size_has_the_lines_of_std(text in "[ab\u{e4}\\n\\r|]{0,120}", nbytes in 1u64..40, files in 1usize..4) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..files).map(|i| file(folder.path(), &i.to_string(), &text)).collect();
        let read = ReadText::new(paths);
        let expected: Vec<&str> = (0..files).flat_map(|_| text.lines()).collect();
        prop_assert_eq!(&evaluate(&read.clone().blocksize(nbytes).read().unwrap()).unwrap(), &expected);
        prop_assert_eq!(evaluate(&read.clone().files_per_partition(2).read().unwrap()).unwrap(), &expected[..]);
        let fields: Vec<&str> = (0..files).flat_map(|_| text.split_terminator('|')).collect();
        prop_assert_eq!(evaluate(&read.line_delimiter("|").blocksize(nbytes).read().unwrap()).unwrap(), fields);
    }
}
