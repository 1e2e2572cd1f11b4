//! The web layer: the routes of both listeners, who may ask, and how answers are written.
//!
//! A request of the public listener goes through these files in this order:
//!
//! | file | job |
//! |---|---|
//! | `router` | finds the [`route::Route`] of path and method; `route` has the table of paths |
//! | `cors` | the rules for browsers on other origins, around `/api` |
//! | `request_head` | the head of the request, and what its connection can do for it |
//! | `handler` | authenticates the caller, answers (`answer`), and records the request; `late_record` does so later |
//! | `caller` | who asks, and whether they may |
//! | `link_request` | reads a link from path and query (`parameters`) |
//! | `redirect` | asks the resolver for it, and writes the redirect |
//! | `tag_request`, `tag` | the same for a look-up by tag |
//! | `link_page` | with `noredirect`: the page of the link, or its JSON |
//! | `problem` | the table of everything that is no redirect |
//! | `problem_response` | writes a problem as JSON or, if `negotiation` says so, as a page |
//! | `api` | one link or many as JSON, for programs |
//! | `paste`, `kit` | the page to paste ids into, and the templates for tools; `form` reads their forms |
//! | `openapi` | the description of every path, made of the tables of routes and problems |
//! | `request_body` | the body of a request: how it may be sent, and how much of it is read |
//! | `batch`, `places` | many links at once: how many are resolved at a time, and how many batches run |
//! | `pages` | what pages have in common, the pages of problems, the card for link preview robots, and fixed files |
//! | `observability` | the id, the line in the log, the metrics and the span of a request |
//!
//! `installation` is our own address, `link_address` and `link_json` are a link as others see it, and `headers` has what
//! several of them write. `management` is the other listener: probes, metrics and the version.

mod answer;
mod api;
mod batch;
pub mod caller;
mod cors;
mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handler;
mod headers;
mod installation;
mod kit;
mod late_record;
mod link_address;
mod link_json;
mod link_page;
mod link_request;
pub mod management;
mod negotiation;
mod observability;
mod openapi;
mod pages;
mod parameters;
mod paste;
mod places;
mod problem;
mod problem_response;
mod redirect;
mod request_body;
mod request_head;
mod route;
mod router;
mod tag;
mod tag_request;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use url::Url;

use self::caller::{Access, Authenticator};
pub(crate) use self::link_json::{LinkJson, LinkJsonContext, LinkState, ProblemJson};
pub use self::observability::{
    ACCESS_TARGET, AccessLogger, Escaping, JsonLines, LoggedRequests, MetricsRecorder, RequestTracer,
    TraceSampling,
};
use self::observability::{RequestMetrics, ResolutionMetrics};
use self::places::Places;
pub(crate) use self::problem::Problem;
pub use self::request_head::{ClientConnection, Disconnected};
use self::route::Route;
pub use self::router::PublicRouter;
use crate::background_runtime::BackgroundRuntime;
use crate::domain::{AllowedHosts, ProjectIndex, ProjectName};
use crate::resolver::Resolver;

/// The state that the handlers of the public listener share.
pub struct Web {
    resolver: Resolver,
    options: WebOptions,
    authenticator: Authenticator,
    resolution_metrics: ResolutionMetrics,
    request_metrics: RequestMetrics,
    /// For the bodies that are being read, of which each may be 1 MiB.
    body_places: Places,
    /// For batches and pastes.
    batch_places: Places,
    /// The `cache-control` of a redirect that browsers may keep.
    cacheable: HeaderValue,
    /// The description for programs, as JSON; see `openapi`.
    description: OnceLock<Bytes>,
}

/// The options of [`Web`].
#[derive(Clone)]
pub struct WebOptions {
    /// The beginning of every path: empty, or a path without a trailing slash.
    pub base_path: String,
    /// The complete address that users see, if it is set; its path ends with `base_path`.
    pub public_url: Option<Url>,
    /// The contact for help on pages: an `https:` or `mailto:` address, or a text.
    pub contact: Option<String>,
    /// The text with which the page to paste ids into begins: the demo's.
    pub sample_text: Option<String>,
    /// How long a browser may keep a redirect.
    pub max_age: Duration,
    /// The hosts of pages whose pasted addresses are read.
    pub allowed_hosts: AllowedHosts,
    /// The names of the projects, in the order of [`crate::domain::ProjectIndex`].
    pub projects: Vec<ProjectName>,
    /// The longest wait for an item that Nebuly does not know yet.
    pub max_wait: Duration,
    /// The most links of a batch.
    pub max_batch: usize,
    /// The most links of a batch or paste that are resolved at once.
    pub max_in_flight: usize,
    /// Where batches are worked on.
    pub background: BackgroundRuntime,
    /// The time that a request may take.
    pub request_timeout: Duration,
    /// Logs the answered requests.
    pub access_log: AccessLogger,
    /// The rules of access.
    pub access: Access,
    /// True if link preview robots get a card.
    pub unfurl: bool,
    /// The names of the tags that may be looked up.
    pub lookup_tags: Vec<Arc<str>>,
    /// Counts the requests.
    pub recorder: MetricsRecorder,
    /// Starts the spans of requests. Without it nothing is traced.
    pub tracer: Option<RequestTracer>,
}

impl Web {
    /// Prepares everything that can be prepared before the first request.
    #[must_use]
    pub fn new(resolver: Resolver, mut options: WebOptions) -> Self {
        if !resolver.has_tags() {
            options.lookup_tags.clear();
        }
        let cacheable = format!("private, max-age={}", options.max_age.as_secs());
        // Leaked, once for each program: a value that is counted would be a number that all threads write to.
        let cacheable = HeaderValue::from_maybe_shared(Bytes::from_static(cacheable.leak().as_bytes()));
        Self {
            resolver,
            authenticator: Authenticator::new(options.access.clone()),
            resolution_metrics: ResolutionMetrics::new(),
            request_metrics: RequestMetrics::new(options.recorder.clone()),
            body_places: Places::new(16, 4),
            batch_places: Places::new(8, 2),
            description: OnceLock::new(),
            cacheable: cacheable.unwrap_or(headers::NO_STORE),
            options,
        }
    }

    /// The project of this name.
    fn project(&self, name: &str) -> Option<ProjectIndex> {
        let position = self.options.projects.iter().position(|project| project.as_str() == name)?;
        ProjectIndex::new(position)
    }

    /// The name of a project.
    fn name_of(&self, project: ProjectIndex) -> Option<&ProjectName> {
        self.options.projects.get(project.position())
    }

    /// The name of the tag that a route looks up.
    fn tag_of(&self, route: Route) -> Option<&Arc<str>> {
        match route {
            Route::Tag(tag) => self.options.lookup_tags.get(tag.position),
            _ => None,
        }
    }

    /// The name of a project, where addresses of links have one: as soon as there are two projects.
    fn project_in_address(&self, project: ProjectIndex) -> Option<&ProjectName> {
        self.name_of(project).filter(|_| self.options.projects.len() > 1)
    }
}
