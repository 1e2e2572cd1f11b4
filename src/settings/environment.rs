//! Settings in environment variables.

use std::ffi::{OsStr, OsString};

use figment::value::{Dict, Value};

use super::layer::Layer;
use super::problem::{SettingProblem, SettingSource, escaped};
use super::schema::{self, PROJECTS, Schema, VARIABLE_PREFIX, variable};

/// Names the settings file. It has one underscore, so it is no setting itself.
pub(super) const CONFIG_FILE: &str = "NEBULINK_CONFIG";

/// The names in Nebuly's own example. They describe one project.
const API_KEY: &str = "NEBULY_API_KEY";
const API_KEY_FILE: &str = "NEBULY_API_KEY_FILE";
const API_BASE_URL: &str = "NEBULY_API_BASE_URL";

/// What a variable of ours begins with that may be meant as a setting, which has one underscore more.
const OUR_PREFIX: &str = "NEBULINK_";

/// Variables of this project's own tests and checks.
const TEST_PREFIX: &str = "NEBULINK_TEST_";

/// What the one project of the environment is called.
const DEFAULT_PROJECT: &str = "default";

/// Section and name of what `NEBULY_API_BASE_URL` sets.
const BASE_URL_SETTING: (&str, &str) = ("nebuly", "api_base_url");

/// What the environment says.
#[derive(Default)]
pub(super) struct Environment {
    /// One layer for each variable.
    pub(super) layers: Vec<Layer>,
    /// Whether it names a project, rightly or wrongly, so that nobody needs to be told how to.
    pub(super) names_project: bool,
}

/// Takes the settings out of the environment. `file_names_projects` tells whether the settings file already has some.
pub(super) fn read(
    variables: &[(OsString, OsString)],
    schema: &Schema,
    file_names_projects: bool,
    problems: &mut Vec<SettingProblem>,
    warnings: &mut Vec<SettingProblem>,
) -> Environment {
    let mut environment = Environment::default();
    environment.read_base_url(variables, problems);
    environment.read_project(variables, file_names_projects, problems);
    environment.read_settings(variables, schema, problems);
    look_for_misspelt(variables, schema, problems, warnings);
    environment
}

/// The value of a variable, unless it is empty, which in this place means the same as not set. The last of a name
/// counts.
pub(super) fn find<'a>(variables: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let (_, value) = variables.iter().rev().find(|(known, _)| known == name)?;
    let blank = value.to_str().is_some_and(|text| text.trim().is_empty());
    (!blank).then_some(value)
}

impl Environment {
    fn read_base_url(&mut self, variables: &[(OsString, OsString)], problems: &mut Vec<SettingProblem>) {
        let (section, name) = BASE_URL_SETTING;
        let Some(value) = find(variables, API_BASE_URL) else { return };
        let own = variable(section, name);
        if find(variables, &own).is_some_and(|other| other != value) {
            let message = format!("differs from {own}: set one of the two");
            problems.push(SettingProblem::new(key(section, name), environment(API_BASE_URL), message));
        }
        match value.to_str() {
            Some(text) => self.layers.push(Layer::of_text(environment(API_BASE_URL), section, name, text)),
            None => problems.push(not_utf8(key(section, name), API_BASE_URL)),
        }
    }

    fn read_project(
        &mut self,
        variables: &[(OsString, OsString)],
        file_names_projects: bool,
        problems: &mut Vec<SettingProblem>,
    ) {
        let named = [(API_KEY, "api_key"), (API_KEY_FILE, "api_key_file")]
            .map(|(variable, setting)| (variable, setting, find(variables, variable)));
        for (variable, setting, value) in named {
            let Some(value) = value else { continue };
            let key = key(PROJECTS, setting);
            if file_names_projects {
                let message = "describes a project beside [[projects]]: keep one of the two";
                problems.push(SettingProblem::new(key, environment(variable), message));
            } else if self.names_project {
                let message = format!("set beside {API_KEY}: keep one of the two");
                problems.push(SettingProblem::new(key, environment(variable), message));
            } else if let Some(text) = value.to_str() {
                self.layers.push(Layer::new(environment(variable), project(setting, text)));
            } else {
                problems.push(not_utf8(key, variable));
            }
            self.names_project = true;
        }
    }

    fn read_settings(
        &mut self,
        variables: &[(OsString, OsString)],
        schema: &Schema,
        problems: &mut Vec<SettingProblem>,
    ) {
        for (name, value) in variables {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            if !rest.contains("__") && is_service_link(rest) {
                // Of a Service whose name begins with `nebulink--`.
                continue;
            }
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let (section, setting) = path.split_once('.').unwrap_or((&path, ""));
            let known = schema.settings().any(|(known_section, known)| {
                (known_section, known) == (section, setting) && variable(section, setting) == name
            });
            if !known {
                let message = unknown(schema, section, setting);
                problems.push(SettingProblem::new(escaped(&path), environment(&name), message));
            } else if let Some(text) = value.to_str() {
                self.layers.push(Layer::of_text(environment(&name), section, setting, text));
            } else {
                problems.push(not_utf8(path, &name));
            }
        }
    }
}

fn unknown(schema: &Schema, section: &str, name: &str) -> String {
    if section == PROJECTS {
        return format!(
            "not a setting; projects are set in the settings file, or one by {API_KEY} or {API_KEY_FILE}"
        );
    }
    let similar = schema
        .named(format!("{section}_{name}").trim_end_matches('_'))
        .or_else(|| schema.similar(section, name));
    suggest(similar.as_deref())
}

/// What is said of a variable that is no setting, and may have been meant to be one.
fn suggest(key: Option<&str>) -> String {
    let similar = key.and_then(|key| key.split_once('.'));
    schema::unknown(similar.map(|(section, name)| variable(section, name)).as_deref())
}

/// Looks at the variables that begin like a setting and are none. One that was surely meant as a setting is a problem;
/// any other is a warning, but for those that Kubernetes sets for a Service whose name begins with `nebulink`: they must
/// never end a start.
fn look_for_misspelt(
    variables: &[(OsString, OsString)],
    schema: &Schema,
    problems: &mut Vec<SettingProblem>,
    warnings: &mut Vec<SettingProblem>,
) {
    for (name, _) in variables {
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(OUR_PREFIX) else { continue };
        let is_ours =
            name.starts_with(VARIABLE_PREFIX) || name.starts_with(TEST_PREFIX) || name == CONFIG_FILE;
        if is_ours || is_service_link(rest) {
            continue;
        }
        let key = rest.to_ascii_lowercase().replace("__", ".");
        let nebulys = [API_KEY, API_KEY_FILE, API_BASE_URL].into_iter().find(|nebulys| {
            nebulys.strip_prefix("NEBULY_").is_some_and(|known| known.eq_ignore_ascii_case(rest))
        });
        let message = match (schema.named(&key.replace('.', "_")), nebulys, key.split_once('.')) {
            (Some(key), ..) => suggest(Some(&key)),
            (None, Some(nebulys), _) => schema::unknown(Some(nebulys)),
            (None, None, Some((section, setting))) => unknown(schema, section, setting),
            (None, None, None) if schema.section(&key).is_some() => {
                format!("not a setting; those of {key} begin with {}", variable(&key, ""))
            }
            (None, None, None) => {
                warnings.push(SettingProblem::new(
                    escaped(&key),
                    environment(&name),
                    "not a setting, and ignored",
                ));
                continue;
            }
        };
        problems.push(SettingProblem::new(escaped(&key), environment(&name), message));
    }
}

/// Whether Kubernetes sets variables that end like this one for a Service, whatever its name is.
fn is_service_link(name: &str) -> bool {
    let parts: Vec<_> = name.split('_').collect();
    let is_port = |number: &str, protocol: &str| {
        number.bytes().all(|byte| byte.is_ascii_digit()) && matches!(protocol, "TCP" | "UDP" | "SCTP")
    };
    match parts.as_slice() {
        [.., "SERVICE", "HOST"] | [.., "PORT"] => true,
        [.., "PORT", number, protocol] | [.., "PORT", number, protocol, "PROTO" | "ADDR"]
            if is_port(number, protocol) =>
        {
            true
        }
        // A port that has a name.
        parts => parts.windows(2).any(|pair| pair == ["SERVICE", "PORT"]),
    }
}

/// The one project of the environment, with its key or the file of its key.
fn project(setting: &str, text: &str) -> Dict {
    let project = Dict::from([
        ("name".to_owned(), Value::from(DEFAULT_PROJECT)),
        (setting.to_owned(), Value::from(text)),
    ]);
    Dict::from([(PROJECTS.to_owned(), Value::from(vec![project]))])
}

fn key(section: &str, name: &str) -> String {
    format!("{section}.{name}")
}

fn environment(name: &str) -> SettingSource {
    SettingSource::Environment(name.to_owned())
}

fn not_utf8(key: String, variable: &str) -> SettingProblem {
    SettingProblem::new(key, environment(variable), "not UTF-8")
}
