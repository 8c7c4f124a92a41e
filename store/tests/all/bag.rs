//! Bags of files in an object store: a real server of S3's protocol, on this machine; and of a web server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use arras_bag::{Bag, Error, ReadText, WriteFiles};
use arras_core::evaluate;
use arras_scheduler::{Compute, Synchronous, Threads};

use super::server::Server;

/// Says to the inner test that there is a server, and where its folder is.
const ROOT: &str = "ARRAS_TEST_BUCKETS";

/// Options of stores come from the environment, which a program cannot change once it has threads: the test is run again, in a process of its own.
#[test]
fn bags_are_read_from_object_stores_and_written_to_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let server = Server::start(folder.path()).unwrap();
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "all::bag::with_a_server", "--ignored", "--nocapture"]).env(ROOT, folder.path()).envs(server.environment());
    let output = inner.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    let mut names: Vec<String> =
        entries.filter(|entry| entry.path().is_file()).map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
#[ignore = "run by the test above, with a server"]
fn with_a_server() {
    let bucket = Path::new(&std::env::var_os(ROOT).expect("run by the test above")).join("bucket");
    let threads = Threads::new(3);
    let lines: Vec<String> = (0..60_000).map(|i| format!("line {i} {}", "ü".repeat(i % 60))).collect();
    let bag = Bag::from_sequence(lines.clone(), 3);

    // Written, plain and compressed, and read back, whole and in parts cut anywhere.
    for ending in ["txt", "gz", "bz2", "lz4"] {
        let paths = bag.to_textfiles(format!("s3://bucket/run one/{ending}/x-*.{ending}")).compute_with(&threads).unwrap();
        assert_eq!(paths[1], PathBuf::from(format!("s3://bucket/run one/{ending}/x-1.{ending}")));
        assert_eq!(files(&bucket.join("run one").join(ending)).len(), 3);
        let read = Bag::read_text(format!("s3://bucket/run one/{ending}/*")).unwrap();
        assert_eq!(read.n_partitions(), 3);
        assert!(read.compute_with(&threads).unwrap() == lines && read.compute_with(&Synchronous).unwrap() == lines, "{ending}");
        assert!(evaluate(&Bag::read_text(paths).unwrap()).unwrap() == lines);
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let on_disk: String = (0..3).map(|i| std::fs::read_to_string(bucket.join(format!("run one/txt/x-{i}.txt"))).unwrap()).collect();
    assert!(on_disk == text, "to the byte");
    for nbytes in [10_000, 77_777, 1 << 20, 1 << 30] {
        let read = ReadText::new("s3://bucket/run one/txt/*.txt").blocksize(nbytes).read().unwrap();
        assert!(read.compute_with(&threads).unwrap() == lines, "{nbytes}");
    }
    assert_eq!(evaluate(&ReadText::new("s3://bucket/run one/txt/x-0.txt").blocksize(9_999).read().unwrap().take(2)).unwrap(), lines[..2]);
    let whole = evaluate(&Bag::whole_text_files("s3://bucket/run one/txt/x-2.txt").unwrap()).unwrap();
    assert!(text.ends_with(&whole[0].1) && &*whole[0].0 == "s3://bucket/run one/txt/x-2.txt");

    // More than one part of an upload.
    let long = Bag::from_sequence((0..300_000u64).map(|i| format!("{i:099}")), 1);
    long.to_textfiles("s3://bucket/long").compute_with(&threads).unwrap();
    assert_eq!(std::fs::metadata(bucket.join("long/part-00000.txt")).unwrap().len(), 30_000_000);
    let back = ReadText::new("s3://bucket/long/*").blocksize(7 << 20).read().unwrap();
    assert_eq!(evaluate(&back.count()).unwrap(), 300_000);
    assert_eq!(evaluate(&back.max()).unwrap(), format!("{:099}", 299_999));

    // Patterns, and names that need care.
    for name in ["a%20b.txt", "c d.txt", "deep/e.txt"] {
        let path = bucket.join("names").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{name}\n")).unwrap();
    }
    let read = |pattern: &str| evaluate(&Bag::read_text(pattern).unwrap()).unwrap();
    assert_eq!(read("s3://bucket/names/*.txt"), ["a%20b.txt", "c d.txt"]);
    assert_eq!(read("s3://bucket/names/**/*.txt"), ["a%20b.txt", "c d.txt", "deep/e.txt"]);
    assert_eq!(read("s3://bucket/names/[a-c]?d.txt"), ["c d.txt"]);
    assert_eq!(read("s3://bucket/names/c%20d.txt"), ["c d.txt"]);
    assert!(matches!(Bag::read_text("s3://bucket/names/*.csv"), Err(Error::NoMatch { .. })));
    assert!(matches!(Bag::read_text("s3://bucket/none"), Err(Error::MissingFile { .. })));
    assert!(matches!(Bag::read_text("s3://*/x"), Err(Error::Pattern { .. })));
    assert!(matches!(Bag::read_text("ftp://host/x"), Err(Error::Url { .. })));
    let gone = Bag::read_text("s3://bucket/names/deep/e.txt").unwrap();
    std::fs::remove_file(bucket.join("names/deep/e.txt")).unwrap();
    let error = gone.compute_with(&threads).unwrap_err();
    assert!(matches!(error.find(), Some(Error::MissingFile { .. })), "{error}");

    // What is there stays, unless it is to be replaced; then the folder is the bag.
    let short = Bag::from_sequence(["a"], 1);
    short.to_textfiles("s3://bucket/out").compute_with(&threads).unwrap();
    let error = bag.to_textfiles("s3://bucket/out").compute_with(&threads).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Exists { .. })), "{error}");
    bag.to_textfiles(WriteFiles::to("s3://bucket/out").overwrite()).compute_with(&threads).unwrap();
    assert_eq!(files(&bucket.join("out")).len(), 3);
    short.to_textfiles(WriteFiles::to("s3://bucket/out").overwrite()).compute_with(&threads).unwrap();
    assert_eq!(read("s3://bucket/out/*"), ["a"]);

    for name in ["with space", "with%20space", "100%25"] {
        let target = format!("s3://bucket/odd/{name}-*.txt");
        let paths = short.to_textfiles(WriteFiles::to(&target).overwrite()).compute_with(&threads).unwrap();
        assert_eq!(read(paths[0].to_str().unwrap()), ["a"], "{name}");
        let error = short.to_textfiles(&target).compute_with(&threads).unwrap_err();
        assert!(matches!(error.find(), Some(Error::Exists { .. })), "{error}");
    }
    assert_eq!(files(&bucket.join("odd")), ["100%-0.txt", "with space-0.txt"]);

    // A run that fails leaves nothing.
    for _ in 0..3 {
        let bad = Bag::from_sequence(0..3_000, 3).map(|x| (10 / (x - 2_500)).to_string());
        assert!(bad.to_textfiles("s3://bucket/bad/x-*").compute_with(&threads).is_err());
        assert!(bad.to_textfiles("s3://bucket/bad/x-*").compute_with(&Synchronous).is_err());
        assert_eq!(files(&bucket.join("bad")), [""; 0]);
    }
    let error = short.to_textfiles("s3://nowhere/x-*").compute_with(&threads).unwrap_err();
    assert!(error.to_string().contains("s3://nowhere"), "{error}");
}

#[test]
fn web_servers_are_read_from() {
    // As simple as a server can be: one page, by length, without ranges.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match connection.read(&mut buffer) {
                    Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            let request = String::from_utf8_lossy(&request);
            let body = if request.starts_with("HEAD") { "" } else { "one\ntwo\n" };
            let head = "Content-Length: 8\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nConnection: close";
            let answer = match request.contains(" /text.txt ") {
                true => format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"),
                false => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            };
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    let bag = Bag::from_url(format!("http://{address}/text.txt")).unwrap();
    assert_eq!(bag.compute_with(&Threads::new(2)).unwrap(), ["one", "two"]);
    assert!(matches!(Bag::from_url(format!("http://{address}/none.txt")), Err(Error::MissingFile { .. })));
}
