//! The second reference: a router of axum with one route and nothing else, on hyper, in a process of its own.

use std::env;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::child::{self, Running};
use crate::cores::Cores;

/// Makes this benchmark serve instead of measuring; an address and a location follow.
pub(crate) const ARGUMENT: &str = "serve-bare-axum";

/// The running reference.
pub(crate) struct BareAxum {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
}

impl BareAxum {
    /// Starts it and waits until it listens.
    pub(crate) fn start(cores: &Cores, location: &str) -> Result<Self> {
        let [address] = child::free_addresses()?;
        let itself = env::current_exe()?;
        let mut command =
            cores.command_on_server_core(itself.to_str().context("an odd path of this program")?);
        command.args([ARGUMENT, &address.to_string(), location]);
        let mut running = Running::start("bare axum", command)?;
        running.wait_until_listening(address)?;
        Ok(Self { running, address })
    }
}

/// Serves with one worker until it is ended from outside.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let address: SocketAddr = arguments.next().context("no address")?.parse()?;
    let location = HeaderValue::try_from(arguments.next().context("no location")?)?;
    let redirect = move || async move { (StatusCode::FOUND, [(LOCATION, location)]) };
    let router = Router::new().route("/go/interaction/{id}", get(redirect));
    runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(accept(address, router))
}

async fn accept(address: SocketAddr, router: Router) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        // A connection ends when the load closes it; the task's result says no more.
        drop(tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service)));
    }
}
