use std::io::Write;
use std::path::{Path, PathBuf};

use arras_bag::{Bag, Error, ReadText};
use arras_core::evaluate;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::computed;

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn lines_are_those_of_std() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["", "\n", "\n\n", "a", "a\n", "a\nb", "a\r\nb\r\n", "a\r", "\r\n", "a\rb\n", "ä\n\u{1f408}\r\n\n  x ", "a\n\r\nb"];
    for (i, text) in texts.iter().enumerate() {
        let expected: Vec<String> = text.lines().map(str::to_owned).collect();
        let plain = file(folder.path(), &format!("{i}.txt"), text);
        assert_eq!(computed(&Bag::read_text(plain).unwrap()), expected, "{text:?}");
        let packed = file(folder.path(), &format!("{i}.gz"), gz(text.as_bytes()));
        assert_eq!(computed(&Bag::read_text(packed).unwrap()), expected, "{text:?} compressed");
    }
}

#[test]
fn large_files_with_long_and_short_lines() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for i in 0..20_000 {
        text.push_str(&"wört ".repeat(i % 40));
        text.push_str(if i % 3 == 0 { "\r\n" } else { "\n" });
        if i % 5_000 == 0 {
            text.push_str(&"é".repeat(600_000));
            text.push('\n');
        }
    }
    text.push_str("the end");
    let expected: Vec<String> = text.lines().map(str::to_owned).collect();
    let plain = Bag::read_text(file(folder.path(), "a.txt", &text)).unwrap();
    assert!(computed(&plain) == expected);
    assert_eq!(computed(&plain.count()), expected.len() as u64);
    assert_eq!(computed(&plain.filter(|line| line.len() % 2 == 1).map(String::len).sum()), {
        expected.iter().map(String::len).filter(|n| n % 2 == 1).sum::<usize>()
    });
    // Several members in one file, cut in the middle of a character.
    let middle = text.find('ö').unwrap() + 1;
    let members = [gz(&text.as_bytes()[..middle]), gz(b""), gz(&text.as_bytes()[middle..])].concat();
    assert!(computed(&Bag::read_text(file(folder.path(), "a.txt.gz", members)).unwrap()) == expected);
}

#[test]
fn patterns_are_sorted_and_lists_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["b.txt", "a.txt", "c.log", "sub/d.txt", "[x].txt"] {
        file(folder.path(), name, format!("{name}\n"));
    }
    let read = |bag: Result<Bag<String>, Error>| computed(&bag.unwrap());
    let pattern = path("[ab].txt").to_str().unwrap().to_owned();
    assert_eq!(read(Bag::read_text(&pattern)), ["a.txt", "b.txt"]);
    assert_eq!(read(Bag::read_text(pattern.as_str())), ["a.txt", "b.txt"]);
    assert_eq!(read(Bag::read_text(pattern)), ["a.txt", "b.txt"]);
    assert_eq!(read(Bag::read_text(path("**/*.txt"))), ["[x].txt", "a.txt", "b.txt", "sub/d.txt"]);
    assert_eq!(read(Bag::read_text(path("*"))), ["[x].txt", "a.txt", "b.txt", "c.log"], "folders are left out");
    assert_eq!(read(Bag::read_text(path("[x].txt"))), ["[x].txt"], "a file of that very name");
    assert_eq!(read(Bag::read_text(vec![path("c.log"), path("?.txt")])), ["c.log", "a.txt", "b.txt"]);
    assert_eq!(read(Bag::read_text([path("c.log").as_path(), path("a.txt").as_path()])), ["c.log", "a.txt"]);
    let names = [path("a.txt"), path("a.txt")];
    let twice = Bag::read_text(&names[..]).unwrap();
    assert_eq!((twice.n_partitions(), computed(&twice)), (2, vec!["a.txt".to_owned(); 2]));
    assert_eq!(computed(&twice.count()), 2);
}

#[test]
fn empty_files_are_empty_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [file(folder.path(), "a", ""), file(folder.path(), "b", "x\n"), file(folder.path(), "c", "")];
    let bag = Bag::read_text(paths).unwrap();
    assert_eq!(bag.n_partitions(), 3);
    assert_eq!(computed(&bag.take(5)), ["x"]);
    assert_eq!(computed(&bag.max()), "x");
    assert_eq!(computed(&bag.frequencies()), [("x".to_owned(), 1)]);
}

#[test]
fn what_is_not_utf8_is_found_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = "good ä\n".repeat(100_000).into_bytes();
    let offset = bytes.len() as u64 + 2;
    bytes.extend_from_slice(b"ok\xff\xfe\nlast \xc3\n");
    for (name, bytes) in [("a.txt", bytes.clone()), ("a.gz", gz(&bytes))] {
        let path = file(folder.path(), name, bytes);
        let error = evaluate(&Bag::read_text(&path).unwrap().count()).unwrap_err();
        match error.find::<Error>() {
            Some(Error::NotUtf8 { path: found, line, offset: at }) => {
                assert_eq!((found, *line, *at), (&path, Some(100_001), offset));
            }
            _ => panic!("{error}"),
        }
        // The first lines are read before anybody can know.
        assert_eq!(computed(&Bag::read_text(&path).unwrap().take(1)), ["good ä"]);
        let lossy = computed(&ReadText::new(&path).lossy().read().unwrap());
        assert_eq!(lossy[100_000..], ["ok\u{fffd}\u{fffd}", "last \u{fffd}"]);
    }
}

#[test]
fn equal_reads_share_names_until_the_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a", "x\n");
    let name = || Bag::read_text(&path).unwrap().map(String::len).name().unwrap();
    assert_eq!(name(), name());
    let before = name();
    assert_ne!(before, ReadText::new(&path).lossy().read().unwrap().map(String::len).name().unwrap());
    std::fs::write(&path, "longer\n").unwrap();
    assert_ne!(before, name());
}
