//! nginx with one worker, in each of the ways that nebulink is compared with.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::access_log::AccessLog;
use crate::child::{self, Running};
use crate::origin::Origin;
use crate::server::{self, Server};

/// The answer, and what is done beside it.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// `return 302`.
    Return,
    /// The same with an access log, written with these options.
    Log(&'static str),
    /// `proxy_cache` in front of an origin.
    Cache,
}

/// For an access log that is written in blocks, each at the latest after the time that nebulink takes.
pub(crate) const IN_BLOCKS: Mode = Mode::Log("buffer=64k flush=200ms");

/// The fields of nebulink's line for a cached redirect. `$uri` stands for the id, since a pattern that finds it costs time.
const LOG_FORMAT: &str = r#"
    log_format line escape=json '{"timestamp":"$time_iso8601","level":"INFO","message":"request answered",'
        '"request_id":"$request_id","route":"/go/interaction/{id}","method":"$request_method","status":$status,'
        '"kind":"interaction","id":"$uri","outcome":"hit","duration_ms":$request_time,"target":"nebulink::access"}';"#;

/// Starts it and waits until it listens.
pub(crate) fn start(mut command: Command, mode: Mode, location: &str) -> Result<Server> {
    let [address] = child::free_addresses()?;
    let directory = server::directory()?;
    let (mut log, mut origin) = (None, None);
    let mut own_settings = "access_log off;".to_owned();
    let mut answer = format!("return 302 \"{location}\";");
    match mode {
        Mode::Return => {}
        Mode::Log(options) => {
            let log = log.insert(AccessLog::in_directory(directory.path()));
            own_settings =
                format!("{LOG_FORMAT}\n    access_log \"{}\" line {options};", log.path().display());
        }
        Mode::Cache => {
            let origin = origin.insert(Origin::start(location)?).address();
            own_settings += " proxy_cache_path cache keys_zone=links:1m inactive=1h;";
            answer = format!("proxy_pass http://{origin}; proxy_cache links; proxy_cache_key $uri;");
        }
    }
    let file = directory.path().join("nginx.conf");
    fs::write(&file, settings(directory.path(), address, &own_settings, &answer))?;

    command.args(["-e", "stderr", "-p"]).arg(directory.path()).arg("-c").arg(file);
    let mut running = Running::start("nginx", command)?;
    running.wait_until_listening(address)?;
    Ok(Server { running, address, log, origin, _directory: Some(directory) })
}

/// One process that is worker and master at once: what it needs is what its worker needs.
fn settings(directory: &Path, address: SocketAddr, own: &str, answer: &str) -> String {
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
    {own}
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
            {answer}
        }}
    }}
}}
"#
    )
}
