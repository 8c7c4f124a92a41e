//! What is put can be had, in whole or in parts, listed and deleted; what goes wrong is named.

use arras_store::{Error, Objects};

use super::server::Server;

fn open(server: &Server, url: &str) -> Objects {
    Objects::open_with(url, server.environment().map(|(name, value)| (name.to_owned(), value))).unwrap()
}

#[test]
fn objects_are_put_read_listed_and_deleted() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("bucket")).unwrap();
    let server = Server::start(root.path()).unwrap();
    let objects = open(&server, "s3://bucket/run one/x.zarr/");
    assert_eq!(objects.url(), "s3://bucket/run one/x.zarr");
    assert_eq!(objects.get("c/0/1").unwrap(), None);
    assert_eq!(objects.size("c/0/1").unwrap(), None);
    assert_eq!(objects.get_ranges("c/0/1", vec![0..1, 1..2]).unwrap(), None);
    objects.put("c/0/1", b"0123456789".to_vec()).unwrap();
    objects.put("zarr.json", b"{}".to_vec()).unwrap();
    assert_eq!(objects.get("c/0/1").unwrap().unwrap(), &b"0123456789"[..]);
    assert_eq!(objects.size("c/0/1").unwrap(), Some(10));
    assert_eq!(objects.get_ranges("c/0/1", vec![8..10, 0..3]).unwrap().unwrap(), [&b"89"[..], &b"012"[..]]);
    assert_eq!(objects.list("").unwrap(), ["c/0/1", "zarr.json"]);
    assert_eq!(objects.list("c").unwrap(), ["c/0/1"]);
    // What lies beside is not below.
    open(&server, "s3://bucket/run one").put("x.zarr.old/zarr.json", b"{}".to_vec()).unwrap();
    objects.delete_all("").unwrap();
    objects.delete("zarr.json").unwrap();
    assert_eq!(objects.list("").unwrap(), [""; 0]);
    assert_eq!(open(&server, "s3://bucket").list("").unwrap(), ["run one/x.zarr.old/zarr.json"]);
}

#[test]
fn requests_may_be_made_in_a_runtime_of_somebody_elses() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("bucket")).unwrap();
    let server = Server::start(root.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let objects = open(&server, "s3://bucket");
        objects.put("x", b"1".to_vec()).unwrap();
        assert_eq!(objects.get("x").unwrap().unwrap(), &b"1"[..]);
    });
}

#[test]
fn what_goes_wrong_is_named() {
    for (url, why) in [("bucket/x", "relative URL"), ("ftp://host/x", "ftp"), ("s3:", "s3:")] {
        let error = Objects::open(url).unwrap_err();
        assert!(matches!(&error, Error::Url { url: named, .. } if named == url), "{error}");
        assert!(error.to_string().contains(why), "{error} instead of {why}");
    }
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path()).unwrap();
    // A wrong secret.
    let wrong =
        server.environment().map(|(name, value)| (name.to_owned(), if name.contains("SECRET") { "guess".to_owned() } else { value }));
    let objects = Objects::open_with("s3://bucket/x", wrong).unwrap();
    for error in [objects.get("c/0").unwrap_err(), objects.put("c/0", b"1".to_vec()).unwrap_err(), objects.delete("c/0").unwrap_err()] {
        assert!(matches!(&error, Error::Store { object, .. } if object == "s3://bucket/x/c/0"), "{error}");
        assert!(error.to_string().starts_with("s3://bucket/x/c/0: "), "{error}");
    }
    assert!(objects.list("").unwrap_err().to_string().starts_with("s3://bucket/x: "));
}
