//! Settings: defaults, then a TOML file, then the environment, then the command line.
#![expect(missing_docs, reason = "moved in with the loader")]
//!
//! Every default stands once, with its unit and its reason, in `config/default.toml`; nothing here repeats one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::domain::{AllowedHosts, ProjectName};

/// All settings, validated. See `config/default.toml` for what each one means.
#[derive(Debug, Clone)]
pub struct Settings {
    pub server: Server,
    pub nebuly: Nebuly,
    /// At least one, with distinct names.
    pub projects: Vec<Project>,
    pub cache: Cache,
    pub shared_cache: SharedCache,
    pub redirect: Redirect,
    pub access: Access,
    pub limits: Limits,
    pub preview: Preview,
    pub lookup: Lookup,
    pub log: Log,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub listen: SocketAddr,
    pub management_listen: SocketAddr,
    /// Empty, or `/` and segments without a trailing slash: ready to stand before a route.
    pub base_path: String,
    pub public_url: Option<Url>,
    pub trusted_proxies: Vec<IpNet>,
    pub max_connections: usize,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub request_timeout: Duration,
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    /// Worker threads, already resolved: never 0.
    pub workers: usize,
}

#[derive(Debug, Clone)]
pub struct Nebuly {
    /// No trailing slash, user, query or fragment.
    pub api_base_url: Url,
    pub platform_url: Url,
    /// Whether `platform_url` was set by the operator (`check` names it where only `api_base_url` was).
    pub platform_url_is_default: bool,
    /// Always holds the host of `platform_url`.
    pub allowed_hosts: AllowedHosts,
    pub resolve: Resolve,
    pub ca_file: Option<PathBuf>,
    pub proxy: Option<ProxyUrl>,
    pub connect_timeout: Duration,
    pub attempt_timeout: Duration,
    pub deadline: Duration,
    pub retries: u32,
    pub max_in_flight: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    Api,
    Construct,
}

/// A proxy's URL may hold a user and a password, so it is a secret as a whole.
#[derive(Debug, Clone)]
pub struct ProxyUrl(pub SecretString);

#[derive(Debug, Clone)]
pub struct Project {
    pub name: ProjectName,
    pub key: KeySource,
    pub project_id: Option<String>,
    pub organization_id: Option<String>,
}

#[derive(Debug, Clone)]
pub enum KeySource {
    Inline(SecretString),
    File(PathBuf),
}

#[derive(Debug, Clone)]
pub struct Cache {
    pub max_size: u64,
    pub ttl: Duration,
    pub stale: Duration,
    pub negative_ttl: Duration,
    pub snapshot_file: Option<PathBuf>,
    pub snapshot_interval: Duration,
}

#[derive(Debug, Clone)]
pub struct SharedCache {
    /// From `url`, or read from `url_file`.
    pub url: Option<SecretString>,
    pub ca_file: Option<PathBuf>,
    pub timeout: Duration,
    pub key_prefix: String,
}

#[derive(Debug, Clone)]
pub struct Redirect {
    pub max_age: Duration,
    pub max_wait: Duration,
    pub on_outage: OnOutage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutage {
    Construct,
    Error,
}

#[derive(Debug, Clone)]
pub struct Access {
    pub identity_header: Option<http::HeaderName>,
    pub api_tokens_file: Option<PathBuf>,
    pub cors_origins: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub cold_per_second: u32,
    pub cold_burst: u32,
    pub batch: usize,
}

#[derive(Debug, Clone)]
pub struct Preview {
    pub details: bool,
    pub fields: Vec<String>,
    pub unfurl: bool,
}

#[derive(Debug, Clone)]
pub struct Lookup {
    pub tags: Vec<String>,
    pub window: Duration,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    pub level: tracing_subscriber::filter::Targets,
    pub access: AccessLog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

/// Which answered requests get a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLog {
    All,
    Cold,
    Errors,
    None,
}
