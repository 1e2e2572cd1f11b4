//! A real proxy in front of nebulink, which keeps its connections and tries nothing twice.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::PATIENCE;
use super::skip::skip;

/// Where nginx takes a prefix away from the path, and so writes the rest anew.
pub(crate) const REWRITTEN: &str = "/rewritten";

/// Ended with its value.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Proxy {
    /// nginx with one worker; nothing where it is not installed.
    pub(crate) async fn nginx(upstream: SocketAddr) -> Option<Self> {
        let program = find("nginx", "nginx-light")?;
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, nginx(folder.path(), address, upstream)).unwrap();
        let mut command = Command::new(program);
        command.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(file);
        Some(Self::start(command, address, folder).await)
    }

    /// haproxy; nothing where it is not installed.
    pub(crate) async fn haproxy(upstream: SocketAddr) -> Option<Self> {
        let program = find("haproxy", "haproxy")?;
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let file = folder.path().join("haproxy.cfg");
        fs::write(&file, haproxy(address, upstream)).unwrap();
        let mut command = Command::new(program);
        command.args(["-db", "-q", "-f"]).arg(file);
        Some(Self::start(command, address, folder).await)
    }

    async fn start(mut command: Command, address: SocketAddr, folder: TempDir) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut proxy = Self { child, address, _folder: folder };
        let start = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(proxy.child.try_wait().unwrap().is_none(), "{command:?} does not start");
            assert!(start.elapsed() < PATIENCE, "{command:?} does not listen");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Where a program is. It is often in a folder that only root has in the search path.
fn find(program: &str, package: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let found =
        env::split_paths(&path).chain(usual).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        skip(program, &format!(".ci/install, or apt-get install {package}"));
    }
    found
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// One process that is worker and master at once, so that ending it ends everything. The path goes on as it came, but
/// below [`REWRITTEN`] it is decoded, tidied up and encoded again, as nginx does where `proxy_pass` has a path itself.
fn nginx(folder: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        r#"daemon off;
master_process off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/pid;
events {{
    worker_connections 1024;
}}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream nebulink {{
        server {upstream};
        keepalive 16;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_next_upstream off;
        proxy_request_buffering off;
        proxy_redirect off;
        location / {{
            proxy_pass http://nebulink;
        }}
        location {REWRITTEN}/ {{
            proxy_pass http://nebulink/;
        }}
    }}
}}
"#
    )
}

/// It gives a connection to whoever asks next, also to those who have not asked before.
fn haproxy(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "global
    maxconn 2000
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    retries 0
frontend front
    bind {address}
    default_backend nebulink
backend nebulink
    http-reuse always
    server nebulink {upstream}
"
    )
}
