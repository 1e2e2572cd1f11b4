//! The composition root: builds every part from the settings, and runs them until they are told to stop.
//!
//! Nothing else makes a client, a cache or a task that outlives a request.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::cache::MemoryCache;
use crate::domain::{Clock, Lifetimes, SystemClock};
use crate::nebuly::{self, ApiKey, Endpoint, InvalidKey, Keys, Nebuly};
use crate::resolver::Resolver;
use crate::server::{self, BindError, Drain, Limits, OpenConnections};
use crate::settings::{self, KeySource, Settings};
use crate::telemetry::{LogFormat, LogOptions};
use crate::web::management::Part;
use crate::web::{self, AccessLog, Escaping, Requests, Web};

/// Connections of the management listener: probes and a scraper or two need a handful.
const MANAGEMENT_CONNECTIONS: usize = 256;

/// The program, built and not yet serving.
pub struct App {
    public: Router,
    management: Router,
    limits: Limits,
    drain: Drain,
    drain_delay: Duration,
    drain_timeout: Duration,
    open: OpenConnections,
    keys: Arc<Keys>,
}

/// The clients of all projects.
pub struct Projects {
    /// In the order of the settings.
    pub clients: Vec<Nebuly>,
    /// Their keys, to be watched for changes.
    pub keys: Arc<Keys>,
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

/// The program cannot be built from these settings.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no project whose key could be used.
    #[error("there is no project")]
    NoProject,
    /// Keys are in files, and no file has one.
    #[error("no project has a usable key: {0}")]
    NoKey(String),
    /// A key is none.
    #[error("the key of project {project} cannot be used")]
    Key {
        /// Whose key.
        project: String,
        /// Why.
        #[source]
        error: InvalidKey,
    },
    /// `nebuly.ca_file` cannot be read.
    #[error("nebuly.ca_file {} cannot be read", path.display())]
    CertificateAuthorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The client for Nebuly cannot be made.
    #[error(transparent)]
    Nebuly(#[from] nebuly::StartError),
}

impl App {
    /// Builds everything; nothing is asked or opened yet.
    pub fn build(settings: &Settings) -> Result<Self, StartError> {
        Self::build_with_clock(settings, SystemClock)
    }

    /// The same, with another clock for what is fresh.
    pub fn build_with_clock(settings: &Settings, clock: impl Clock) -> Result<Self, StartError> {
        let Projects { clients, keys } = nebuly_of(settings)?;
        let source = clients.into_iter().next().ok_or(StartError::NoProject)?;
        let lifetimes = Lifetimes {
            ttl: settings.cache.ttl,
            stale: settings.cache.stale,
            negative_ttl: settings.cache.negative_ttl,
        };
        let memory = MemoryCache::new(settings.cache.max_size);
        let resolver = Resolver::new(memory, source, lifetimes, clock);
        let web = Web::new(
            resolver,
            web::Options {
                base_path: settings.server.base_path.clone(),
                max_age: settings.redirect.max_age,
                allowed_hosts: settings.nebuly.allowed_hosts.clone(),
                access_log: access_log(&settings.log),
            },
        );
        let drain = Drain::default();
        let serving = {
            let drain = drain.clone();
            Part { name: "serving", is_well: Box::new(move || !drain.is_leaving()) }
        };
        Ok(Self {
            public: web::public(web),
            management: web::management::router(vec![serving]),
            limits: Limits {
                max_connections: settings.server.max_connections,
                header_timeout: settings.server.header_timeout,
                idle_timeout: settings.server.idle_timeout,
                request_timeout: settings.server.request_timeout,
            },
            drain,
            drain_delay: settings.server.drain_delay,
            drain_timeout: settings.server.drain_timeout,
            open: OpenConnections::default(),
            keys,
        })
    }

    /// The public listener's routes.
    #[must_use]
    pub fn public(&self) -> Router {
        self.public.clone()
    }

    /// The management listener's routes.
    #[must_use]
    pub fn management(&self) -> Router {
        self.management.clone()
    }

    /// Serves until `shutdown` is over, then leaves in two phases: not ready and `connection: close`, but still serving;
    /// then closed, with a last while for open requests. The management listener goes on to the end.
    pub async fn run(self, listeners: Listeners, shutdown: impl Future<Output = Shutdown>) {
        let Self { public, management, limits, drain, drain_delay, drain_timeout, open, keys } = self;
        let watching = tokio::spawn(keys.watch());
        let management_limits = Limits { max_connections: MANAGEMENT_CONNECTIONS, ..limits };
        let management_drain = Drain::default();
        let management = tokio::spawn(server::serve(
            listeners.management,
            management,
            management_limits,
            management_drain.clone(),
            OpenConnections::default(),
        ));
        let mut public =
            tokio::spawn(server::serve(listeners.public, public, limits, drain.clone(), open.clone()));

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
        let timer = tokio::spawn({
            let drain = drain.clone();
            async move {
                tokio::time::sleep(drain_timeout).await;
                drain.abort();
            }
        });
        let cut = if public.is_finished() { 0 } else { public.await.unwrap_or_default() };
        timer.abort();
        management_drain.abort();
        management_drain.close();
        drop(management.await);
        watching.abort();
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

/// A client for each project. That some have no key yet is no error, but that all have none is.
pub fn nebuly_of(settings: &Settings) -> Result<Projects, StartError> {
    // Only the first call in a process does anything; there is one provider, so whose it was does not matter.
    drop(rustls::crypto::ring::default_provider().install_default());
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| StartError::CertificateAuthorities { path: path.clone(), error })
    };
    let options = nebuly::Options {
        endpoint: Endpoint::new(&settings.nebuly.api_base_url),
        allowed_hosts: settings.nebuly.allowed_hosts.clone(),
        certificate_authorities: settings.nebuly.ca_file.as_ref().map(read).transpose()?,
        proxy: settings.nebuly.proxy.as_ref().map(|proxy| proxy.0.clone()),
        connect_timeout: settings.nebuly.connect_timeout,
        attempt_timeout: settings.nebuly.attempt_timeout,
        retries: settings.nebuly.retries,
    };
    let shared = nebuly::Shared::new(settings.nebuly.max_in_flight);
    let client = |project: &settings::Project| {
        Ok::<_, StartError>(Nebuly::new(&options, project.name.clone(), key(project)?, &shared)?)
    };
    let clients = settings.projects.iter().map(client).collect::<Result<_, _>>()?;
    let keys = Arc::clone(shared.keys());
    if !keys.any() {
        return Err(StartError::NoKey(keys.complaints().join("; ")));
    }
    Ok(Projects { clients, keys })
}

/// What the log is made from.
#[must_use]
pub fn log_options(settings: &settings::Log) -> LogOptions {
    let format = match settings.format {
        settings::LogFormat::Auto => None,
        settings::LogFormat::Text => Some(LogFormat::Text),
        settings::LogFormat::Json => Some(LogFormat::Json),
    };
    LogOptions { format, level: settings.level.clone() }
}

fn access_log(settings: &settings::Log) -> AccessLog {
    AccessLog {
        requests: match settings.access {
            settings::AccessLog::All => Requests::All,
            settings::AccessLog::Cold => Requests::Cold,
            settings::AccessLog::Errors => Requests::Errors,
            settings::AccessLog::None => Requests::None,
        },
        escaping: match log_options(settings).format_of_stderr() {
            LogFormat::Text => Escaping::PrintableAscii,
            LogFormat::Json => Escaping::ByFormat,
        },
    }
}

fn key(project: &settings::Project) -> Result<nebuly::KeySource, StartError> {
    Ok(match &project.key {
        KeySource::Inline(secret) => {
            let key = ApiKey::new(secret)
                .map_err(|error| StartError::Key { project: project.name.to_string(), error })?;
            nebuly::KeySource::Inline(key)
        }
        KeySource::File(path) => nebuly::KeySource::File(path.clone()),
    })
}
