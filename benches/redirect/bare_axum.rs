//! A router of axum with one route and nothing else, on hyper, in a process of its own.

use std::net::SocketAddr;
use std::process::Command;

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
use crate::server::Server;

/// Makes this benchmark serve instead of measuring; an address and a location follow.
pub(crate) const ARGUMENT: &str = "serve-bare-axum";

/// Starts it and waits until it listens. The command is that of this benchmark.
pub(crate) fn start(mut command: Command, location: &str) -> Result<Server> {
    let [address] = child::free_addresses()?;
    command.args([ARGUMENT, &address.to_string(), location]);
    let mut running = Running::start("bare axum", command)?;
    running.wait_until_listening(address)?;
    Ok(Server { running, address, log: None, origin: None, _directory: None })
}

/// Serves with one worker until it is ended from outside, on the runtime that nebulink has with one worker.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let address: SocketAddr = arguments.next().context("no address")?.parse()?;
    let location = HeaderValue::try_from(arguments.next().context("no location")?)?;
    let redirect = move || async move { (StatusCode::FOUND, [(LOCATION, location)]) };
    let router = Router::new().route("/go/interaction/{id}", get(redirect));
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(accept(address, router))
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
