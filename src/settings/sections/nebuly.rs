//! `[nebuly]`: Nebuly's addresses, and the calls to it.

use std::time::Duration;

use figment::value::Value;
use secrecy::SecretString;
use url::Url;

use crate::domain::AllowedHosts;
use crate::files::FilePath;
use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::urls;
use crate::settings::value::{Parsed, choice, flag, list, of_text, positive, readable_file, whole};

/// The warning about a setting of calls that are never made.
pub(super) const NEVER_CALLED: &str =
    "has no effect with nebuly.resolve = construct, which never calls Nebuly";

/// The key of [`NebulySettings::resolve`].
pub(super) const RESOLVE: &str = "nebuly.resolve";

/// More retries would not fit into any deadline.
const MAX_RETRIES: u32 = 10;

/// More calls at once than Nebuly should ever get from one process.
const MAX_IN_FLIGHT: usize = 10_000;

/// Nebuly's addresses, and the calls to it.
#[derive(Debug, Clone)]
pub struct NebulySettings {
    /// The URL of the API: no trailing slash, user, query or fragment; `https`, or `http` where that is allowed.
    pub api_base_url: Url,
    /// The URL of the front end: no trailing slash, user, query or fragment; `http` only on a loopback host.
    pub platform_url: Url,
    /// The hosts that a redirect may lead to, always with the host of `platform_url`.
    pub allowed_hosts: AllowedHosts,
    /// How a link's URL is found.
    pub resolve: Resolve,
    /// PEM file of certificate authorities that replace the public ones; it could be read at the start.
    pub ca_file: Option<FilePath>,
    /// URL of a proxy for the calls. A secret, since it may hold a user and a password.
    pub proxy: Option<SecretString>,
    /// Time to connect, at most `attempt_timeout`.
    pub connect_timeout: Duration,
    /// Time for one attempt, at most `deadline`.
    pub attempt_timeout: Duration,
    /// Time for all attempts together, shorter than `server.request_timeout`.
    pub deadline: Duration,
    /// Further attempts after the first, at most 10.
    pub retries: u32,
    /// Calls in flight, 1 to 10,000.
    pub max_in_flight: usize,
}

/// How a link's URL is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// Nebuly is asked.
    Api,
    /// The URL is built from known ids, without any call.
    Construct,
}

impl NebulySettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        let api_base_url = reader.read("nebuly.api_base_url", of_text(urls::base))?;
        let allow_http = reader.read("nebuly.allow_http", flag)?;
        let mut settings = Self {
            api_base_url,
            platform_url: reader.read("nebuly.platform_url", of_text(platform_url))?,
            allowed_hosts: reader.read("nebuly.allowed_hosts", allowed_hosts)?,
            resolve: reader.read(RESOLVE, resolve)?,
            ca_file: reader.read_path("nebuly.ca_file", readable_file)?,
            proxy: reader.read_secret_url("nebuly.proxy", urls::proxy)?.map(|url| String::from(url).into()),
            connect_timeout: reader.read("nebuly.connect_timeout", positive())?,
            attempt_timeout: reader.read("nebuly.attempt_timeout", positive())?,
            deadline: reader.read("nebuly.deadline", positive())?,
            retries: reader.read("nebuly.retries", whole(0..=MAX_RETRIES))?,
            max_in_flight: reader.read("nebuly.max_in_flight", whole(1..=MAX_IN_FLIGHT))?,
        };
        if let Err(error) = settings.allowed_hosts.allow_host_of(&settings.platform_url) {
            reader.refuse(&["nebuly.platform_url"], error.to_string());
        }
        settings.check(reader, allow_http);
        Ok(settings)
    }

    /// Checks the rules between settings of this section.
    fn check(&self, reader: &mut SettingReader<'_>, allow_http: bool) {
        let url = &self.api_base_url;
        if url.scheme() == "http" && !allow_http && !urls::is_loopback(url) {
            let message =
                "must be https: http would send the keys in clear (nebuly.allow_http = true allows it)";
            reader.refuse(&["nebuly.api_base_url", "nebuly.allow_http"], message);
        }
        let is_nebulys_own = url.host_str().is_none_or(|host| host.ends_with(".nebuly.com"));
        if !is_nebulys_own && !reader.source("nebuly.platform_url").is_set() {
            let message = "not set beside a nebuly.api_base_url that is not Nebuly's own: links lead to your own front end \
                           only if nebuly.platform_url or nebuly.allowed_hosts names its host";
            reader.warn("nebuly.platform_url", message);
        }
    }
}

/// Reads [`RESOLVE`].
pub(super) fn resolve(value: &Value) -> Parsed<Resolve> {
    choice(&[("api", Resolve::Api), ("construct", Resolve::Construct)])(value)
}

fn platform_url(text: &str) -> Parsed<Url> {
    let url = urls::base(text)?;
    if url.scheme() == "http" && !urls::is_loopback(&url) {
        return Err("must be https".into());
    }
    Ok(url)
}

fn allowed_hosts(value: &Value) -> Parsed<AllowedHosts> {
    let mut hosts = AllowedHosts::default();
    // Each entry is parsed by itself first, so that the message has the number of the wrong one.
    let entries = list(|text| allow(&mut AllowedHosts::default(), text).map(|()| text.to_owned()))(value)?;
    for entry in &entries {
        allow(&mut hosts, entry)?;
    }
    Ok(hosts)
}

fn allow(hosts: &mut AllowedHosts, entry: &str) -> Parsed<()> {
    hosts.allow(entry).map_err(|error| error.to_string().into())
}
