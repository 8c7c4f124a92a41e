//! Objects of a real server of S3's protocol, on this machine.

mod all {
    mod bag;
    mod objects;
    mod server;
    mod zarr;
}
