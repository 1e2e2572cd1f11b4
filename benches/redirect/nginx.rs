//! The first reference: nginx with one worker that answers every request with the same redirect.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::child::{self, Running};
use crate::cores::Cores;

/// How to get it, for whoever has none.
pub(crate) const HOW_TO_GET: &str = "nginx is missing; .ci/install installs it";

/// A running nginx, and the directory with everything that it reads and writes.
pub(crate) struct Nginx {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    _directory: TempDir,
}

impl Nginx {
    /// Starts it and waits until it listens; nothing if it is not installed.
    pub(crate) fn start(cores: &Cores, location: &str) -> Result<Option<Self>> {
        let Some(program) = program() else { return Ok(None) };
        let [address] = child::free_addresses()?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("nginx.conf");
        fs::write(&file, settings(directory.path(), address, location))?;

        let mut command = cores.command_on_server_core(program.to_str().context("an odd path of nginx")?);
        command.args(["-e", "stderr", "-p"]).arg(directory.path()).arg("-c").arg(file);
        let mut running = Running::start("nginx", command)?;
        running.wait_until_listening(address)?;
        Ok(Some(Self { running, address, _directory: directory }))
    }
}

/// It is often in a directory that only root has in the search path.
fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(usual).map(|directory| directory.join("nginx")).find(|file| file.is_file())
}

/// One process that is worker and master at once, so that ending it ends everything.
fn settings(directory: &Path, address: SocketAddr, location: &str) -> String {
    let directory = directory.display();
    format!(
        r#"daemon off;
master_process off;
worker_processes 1;
pid "{directory}/pid";
events {{
    worker_connections 1024;
}}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path "{directory}/body";
    proxy_temp_path "{directory}/proxy";
    fastcgi_temp_path "{directory}/fastcgi";
    uwsgi_temp_path "{directory}/uwsgi";
    scgi_temp_path "{directory}/scgi";
    server {{
        listen {address};
        location / {{
            return 302 "{location}";
        }}
    }}
}}
"#
    )
}
