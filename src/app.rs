//! The composition root: builds every part from the settings, and runs them until they are told to stop.
//!
//! Nothing else makes a client, a cache or a task that outlives a request.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cache::MemoryCache;
use crate::domain::{Clock, Construction, Lifetimes, ProjectIds, SystemClock};
use crate::limits;
use crate::nebuly::{self, ApiKey, Endpoint, InvalidKey, Nebuly};
use crate::resolver::{Construct, Policy, Project, Resolver, Sources};
use crate::server::{self, BindError, Drain, Limits, OpenConnections};
use crate::settings::{self, KeySource, OnOutage, Resolve, Settings};
use crate::telemetry::{LogFormat, LogOptions, MetricsReader, MetricsRegistry};
use crate::web::caller::{Access, ApiTokensError, ApiTokensFile};
use crate::web::management::Part;
use crate::web::{self, AccessLog, Escaping, Requests, Web};

/// Connections of the management listener: probes and a scraper or two need a handful.
const MANAGEMENT_CONNECTIONS: usize = 256;

/// Callers that are remembered at once: more than are likely to owe anything at one time. About 12 MB if all of them are
/// addresses, and none before they come.
const CALLERS: usize = 100_000;

/// Time between two looks at the file of API tokens: a token that is taken away is good for no longer.
const API_TOKENS_PERIOD: Duration = Duration::from_secs(5);

/// The program, built and not yet serving.
pub struct App {
    public: Router,
    management: Router,
    metrics: MetricsReader,
    limits: Limits,
    drain: Drain,
    drain_delay: Duration,
    drain_timeout: Duration,
    open: OpenConnections,
    api_tokens_file: Option<ApiTokensFile>,
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
    /// The file of a key cannot be read.
    #[error("the key file {} of project {project} cannot be read", path.display())]
    KeyFile {
        /// Whose key.
        project: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
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
    /// The metrics cannot be set up.
    #[error("the metrics cannot be set up")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// `access.api_tokens_file` has no tokens that could be used.
    #[error("access.api_tokens_file {} cannot be used", path.display())]
    ApiTokens {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: ApiTokensError,
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
        let metrics = MetricsRegistry::new()?;
        metrics.scope(|| Self::build_counting(settings, clock, metrics.reader()))
    }

    /// Builds everything whose handles count where `metrics` reads.
    fn build_counting(
        settings: &Settings,
        clock: impl Clock,
        metrics: MetricsReader,
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let api_tokens_file = api_tokens_of(&settings.access)?;
        let web = Web::new(
            resolver(settings, clock)?,
            web::Options {
                base_path: settings.server.base_path.clone(),
                max_age: settings.redirect.max_age,
                allowed_hosts: settings.nebuly.allowed_hosts.clone(),
                projects: settings.projects.iter().map(|project| project.name.clone()).collect(),
                max_wait: settings.redirect.max_wait,
                extend_deadline,
                access_log: access_log(&settings.log),
                access: access(settings, api_tokens_file.as_ref()),
                unfurl: settings.preview.unfurl,
            },
        );
        let drain = Drain::default();
        let serving = {
            let drain = drain.clone();
            Part { name: "serving", is_well: Box::new(move || !drain.is_leaving()) }
        };
        Ok(Self {
            public: web::public(web),
            management: {
                let metrics = metrics.clone();
                web::management::router(vec![serving], Arc::new(move || metrics.render()))
            },
            metrics,
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
            api_tokens_file,
        })
    }

    /// The public listener's routes.
    pub fn public(&self) -> Router {
        self.public.clone()
    }

    /// The management listener's routes.
    pub fn management(&self) -> Router {
        self.management.clone()
    }

    /// Serves until `shutdown` is over, then leaves in two phases: not ready and `connection: close`, but still serving;
    /// then closed, with a last while for open requests. The management listener goes on to the end.
    pub async fn run(self, listeners: Listeners, shutdown: impl Future<Output = Shutdown>) {
        let Self {
            public,
            management,
            metrics,
            limits,
            drain,
            drain_delay,
            drain_timeout,
            open,
            api_tokens_file,
        } = self;
        // Dropped at the end, which ends them all.
        let mut background = JoinSet::new();
        background.spawn(metrics.keep_up());
        if let Some(file) = api_tokens_file {
            background.spawn(file.watch(API_TOKENS_PERIOD));
        }
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

/// A client for each project.
pub fn nebuly_of(settings: &Settings) -> Result<Vec<Nebuly>, StartError> {
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
    };
    let client = |project: &settings::Project| {
        let key = key(project)?;
        Ok(Nebuly::new(&options, project.name.clone(), key)?)
    };
    settings.projects.iter().map(client).collect()
}

/// The file of API tokens, if one is set. A file that cannot be used leaves `/api` open to nobody, so it ends the start.
pub fn api_tokens_of(access: &settings::Access) -> Result<Option<ApiTokensFile>, StartError> {
    let open = |path: &PathBuf| {
        ApiTokensFile::open(path.clone()).map_err(|error| StartError::ApiTokens { path: path.clone(), error })
    };
    access.api_tokens_file.as_ref().map(open).transpose()
}

fn access(settings: &Settings, api_tokens_file: Option<&ApiTokensFile>) -> Access {
    let limits = limits::Limits {
        per_second: settings.limits.cold_per_second,
        burst: settings.limits.cold_burst,
        capacity: CALLERS,
    };
    Access {
        identity_header: settings.access.identity_header.clone(),
        api_tokens: api_tokens_file.map(ApiTokensFile::tokens),
        cors_origins: settings.access.cors_origins.clone(),
        trusted_proxies: settings.server.trusted_proxies.clone(),
        peer: |extensions| extensions.get::<server::Connection>().map(server::Connection::peer),
        callers: Arc::new(limits::Callers::new(limits)),
    }
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

fn resolver(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Resolver, StartError> {
    let clients = nebuly_of(settings)?;
    if clients.is_empty() {
        return Err(StartError::NoProject);
    }
    let project = |(client, project): (Nebuly, &settings::Project)| Project {
        source: Box::new(client),
        ids: ids(project),
    };
    let sources = Sources {
        memory: Arc::new(MemoryCache::new(settings.cache.max_size)),
        shared: None,
        projects: clients.into_iter().zip(&settings.projects).map(project).collect(),
        construction: Construction::new(&settings.nebuly.platform_url, settings.nebuly.allowed_hosts.clone()),
        clock,
    };
    let policy = Policy {
        lifetimes: Lifetimes {
            ttl: settings.cache.ttl,
            stale: settings.cache.stale,
            negative_ttl: settings.cache.negative_ttl,
        },
        deadline: settings.nebuly.deadline,
        construct: match (settings.nebuly.resolve, settings.redirect.on_outage) {
            (Resolve::Construct, _) => Construct::Always,
            (Resolve::Api, OnOutage::Construct) => Construct::InOutages,
            (Resolve::Api, OnOutage::Error) => Construct::Never,
        },
    };
    Ok(Resolver::new(sources, policy))
}

fn ids(project: &settings::Project) -> Option<ProjectIds> {
    Some(ProjectIds {
        project_id: project.project_id.clone()?,
        organization_id: project.organization_id.clone()?,
    })
}

/// The web layer knows nothing of connections: this is how it gives one more time.
fn extend_deadline(extensions: &http::Extensions, by: Duration) {
    if let Some(connection) = extensions.get::<server::Connection>() {
        connection.extend_deadline(by);
    }
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

fn key(project: &settings::Project) -> Result<ApiKey, StartError> {
    let name = || project.name.to_string();
    let secret = match &project.key {
        KeySource::Inline(secret) => secret.clone(),
        KeySource::File(path) => read_key(path).map_err(|error| StartError::KeyFile {
            project: name(),
            path: path.clone(),
            error,
        })?,
    };
    ApiKey::new(&secret).map_err(|error| StartError::Key { project: name(), error })
}

fn read_key(path: &Path) -> std::io::Result<SecretString> {
    std::fs::read_to_string(path).map(SecretString::from)
}
