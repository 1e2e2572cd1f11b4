//! The composition root: builds every part from the settings, and runs them until they are told to stop.
//!
//! Nothing else makes a client, a cache or a task that outlives a request.

mod background;
mod caches;
mod descriptors;
mod error;
mod listeners;
mod nebuly_clients;
mod telemetry;
mod web_options;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::service::service_fn;
use hyper_util::service::TowerToHyperService;
use tracing::field::display;

use self::background::Background;
use self::caches::Caches;
pub use self::caches::{check_shared_cache, check_snapshot, resolver_of};
use self::descriptors::Descriptors;
pub use self::error::StartError;
use self::listeners::Serving;
pub use self::listeners::{AcceptLoopEnded, Listeners};
pub use self::nebuly_clients::{NebulyClients, nebuly_clients_of};
pub use self::telemetry::{log_options, traces_of};
use self::web_options::access;
pub use self::web_options::api_tokens_of;
use crate::background_runtime::BackgroundRuntime;
use crate::domain::{Clock, SystemClock};
use crate::files;
use crate::nebuly::ProjectKeys;
use crate::server::{ConnectionLimits, Drain, OpenConnections, Workers};
use crate::settings::Settings;
use crate::telemetry::{MetricsRegistry, Traces};
use crate::web::caller::ApiTokensFile;
use crate::web::management::HealthCheck;
use crate::web::{self, ClientConnection, PublicRouter, Web};

/// The program, built and not yet serving.
pub struct App {
    public: PublicRouter,
    management: Router,
    workers: Workers,
    limits: ConnectionLimits,
    descriptors: Descriptors,
    /// Set once the public listener accepts.
    is_serving: Arc<AtomicBool>,
    drain: Drain,
    drain_delay: Duration,
    drain_timeout: Duration,
    open: OpenConnections,
    keys: Arc<ProjectKeys>,
    api_tokens_file: Option<ApiTokensFile>,
    caches: Caches,
    traces: Option<Traces>,
    background: Background,
}

/// How the program shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// A load balancer may still send requests: serve them during `server.drain_delay`.
    AfterDelay,
    /// Nothing will: close at once.
    AtOnce,
}

impl App {
    /// Builds everything. No connection is made and no port is opened yet.
    pub fn build(settings: &Settings) -> Result<Self, StartError> {
        Self::build_with_clock(settings, SystemClock)
    }

    /// The same with another clock, which decides what is fresh and when rate-limit tokens come back.
    pub fn build_with_clock(settings: &Settings, clock: impl Clock) -> Result<Self, StartError> {
        Self::build_counting(settings, Arc::new(clock), None)
    }

    /// The same for a demo: `sample_text` is in the field of the page `/`, and the pages say that it is a demo.
    pub fn build_demo(settings: &Settings, sample_text: String) -> Result<Self, StartError> {
        Self::build_counting(settings, Arc::new(SystemClock), Some(sample_text))
    }

    /// Builds everything, with metrics of its own.
    fn build_counting(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        sample_text: Option<String>,
    ) -> Result<Self, StartError> {
        let metrics = MetricsRegistry::new();
        metrics.scope(|| Self::build_in_scope(settings, clock, sample_text, &metrics))
    }

    /// Builds everything whose handles count in `metrics`.
    fn build_in_scope(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        sample_text: Option<String>,
        metrics: &MetricsRegistry,
    ) -> Result<Self, StartError> {
        let api_tokens_file = api_tokens_of(&settings.access)?;
        let traces = traces_of(settings.traces.as_ref())?;
        let nebuly = nebuly_clients_of(settings, traces.as_ref().map(Traces::tracer))?;
        let keys = Arc::clone(&nebuly.keys);
        let background = BackgroundRuntime::start().map_err(StartError::Threads)?;
        let (resolver, caches) = caches::build(settings, nebuly, Arc::clone(&clock), background.clone())?;
        let web = Web::new(
            resolver,
            web::WebOptions {
                base_path: settings.server.base_path.clone(),
                public_url: settings.server.public_url.clone(),
                contact: settings.server.contact.clone(),
                max_age: settings.redirect.max_age,
                allowed_hosts: settings.nebuly.allowed_hosts.clone(),
                projects: caches::project_names(settings),
                max_wait: settings.redirect.max_wait,
                max_batch: settings.limits.batch,
                max_in_flight: settings.nebuly.max_in_flight,
                background,
                request_timeout: settings.server.request_timeout,
                access_log: telemetry::access_log(&settings.log),
                access: access(settings, api_tokens_file.as_ref(), clock),
                unfurl: settings.preview.unfurl,
                lookup_tags: settings.lookup.tags.iter().map(|tag| tag.as_str().into()).collect(),
                sample_text,
                recorder: metrics.recorder(),
                tracer: telemetry::tracing(settings.traces.as_ref(), traces.as_ref()),
            },
        );
        let drain = Drain::default();
        let is_serving = Arc::new(AtomicBool::new(false));
        let serving = {
            let (is_serving, drain) = (Arc::clone(&is_serving), drain.clone());
            let is_healthy = move || is_serving.load(Ordering::Relaxed) && !drain.is_draining();
            HealthCheck { name: "serving", is_healthy: Box::new(is_healthy) }
        };
        let open = OpenConnections::default();
        let render = telemetry::render_metrics(metrics.clone(), open.clone());
        Ok(Self {
            public: PublicRouter::new(web),
            management: web::management::router(vec![serving], render),
            workers: Workers::start(settings.server.workers).map_err(StartError::Threads)?,
            limits: ConnectionLimits {
                max_connections: settings.server.max_connections,
                header_timeout: settings.server.header_timeout,
                idle_timeout: settings.server.idle_timeout,
                request_timeout: settings.server.request_timeout,
            },
            descriptors: Descriptors::unbounded(settings),
            is_serving,
            drain,
            drain_delay: settings.server.drain_delay,
            drain_timeout: settings.server.drain_timeout,
            open,
            keys,
            api_tokens_file,
            caches,
            traces,
            background: Background::new(metrics.recorder()),
        })
    }

    /// The most file descriptors that it may have open.
    #[must_use]
    pub fn wanted_descriptors(&self) -> usize {
        self.descriptors.total()
    }

    /// Lowers the limits of connections if the process may not have more than `limit` file descriptors open, so that enough
    /// are left for probes, calls and files.
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
                "limit of open files is too low for server.max_connections"
            );
        }
        self
    }

    /// The router of the public listener.
    pub const fn public_router(&self) -> &PublicRouter {
        &self.public
    }

    /// The same as axum's router, for tests.
    pub fn public(&self) -> Router {
        let public = self.public.clone();
        Router::new().fallback(async move |request: Request| public.answer(None, request).await)
    }

    /// The routes of the management listener.
    pub fn management(&self) -> Router {
        self.management.clone()
    }

    /// Loads the snapshot and serves until `shutdown` completes. Then it shuts down gracefully: first it is not ready
    /// and answers with `connection: close`, but still serves; then it closes the listener, with `drain_timeout` for
    /// requests in flight. The management listener serves from the beginning to the end.
    ///
    /// It fails if an accept loop ends by itself, which is a defect: nothing would be served any more.
    pub async fn run(
        self,
        listeners: Listeners,
        shutdown: impl Future<Output = Shutdown>,
    ) -> Result<(), AcceptLoopEnded> {
        let Self { limits, descriptors, drain, drain_timeout, mut caches, mut background, .. } = self;
        let mut shutdown = pin!(shutdown);
        let addresses = (listeners.public_address(), listeners.management_address());
        let (listen, management_listen) = (addresses.0.ok().map(display), addresses.1.ok().map(display));
        let version = env!("CARGO_PKG_VERSION");
        let management_routes = self.management;
        let mut management = Serving::start(
            "management",
            listeners.management,
            move |_connection| TowerToHyperService::new(management_routes.clone()),
            Workers::default(),
            ConnectionLimits { max_connections: descriptors.management, ..limits },
            Drain::default(),
            // A flood of the public listener must not fail a probe.
            self.open.spared(),
        );
        tracing::info!(version, listen, management_listen, "starting");
        start_tasks(&mut background, self.keys, self.api_tokens_file);

        let stopped = tokio::select! {
            biased;
            _ = &mut shutdown => Some(Ok(())),
            ended = management.ended() => Some(Err(ended)),
            () = caches.load() => None,
        };
        if let Some(stopped) = stopped {
            // The snapshot is not written: memory may hold only a part of it.
            management.close(Duration::ZERO).await;
            tracing::info!("stopped before it served");
            return stopped;
        }
        let saver = caches.start(&mut background);

        let open = self.open.clone();
        let limits = ConnectionLimits { max_connections: descriptors.public, ..limits };
        let router = self.public;
        let service_of = move |connection| {
            let connection: Arc<dyn ClientConnection> = Arc::new(connection);
            // Counted for each connection: all threads would write to the number of those who have the router.
            let answering = Arc::new((router.clone(), connection));
            service_fn(move |request| {
                let answering = Arc::clone(&answering);
                async move {
                    let (router, connection) = &*answering;
                    Ok(router.answer(Some(Arc::clone(connection)), request).await)
                }
            })
        };
        let mut public = Serving::start(
            "public",
            listeners.public,
            service_of,
            self.workers,
            limits,
            drain.clone(),
            self.open,
        );
        self.is_serving.store(true, Ordering::Relaxed);
        tracing::info!(version, listen, management_listen, "serving");
        let stopped = tokio::select! {
            shutdown = shutdown => Ok(shutdown),
            ended = public.ended() => Err(ended),
            ended = management.ended() => Err(ended),
        };

        drain.begin();
        if let Ok(Shutdown::AfterDelay) = stopped {
            let delay = self.drain_delay;
            tracing::info!(?delay, "shutting down, still serving");
            tokio::time::sleep(delay).await;
        }
        tracing::info!(open = open.get(), timeout = ?drain_timeout, "no longer accepting, draining");
        let aborted = public.close(drain_timeout).await;
        let end_traces = async {
            if let Some(traces) = self.traces {
                traces.end().await;
            }
        };
        tokio::join!(saver.save_last(), end_traces);
        management.close(Duration::ZERO).await;
        tracing::info!(cut = aborted, "stopped");
        stopped.map(|_| ())
    }
}

/// Starts the background tasks that do not depend on the caches.
fn start_tasks(background: &mut Background, keys: Arc<ProjectKeys>, api_tokens_file: Option<ApiTokensFile>) {
    background.supervise("keys", move || Arc::clone(&keys).watch());
    if let Some(file) = api_tokens_file {
        let file = Arc::new(file);
        background.supervise("api_tokens", move || Arc::clone(&file).watch(files::RELOAD_PERIOD));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::settings::SettingSources;

    fn app() -> (App, Listeners) {
        let environment = [
            ("NEBULY_API_KEY", "nk-canary"),
            ("NEBULINK__SERVER__LISTEN", "127.0.0.1:0"),
            ("NEBULINK__SERVER__MANAGEMENT_LISTEN", "127.0.0.1:0"),
        ]
        .map(|(name, value)| (name.into(), value.into()));
        let sources =
            SettingSources { config_file: None, environment: environment.to_vec(), overrides: Vec::new() };
        let settings = Settings::load(&sources).unwrap().settings;
        (App::build(&settings).unwrap(), Listeners::bind(&settings.server).unwrap())
    }

    #[tokio::test]
    async fn an_accept_loop_that_ends_by_itself_ends_the_program_with_an_error() {
        let (app, listeners) = app();
        // To the accept loop, this is as if it had been told to end.
        app.drain.close();
        let error = app.run(listeners, pending()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the accept loop of the public listener has ended by itself: this is a defect of nebulink"
        );
    }
}
