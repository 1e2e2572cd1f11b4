//! The composition root: builds every part from the settings, and runs them until they are told to stop.
//!
//! Nothing else makes a client, a cache or a task that outlives a request.

mod access;
mod descriptors;
mod error;
mod links;
mod logging;
mod projects;
mod scrape;
mod traces;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::access::API_TOKENS_PERIOD;
pub use self::access::api_tokens_of;
use self::descriptors::Descriptors;
pub use self::error::StartError;
use self::links::Links;
pub use self::logging::log_options;
pub use self::projects::{Projects, projects_of};
pub use self::traces::traces_of;
use crate::domain::{Clock, SystemClock};
use crate::nebuly::Keys;
use crate::server::{self, BindError, Connection, Drain, Limits, OpenConnections};
use crate::settings::{self, Settings};
use crate::telemetry::{MetricsReader, MetricsRegistry, Traces};
use crate::web::caller::ApiTokensFile;
use crate::web::management::Part;
use crate::web::{self, Web};

/// Tasks that go on for as long as the program; they end with it.
type Background = JoinSet<()>;

/// The program, built and not yet serving.
pub struct App {
    public: Router,
    management: Router,
    metrics: MetricsReader,
    limits: Limits,
    descriptors: Descriptors,
    drain: Drain,
    drain_delay: Duration,
    drain_timeout: Duration,
    open: OpenConnections,
    keys: Arc<Keys>,
    api_tokens_file: Option<ApiTokensFile>,
    links: Links,
    traces: Option<Traces>,
}

/// The two sockets of the program.
#[derive(Debug)]
pub struct Listeners {
    /// Where links are opened.
    pub public: TcpListener,
    /// Where probes ask.
    pub management: TcpListener,
}

/// How the program is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Somebody else may still send requests for a while: serve them during `server.drain_delay`.
    AfterDelay,
    /// Nobody will: close at once.
    AtOnce,
}

impl App {
    /// Builds everything; nothing is asked or opened yet.
    pub fn build(settings: &Settings) -> Result<Self, StartError> {
        Self::build_with_clock(settings, SystemClock)
    }

    /// The same, with another clock for what is fresh.
    pub fn build_with_clock(settings: &Settings, clock: impl Clock) -> Result<Self, StartError> {
        let metrics = MetricsRegistry::new()?;
        metrics.scope(|| Self::build_counting(settings, Arc::new(clock), &metrics))
    }

    /// Builds everything whose handles count in `metrics`.
    fn build_counting(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        metrics: &MetricsRegistry,
    ) -> Result<Self, StartError> {
        let api_tokens_file = api_tokens_of(&settings.access)?;
        let traces = traces_of(&settings.telemetry)?;
        let projects = projects_of(settings, traces.as_ref().map(Traces::tracer))?;
        let keys = Arc::clone(&projects.keys);
        let (resolver, links) = links::links(settings, projects, clock)?;
        let web = Web::new(
            resolver,
            web::Options {
                base_path: settings.server.base_path.clone(),
                max_age: settings.redirect.max_age,
                allowed_hosts: settings.nebuly.allowed_hosts.clone(),
                projects: links::names(settings),
                max_wait: settings.redirect.max_wait,
                extend_deadline,
                departure,
                access_log: logging::access_log(&settings.log),
                access: access::access(settings, api_tokens_file.as_ref()),
                unfurl: settings.preview.unfurl,
                recorder: metrics.recorder(),
                tracing: traces::tracing(&settings.telemetry, traces.as_ref()),
            },
        );
        let drain = Drain::default();
        let serving = {
            let drain = drain.clone();
            Part { name: "serving", is_well: Box::new(move || !drain.is_leaving()) }
        };
        let open = OpenConnections::default();
        let render = scrape::render(metrics.reader(), open.clone());
        Ok(Self {
            public: web::public(web),
            management: web::management::router(vec![serving], render),
            metrics: metrics.reader(),
            limits: Limits {
                max_connections: settings.server.max_connections,
                header_timeout: settings.server.header_timeout,
                idle_timeout: settings.server.idle_timeout,
                request_timeout: settings.server.request_timeout,
            },
            descriptors: Descriptors::unbounded(settings),
            drain,
            drain_delay: settings.server.drain_delay,
            drain_timeout: settings.server.drain_timeout,
            open,
            keys,
            api_tokens_file,
            links,
            traces,
        })
    }

    /// How many file descriptors it may have open at most.
    #[must_use]
    pub fn wanted_descriptors(&self) -> usize {
        self.descriptors.total()
    }

    /// Takes fewer connections if the process may not have more than so many file descriptors open: probes, calls and files
    /// need some, too.
    #[must_use]
    pub fn within_descriptors(mut self, limit: usize) -> Self {
        let wanted = self.wanted_descriptors();
        if limit < wanted {
            self.descriptors = self.descriptors.within(limit);
            let Descriptors { public: max_connections, management, .. } = self.descriptors;
            tracing::warn!(
                limit,
                wanted,
                max_connections,
                management,
                "the limit of open files bounds the connections"
            );
        }
        self
    }

    /// The public listener's routes.
    pub fn public(&self) -> Router {
        self.public.clone()
    }

    /// The management listener's routes.
    pub fn management(&self) -> Router {
        self.management.clone()
    }

    /// Reads the snapshot and serves until `shutdown` is over. Then it leaves in two phases: not ready and
    /// `connection: close`, but still serving; then closed, with a last while for open requests. The management listener
    /// goes on to the end.
    pub async fn run(self, listeners: Listeners, shutdown: impl Future<Output = Shutdown>) {
        let Self {
            public,
            management,
            metrics,
            limits,
            descriptors,
            drain,
            drain_delay,
            drain_timeout,
            open,
            ..
        } = self;
        let mut background = Background::new();
        background.spawn(metrics.keep_up());
        background.spawn(self.keys.watch());
        if let Some(file) = self.api_tokens_file {
            background.spawn(file.watch(API_TOKENS_PERIOD));
        }
        let kept = self.links.start(&mut background).await;

        let addresses = (listeners.public.local_addr(), listeners.management.local_addr());
        let limits = Limits { max_connections: descriptors.public, ..limits };
        let management_limits = Limits { max_connections: descriptors.management, ..limits };
        let management_drain = Drain::default();
        let management = tokio::spawn(server::serve(
            listeners.management,
            management,
            management_limits,
            management_drain.clone(),
            // Whoever fills the public listener fails no probe.
            open.spared(),
        ));
        let mut public =
            tokio::spawn(server::serve(listeners.public, public, limits, drain.clone(), open.clone()));
        if let (Ok(listen), Ok(management_listen)) = addresses {
            tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, %management_listen, "serving");
        }

        let shutdown = tokio::select! {
            shutdown = shutdown => shutdown,
            // It ends by itself only through a defect; then nobody is served any more.
            _ = &mut public => Shutdown::AtOnce,
        };
        drain.begin();
        if shutdown == Shutdown::AfterDelay {
            tracing::info!(delay = ?drain_delay, "shutting down, still serving");
            tokio::time::sleep(drain_delay).await;
        }
        drain.close();
        tracing::info!(open = open.get(), timeout = ?drain_timeout, "no longer accepting, finishing open requests");
        background.spawn({
            let drain = drain.clone();
            async move {
                tokio::time::sleep(drain_timeout).await;
                drain.abort();
            }
        });
        let cut = if public.is_finished() { 0 } else { public.await.unwrap_or_default() };
        kept.save().await;
        if let Some(traces) = self.traces {
            traces.end().await;
        }
        management_drain.abort();
        management_drain.close();
        drop(management.await);
        tracing::info!(cut, "stopped");
    }
}

impl Listeners {
    /// Opens both sockets.
    pub fn bind(settings: &settings::Server) -> Result<Self, BindError> {
        Ok(Self {
            public: server::bind(settings.listen)?,
            management: server::bind(settings.management_listen)?,
        })
    }

    /// Where the public one listens.
    pub fn public_address(&self) -> std::io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where the management one listens.
    pub fn management_address(&self) -> std::io::Result<SocketAddr> {
        self.management.local_addr()
    }
}

/// The web layer knows nothing of connections: this is how it gives one more time.
fn extend_deadline(extensions: &http::Extensions, by: Duration) {
    if let Some(connection) = extensions.get::<Connection>() {
        connection.extend_deadline(by);
    }
}

/// The web layer knows nothing of connections: this is how it learns that a caller was gone before its answer came.
fn departure(extensions: &http::Extensions) -> Option<web::Departure> {
    Some(Box::pin(extensions.get::<Connection>()?.departure()?))
}
