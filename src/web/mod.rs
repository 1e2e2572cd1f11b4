//! The web layer: what a request asks for, and how the answer is written.
//!
//! A request comes in through [`router`], which names its [`route::Route`]; [`handler`] asks [`caller`] whether it may,
//! answers it and writes its line in the log; [`redirect`] reads the id, asks the resolver and writes the redirect; everything that is none becomes a row of
//! the one table in [`problem`], as JSON or as a page.

pub mod caller;
mod cors;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handler;
pub mod management;
mod negotiation;
mod observability;
mod pages;
mod parameters;
mod problem;
mod redirect;
mod route;
mod timestamp;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::HeaderValue;
use tower_http::cors::CorsLayer;

use self::caller::{Access, Gate};
pub use self::observability::{AccessLog, Escaping, Recorder, Requests, Sampling, Tracing};
use self::observability::{Metrics, RequestMetrics};
use self::pages::Pages;
pub use self::route::router;
use crate::domain::{AllowedHosts, ProjectName};
use crate::resolver::Resolver;

/// What the public listener answers from.
pub struct Web {
    resolver: Resolver,
    allowed_hosts: AllowedHosts,
    base_path: String,
    projects: Vec<ProjectName>,
    max_wait: Duration,
    extend_deadline: ExtendDeadline,
    departure: PeerDeparture,
    access_log: AccessLog,
    metrics: Metrics,
    request_metrics: RequestMetrics,
    /// The `cache-control` of a redirect that browsers may keep.
    cacheable: HeaderValue,
    pages: Pages,
    gate: Gate,
    /// What browsers on other origins may read of `/api`.
    cors: CorsLayer,
    unfurl: bool,
    /// Without it nothing is traced.
    tracing: Option<Tracing>,
}

/// Gives the request with these extensions so much more time.
pub type ExtendDeadline = fn(&http::Extensions, Duration);

/// True if a caller was gone before its answer came: it has reset the connection when that was sent.
pub type Departure = Pin<Box<dyn Future<Output = bool> + Send>>;

/// If the caller of the request with these extensions has finished sending, it may be gone, which shows only when the answer
/// is sent: this tells then.
pub type PeerDeparture = fn(&http::Extensions) -> Option<Departure>;

/// What [`Web`] is made from.
#[derive(Clone)]
pub struct Options {
    /// What stands before every path: empty, or a path without a trailing slash.
    pub base_path: String,
    /// How long a browser may keep a redirect.
    pub max_age: Duration,
    /// The hosts of pages whose pasted addresses are read.
    pub allowed_hosts: AllowedHosts,
    /// The names of the projects, in the order of [`crate::domain::ProjectIndex`].
    pub projects: Vec<ProjectName>,
    /// How long an item that Nebuly does not know yet is waited for at most.
    pub max_wait: Duration,
    /// How a request that waits gets the time for it.
    pub extend_deadline: ExtendDeadline,
    /// How it is found out that a caller was gone before its answer came.
    pub departure: PeerDeparture,
    /// Which answered requests are logged.
    pub access_log: AccessLog,
    /// Who may ask, and on what terms.
    pub access: Access,
    /// Whether link preview robots get a card.
    pub unfurl: bool,
    /// Where requests are counted.
    pub recorder: Recorder,
    /// How requests are traced, if any are.
    pub tracing: Option<Tracing>,
}

impl Web {
    /// Everything that can be prepared before the first request.
    #[must_use]
    pub fn new(resolver: Resolver, options: Options) -> Self {
        let cacheable = HeaderValue::try_from(format!("private, max-age={}", options.max_age.as_secs()))
            .unwrap_or(HeaderValue::from_static("no-store"));
        Self {
            resolver,
            allowed_hosts: options.allowed_hosts,
            base_path: options.base_path,
            projects: options.projects,
            max_wait: options.max_wait,
            extend_deadline: options.extend_deadline,
            departure: options.departure,
            access_log: options.access_log,
            metrics: Metrics::new(),
            request_metrics: RequestMetrics::new(options.recorder),
            cacheable,
            pages: Pages::new(),
            cors: cors::layer(&options.access.cors_origins),
            gate: Gate::new(options.access),
            unfurl: options.unfurl,
            tracing: options.tracing,
        }
    }
}

/// The whole public listener, ready to serve.
pub fn public(web: Web) -> Router {
    router(&Arc::new(web))
}
