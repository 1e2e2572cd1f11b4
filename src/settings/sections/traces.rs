//! Telemetry: what the standard variables of OpenTelemetry say of traces.
//!
//! They are read from the environment alone, under the names that every OpenTelemetry SDK has, so that what an operator
//! already knows, or a cluster injects, holds here as well. Values are never repeated: headers and the user of an endpoint
//! are secrets.

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
use crate::settings::value::{Parsed, readable_file};

/// Where OTLP over HTTP takes traces, below the endpoint for all signals.
const TRACES_PATH: &str = "/v1/traces";

/// What the program is called, unless the operator says otherwise.
const SERVICE_NAME: &str = "nebulink";

/// The specification's defaults.
const TIMEOUT_MS: u64 = 10_000;
const SCHEDULE_DELAY_MS: u64 = 5_000;
const MAX_QUEUE_SIZE: u64 = 2_048;
const MAX_EXPORT_BATCH_SIZE: u64 = 512;

/// The longest queue of spans: some 100 MB at worst.
const LONGEST_QUEUE: u64 = 100_000;

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
    /// Where it is.
    pub path: FilePath,
}

/// What the program says of itself to others, beside logs and metrics.
#[derive(Debug, Clone, Default)]
pub struct TelemetrySettings {
    /// Traces, if a collector is named.
    pub traces: Option<TracesSettings>,
}

/// How traces are made, and where they go.
#[derive(Debug, Clone)]
pub struct TracesSettings {
    /// Where they are posted, without user and password.
    pub endpoint: Url,
    /// What goes with them; values are marked as sensitive, so that no `Debug` prints them.
    pub headers: HeaderMap,
    /// Certificate authorities in PEM, instead of the public ones.
    pub ca_file: Option<TracesCaFile>,
    /// How long one export may take.
    pub timeout: Duration,
    /// What the program is called.
    pub service_name: String,
    /// What else is said of it.
    pub resource_attributes: Vec<(String, String)>,
    /// Which requests are traced.
    pub sampling: SamplingSettings,
    /// Spans that may wait; those beyond are dropped.
    pub max_queue_size: usize,
    /// Spans in one export, at most as many as may wait.
    pub max_export_batch_size: usize,
    /// The pause between two exports.
    pub schedule_delay: Duration,
}

/// Which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingSettings {
    /// Whether a trusted caller that has decided already is followed.
    pub parent_decides: bool,
    /// The share of the others, from 0 to 1.
    pub ratio: f64,
}

/// The variables, with what is wrong with them.
struct OtelVariables<'a> {
    variables: &'a [(OsString, OsString)],
    problems: &'a mut Vec<SettingProblem>,
}

impl TelemetrySettings {
    /// What the environment says. Without an endpoint nothing else of it counts.
    pub(in crate::settings) fn read(
        variables: &[(OsString, OsString)],
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let mut variables = OtelVariables { variables, problems };
        Self { traces: TracesSettings::read(&mut variables) }
    }
}

impl TracesSettings {
    fn read(variables: &mut OtelVariables<'_>) -> Option<Self> {
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
        variables.parse_either("PROTOCOL", |text| match text {
            "http/protobuf" => Ok(()),
            _ => Err(NOT_SPOKEN.into()),
        });
        let mut headers = variables.parse_either("HEADERS", headers).unwrap_or_default();
        if let Some(authorization) = take_user(&mut endpoint) {
            headers.entry(AUTHORIZATION).or_insert(authorization);
        }
        let mut resource_attributes =
            variables.parse("OTEL_RESOURCE_ATTRIBUTES", attributes).unwrap_or_default();
        let named = resource_attributes.iter().position(|(key, _)| key == "service.name");
        let named = named.map(|index| resource_attributes.swap_remove(index).1);
        let service_name = variables.parse("OTEL_SERVICE_NAME", |text| Ok(text.to_owned()));
        let max_queue_size = variables.whole("OTEL_BSP_MAX_QUEUE_SIZE", LONGEST_QUEUE, MAX_QUEUE_SIZE);
        let max_export_batch_size =
            variables.whole("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", LONGEST_QUEUE, MAX_EXPORT_BATCH_SIZE);
        let schedule_delay = variables.whole("OTEL_BSP_SCHEDULE_DELAY", LONGEST_MS, SCHEDULE_DELAY_MS);
        Some(Self {
            endpoint,
            headers,
            ca_file: variables.ca_file(),
            timeout: Duration::from_millis(variables.timeout()),
            service_name: service_name.or(named).unwrap_or_else(|| SERVICE_NAME.to_owned()),
            resource_attributes,
            sampling: SamplingSettings::read(variables),
            max_queue_size: usize::try_from(max_queue_size).unwrap_or(usize::MAX),
            max_export_batch_size: usize::try_from(max_export_batch_size.min(max_queue_size))
                .unwrap_or(usize::MAX),
            schedule_delay: Duration::from_millis(schedule_delay),
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
    /// Whether a variable is set and not empty.
    fn has(&self, name: &str) -> bool {
        find(self.variables, name).is_some()
    }

    /// What a variable says; one that is empty is not set, as OpenTelemetry has it.
    fn parse<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        let value = find(self.variables, name)?;
        let parsed = value.to_str().ok_or("not UTF-8".into()).and_then(|text| parse(text.trim()));
        let refused =
            |message| SettingProblem::with_source(SettingSource::Environment(name.to_owned()), message);
        parsed.map_err(|message| self.problems.push(refused(message))).ok()
    }

    /// What the variable for traces says, or else the one for all signals.
    fn parse_either<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        let own = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
        let shared = format!("OTEL_EXPORTER_OTLP_{name}");
        let name = if self.has(&own) { own } else { shared };
        self.parse(&name, parse)
    }

    fn ca_file(&mut self) -> Option<TracesCaFile> {
        const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE";
        let variable = if self.has(OWN) { OWN } else { "OTEL_EXPORTER_OTLP_CERTIFICATE" };
        self.parse(variable, readable_file).map(|path| TracesCaFile { variable, path })
    }

    fn whole(&mut self, name: &str, max: u64, default: u64) -> u64 {
        self.parse(name, |text| whole(text, max)).unwrap_or(default)
    }

    fn timeout(&mut self) -> u64 {
        self.parse_either("TIMEOUT", |text| whole(text, LONGEST_MS)).unwrap_or(TIMEOUT_MS)
    }
}

fn whole(text: &str, max: u64) -> Parsed<u64> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("not a whole number from 1 to {max}").into())
}

/// A URL to which traces can be posted. User and password are allowed.
fn endpoint(text: &str) -> Parsed<Url> {
    let bare = |url: &Url| {
        // Of a password with a slash in it, the beginning would be taken for the host, and shown.
        !url.path().contains('@') && url.query().is_none() && url.fragment().is_none()
    };
    urls::http(text).filter(bare).ok_or(NOT_AN_ENDPOINT.into())
}

/// User and password of a URL, as the header that says the same.
fn take_user(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair = percent_decode_str(url.username()).collect::<Vec<u8>>();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    // A URL with a host takes both.
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

/// `key=value` between commas, the values percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |item: &str| {
        let (key, value) = item.split_once('=')?;
        let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from);
        Some((decode(key).filter(|key| !key.is_empty())?, decode(value)?))
    };
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(pair).collect()
}
