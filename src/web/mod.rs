//! The web layer: what a request asks for, and how the answer is written.
//!
//! A request comes in through [`router`], which names its [`route::Route`]; [`exchange`] asks [`caller`] whether it may,
//! answers it and writes its line in the log; [`redirect`] reads the id, asks the resolver and writes the redirect; everything that is none becomes a row of
//! the one table in [`problem`], as JSON or as a page.

mod access_log;
mod cache_status;
pub mod caller;
mod card;
mod cors;
mod exchange;
pub mod management;
mod negotiation;
mod page;
mod parameters;
mod preview_robot;
mod problem;
mod redirect;
mod request_id;
mod route;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::HeaderValue;
use tower_http::cors::CorsLayer;

pub use self::access_log::{AccessLog, Escaping, Requests};
use self::caller::{Access, Gate};
use self::page::Pages;
pub use self::route::router;
use crate::domain::AllowedHosts;
use crate::resolver::Resolver;

/// What the public listener answers from.
pub struct Web {
    resolver: Resolver,
    allowed_hosts: AllowedHosts,
    base_path: String,
    access_log: AccessLog,
    /// The `cache-control` of a redirect that browsers may keep.
    cacheable: HeaderValue,
    pages: Pages,
    gate: Gate,
    /// What browsers on other origins may read of `/api`.
    cors: CorsLayer,
    unfurl: bool,
}

/// What [`Web`] is made from.
#[derive(Clone)]
pub struct Options {
    /// What stands before every path: empty, or a path without a trailing slash.
    pub base_path: String,
    /// How long a browser may keep a redirect.
    pub max_age: Duration,
    /// The hosts of pages whose pasted addresses are read.
    pub allowed_hosts: AllowedHosts,
    /// Which answered requests are logged.
    pub access_log: AccessLog,
    /// Who may ask, and on what terms.
    pub access: Access,
    /// Whether link preview robots get a card.
    pub unfurl: bool,
}

impl Web {
    /// Everything that can be prepared before the first request.
    #[must_use]
    pub fn new(resolver: Resolver, options: Options) -> Self {
        let Options { base_path, max_age, allowed_hosts, access_log, access, unfurl } = options;
        let cacheable = HeaderValue::try_from(format!("private, max-age={}", max_age.as_secs()))
            .unwrap_or(HeaderValue::from_static("no-store"));
        Self {
            resolver,
            allowed_hosts,
            base_path,
            access_log,
            cacheable,
            pages: Pages::new(),
            cors: cors::layer(&access.cors_origins),
            gate: Gate::new(access),
            unfurl,
        }
    }
}

/// The whole public listener, ready to serve.
pub fn public(web: Web) -> Router {
    router(&Arc::new(web))
}
