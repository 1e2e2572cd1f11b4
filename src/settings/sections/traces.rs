//! Traces: the standard variables of OpenTelemetry.
//!
//! They are read from the environment alone, under the names that every OpenTelemetry SDK has, so that operators know
//! them and clusters can inject them. No message repeats a value: headers and the user of an endpoint are secrets.

use std::ffi::OsString;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::files::FilePath;
use crate::settings::environment::find;
use crate::settings::problem::{SettingProblem, SettingSource};
use crate::settings::urls;
use crate::settings::value::{Parsed, readable_file, whole};

/// The path of traces in OTLP over HTTP, below the endpoint for all signals.
const TRACES_PATH: &str = "/v1/traces";

/// The service's name, unless the operator sets another.
const SERVICE_NAME: &str = "nebulink";

/// The specification's defaults.
const TIMEOUT_MS: u64 = 10_000;
const SCHEDULE_DELAY_MS: u64 = 5_000;
const MAX_QUEUE_SIZE: usize = 2_048;
const MAX_EXPORT_BATCH_SIZE: usize = 512;

/// The longest queue of spans: some 100 MB at worst.
const LONGEST_QUEUE: usize = 100_000;

/// The longest time that any of the variables may set, in milliseconds: one hour.
const LONGEST_MS: u64 = 60 * 60 * 1_000;

const NOT_AN_ENDPOINT: &str = "not a URL such as http://collector.example:4318, without query and fragment";
const NOT_HEADERS: &str = "not a list such as name=value,other=value, with what is special in a value as %2C";
const NOT_ATTRIBUTES: &str =
    "not a list such as key=value,other=value, with what is special in a value as %2C";
const NOT_SPOKEN: &str = "only http/protobuf is spoken; a collector takes it on port 4318 as a rule";
const NOT_AN_EXPORTER: &str = "neither otlp nor none";
const NOT_A_SAMPLER: &str = "not always_on, always_off, traceidratio or one of these behind parentbased_";
const NOT_A_RATIO: &str = "not a number from 0 to 1";

/// A file of certificate authorities in PEM.
#[derive(Debug, Clone)]
pub struct TracesCaFile {
    /// The variable that names it.
    pub variable: &'static str,
    /// Its path.
    pub path: FilePath,
}

/// Sampling and export of traces.
#[derive(Debug, Clone)]
pub struct TracesSettings {
    /// The URL to which they are posted, without user and password.
    pub endpoint: Url,
    /// The headers of each post; their values are marked as sensitive, so that no `Debug` prints them.
    pub headers: HeaderMap,
    /// Certificate authorities in PEM, instead of the public ones.
    pub ca_file: Option<TracesCaFile>,
    /// The timeout of one export.
    pub timeout: Duration,
    /// The service's name in them.
    pub service_name: String,
    /// The other attributes of the service.
    pub resource_attributes: Vec<(String, String)>,
    /// Decides which requests are traced.
    pub sampling: SamplingSettings,
    /// The capacity of the queue of spans; more spans are dropped.
    pub max_queue_size: usize,
    /// The largest number of spans in one export, at most `max_queue_size`.
    pub max_export_batch_size: usize,
    /// The pause between two exports.
    pub schedule_delay: Duration,
}

/// Decides which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingSettings {
    /// True if the decision of a trusted caller is followed.
    pub parent_decides: bool,
    /// The share of the other requests that is traced, from 0 to 1.
    pub ratio: f64,
}

/// Reads the variables and collects their problems.
struct OtelVariables<'a> {
    variables: &'a [(OsString, OsString)],
    problems: &'a mut Vec<SettingProblem>,
}

impl TracesSettings {
    /// Reads the variables. Without an endpoint there are no traces, and the other variables do not count.
    pub(in crate::settings) fn read(
        variables: &[(OsString, OsString)],
        problems: &mut Vec<SettingProblem>,
    ) -> Option<Self> {
        let variables = &mut OtelVariables { variables, problems };
        let disabled = variables.parse("OTEL_SDK_DISABLED", |text| Ok(text.eq_ignore_ascii_case("true")));
        let is_own = variables.has("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        if disabled == Some(true) || !is_own && !variables.has("OTEL_EXPORTER_OTLP_ENDPOINT") {
            return None;
        }
        let exported = variables.parse("OTEL_TRACES_EXPORTER", |text| match text {
            "otlp" => Ok(true),
            "none" => Ok(false),
            _ => Err(NOT_AN_EXPORTER.into()),
        });
        if exported == Some(false) {
            return None;
        }
        let mut endpoint = if is_own {
            variables.parse("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
        } else {
            variables.parse("OTEL_EXPORTER_OTLP_ENDPOINT", |text| {
                let mut url = endpoint(text)?;
                let path = format!("{}{TRACES_PATH}", url.path().trim_end_matches('/'));
                url.set_path(&path);
                Ok(url)
            })
        }?;
        variables.parse(&variables.either("PROTOCOL"), |text| match text {
            "http/protobuf" => Ok(()),
            _ => Err(NOT_SPOKEN.into()),
        });
        let mut headers = variables.parse(&variables.either("HEADERS"), headers).unwrap_or_default();
        if let Some(authorization) = take_user(&mut endpoint) {
            headers.entry(AUTHORIZATION).or_insert(authorization);
        }
        let mut resource_attributes =
            variables.parse("OTEL_RESOURCE_ATTRIBUTES", attributes).unwrap_or_default();
        let named = resource_attributes.iter().position(|(key, _)| key == "service.name");
        let named = named.map(|index| resource_attributes.swap_remove(index).1);
        let service_name = variables.parse("OTEL_SERVICE_NAME", |text| Ok(text.to_owned()));
        let max_queue_size = variables.number("OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUE_SIZE);
        let max_export_batch_size =
            variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MAX_EXPORT_BATCH_SIZE).min(max_queue_size);
        let timeout = variables.either("TIMEOUT");
        Some(Self {
            endpoint,
            headers,
            ca_file: variables.ca_file(),
            timeout: variables.milliseconds(&timeout, TIMEOUT_MS),
            service_name: service_name.or(named).unwrap_or_else(|| SERVICE_NAME.to_owned()),
            resource_attributes,
            sampling: SamplingSettings::read(variables),
            max_queue_size,
            max_export_batch_size,
            schedule_delay: variables.milliseconds("OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY_MS),
        })
    }
}

impl SamplingSettings {
    fn read(variables: &mut OtelVariables<'_>) -> Self {
        let sampler = variables.parse("OTEL_TRACES_SAMPLER", |text| {
            let (parent_decides, root) = match text.strip_prefix("parentbased_") {
                Some(root) => (true, root),
                None => (false, text),
            };
            match root {
                "always_on" => Ok((parent_decides, Some(1.0))),
                "always_off" => Ok((parent_decides, Some(0.0))),
                "traceidratio" => Ok((parent_decides, None)),
                _ => Err(NOT_A_SAMPLER.into()),
            }
        });
        let (parent_decides, ratio) = sampler.unwrap_or((true, Some(1.0)));
        let ratio = ratio.or_else(|| {
            variables.parse("OTEL_TRACES_SAMPLER_ARG", |text| {
                let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
                ratio.ok_or(NOT_A_RATIO.into())
            })
        });
        Self { parent_decides, ratio: ratio.unwrap_or(1.0) }
    }
}

impl OtelVariables<'_> {
    fn has(&self, name: &str) -> bool {
        find(self.variables, name).is_some()
    }

    /// Returns the name of the variable for traces if that is set, else of the one for all signals.
    fn either(&self, name: &str) -> String {
        let own = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
        if self.has(&own) { own } else { format!("OTEL_EXPORTER_OTLP_{name}") }
    }

    /// Reads a variable. An empty one counts as not set, as OpenTelemetry specifies.
    fn parse<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        let value = find(self.variables, name)?;
        let parsed = value.to_str().ok_or("not UTF-8".into()).and_then(|text| parse(text.trim()));
        let source = || SettingSource::Environment(name.to_owned());
        let refuse = |message| self.problems.push(SettingProblem::with_source(source(), message));
        parsed.map_err(refuse).ok()
    }

    fn ca_file(&mut self) -> Option<TracesCaFile> {
        const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE";
        let variable = if self.has(OWN) { OWN } else { "OTEL_EXPORTER_OTLP_CERTIFICATE" };
        self.parse(variable, readable_file).map(|path| TracesCaFile { variable, path })
    }

    fn number(&mut self, name: &str, default: usize) -> usize {
        self.parse(name, |text| whole(1..=LONGEST_QUEUE)(&text.into())).unwrap_or(default)
    }

    fn milliseconds(&mut self, name: &str, default: u64) -> Duration {
        Duration::from_millis(self.parse(name, |text| whole(1..=LONGEST_MS)(&text.into())).unwrap_or(default))
    }
}

/// Parses a URL to which traces can be posted. User and password are allowed.
fn endpoint(text: &str) -> Parsed<Url> {
    let bare = |url: &Url| {
        // The URL parser takes the beginning of a password with a slash in it for the host, which is shown.
        !url.path().contains('@') && url.query().is_none() && url.fragment().is_none()
    };
    urls::http(text).filter(bare).ok_or(NOT_AN_ENDPOINT.into())
}

/// Removes user and password from a URL, and returns them as an `authorization` header.
fn take_user(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair = percent_decode_str(url.username()).collect::<Vec<u8>>();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    // Both succeed for a URL with a host.
    let _cannot_fail = (url.set_username(""), url.set_password(None));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn headers(text: &str) -> Parsed<HeaderMap> {
    let header = |(name, value): (String, String)| {
        let name = HeaderName::try_from(name).ok()?;
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    pairs(text).and_then(|pairs| pairs.into_iter().map(header).collect()).ok_or(NOT_HEADERS.into())
}

fn attributes(text: &str) -> Parsed<Vec<(String, String)>> {
    pairs(text).ok_or(NOT_ATTRIBUTES.into())
}

/// Parses `key=value` pairs between commas; values are percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |item: &str| {
        let (key, value) = item.split_once('=')?;
        let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from);
        Some((decode(key).filter(|key| !key.is_empty())?, decode(value)?))
    };
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(pair).collect()
}
