//! A server of S3's protocol over a folder, on this machine: for tests, which then need no account anywhere.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The one user.
pub(super) const USER: &str = "arras";

/// The user's secret.
pub(super) const SECRET: &str = "arras-secret";

/// A running server. Dropping it ends it.
pub(super) struct Server {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Server {
    /// Serves the folders in `root` as buckets.
    pub(super) fn start(root: impl AsRef<Path>) -> io::Result<Server> {
        let files = FileSystem::new(root.as_ref()).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(USER, SECRET));
        let service = service.build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((connection, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    // A client that goes away is none of the server's business.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await;
                });
            }
        });
        Ok(Server { address, _runtime: runtime })
    }

    /// What a client's environment says to reach it.
    pub(super) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", USER.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }
}
