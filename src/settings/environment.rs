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

/// The prefix of variables that may be misspelt settings, whose own prefix has one underscore more.
const OUR_PREFIX: &str = "NEBULINK_";

/// The prefix of the variables of this project's own tests and checks.
const TEST_PREFIX: &str = "NEBULINK_TEST_";

/// The name of the one project of the environment.
const DEFAULT_PROJECT: &str = "default";

/// The setting that `NEBULY_API_BASE_URL` sets.
const BASE_URL_KEY: &str = "nebuly.api_base_url";

/// The settings of the environment.
#[derive(Default)]
pub(super) struct Environment {
    /// One layer for each variable.
    pub(super) layers: Vec<Layer>,
    /// True if it names a project, even one that is refused: then nobody needs to be told how to name one.
    pub(super) names_project: bool,
}

/// Takes the settings out of the environment. `file_names_projects` tells that the settings file already has some.
pub(super) fn read(
    variables: &[(OsString, OsString)],
    schema: &Schema,
    file_names_projects: bool,
    problems: &mut Vec<SettingProblem>,
    warnings: &mut Vec<SettingProblem>,
) -> Environment {
    let environment = Environment::default();
    let mut reader = EnvironmentReader { variables, schema, problems, warnings, environment };
    reader.read_base_url();
    reader.read_project(file_names_projects);
    reader.read_settings();
    reader.look_for_misspelt();
    reader.environment
}

/// Returns the value of a variable, unless it is empty, which for these variables means that it is not set. Of two
/// variables of one name the last one counts.
pub(super) fn find<'a>(variables: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let (_, value) = variables.iter().rev().find(|(known, _)| known == name)?;
    let blank = value.to_str().is_some_and(|text| text.trim().is_empty());
    (!blank).then_some(value)
}

/// Collects layers, problems and warnings from the variables.
struct EnvironmentReader<'a> {
    variables: &'a [(OsString, OsString)],
    schema: &'a Schema,
    problems: &'a mut Vec<SettingProblem>,
    warnings: &'a mut Vec<SettingProblem>,
    environment: Environment,
}

impl EnvironmentReader<'_> {
    fn read_base_url(&mut self) {
        let Some(value) = find(self.variables, API_BASE_URL) else { return };
        let own = variable("nebuly", "api_base_url");
        if find(self.variables, &own).is_some_and(|other| other != value) {
            let message = format!("differs from {own}: set one of the two");
            self.refuse(BASE_URL_KEY, API_BASE_URL, message);
        }
        self.set(BASE_URL_KEY, API_BASE_URL, value);
    }

    fn read_project(&mut self, file_names_projects: bool) {
        for (variable, setting) in [(API_KEY, "api_key"), (API_KEY_FILE, "api_key_file")] {
            let Some(value) = find(self.variables, variable) else { continue };
            let key = format!("{PROJECTS}.{setting}");
            if file_names_projects {
                self.refuse(&key, variable, "describes a project beside [[projects]]: keep one of the two");
            } else if self.environment.names_project {
                self.refuse(&key, variable, format!("set beside {API_KEY}: keep one of the two"));
            } else if let Some(text) = value.to_str() {
                self.environment.layers.push(Layer::new(source(variable), project(setting, text)));
            } else {
                self.refuse(&key, variable, "not UTF-8");
            }
            self.environment.names_project = true;
        }
    }

    fn read_settings(&mut self) {
        for (name, value) in self.variables {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            if !rest.contains("__") && is_service_link(rest) {
                // Of a Service whose name begins with `nebulink--`.
                continue;
            }
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let (section, setting) = path.split_once('.').unwrap_or((&path, ""));
            let is_known = self.schema.default(&path).is_some() && variable(section, setting) == name;
            if is_known {
                self.set(&path, &name, value);
            } else {
                self.refuse(&path, &name, self.unknown(section, setting));
            }
        }
    }

    /// Looks at the variables that begin like a setting and are none. One that was surely meant as a setting is a
    /// problem; any other is a warning, except those that Kubernetes sets for a Service whose name begins with
    /// `nebulink`: they must never end a start.
    fn look_for_misspelt(&mut self) {
        for (name, _) in self.variables {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(OUR_PREFIX) else { continue };
            let is_ours =
                name.starts_with(VARIABLE_PREFIX) || name.starts_with(TEST_PREFIX) || name == CONFIG_FILE;
            if is_ours || is_service_link(rest) {
                continue;
            }
            let key = rest.to_ascii_lowercase().replace("__", ".");
            let of_nebuly = [API_KEY, API_KEY_FILE, API_BASE_URL].into_iter().find(|of_nebuly| {
                of_nebuly.strip_prefix("NEBULY_").is_some_and(|known| known.eq_ignore_ascii_case(rest))
            });
            let message = match (self.schema.named(&key.replace('.', "_")), of_nebuly, key.split_once('.')) {
                (Some(key), ..) => suggest(Some(&key)),
                (None, Some(of_nebuly), _) => schema::unknown(Some(of_nebuly)),
                (None, None, Some((section, setting))) => self.unknown(section, setting),
                (None, None, None) if self.schema.section(&key).is_some() => {
                    format!("not a setting; those of {key} begin with {}", variable(&key, ""))
                }
                (None, None, None) => {
                    let message = "not a setting, and ignored";
                    self.warnings.push(SettingProblem::new(escaped(&key), source(&name), message));
                    continue;
                }
            };
            self.refuse(&key, &name, message);
        }
    }

    /// Adds a layer of one setting.
    fn set(&mut self, key: &str, variable: &str, value: &OsStr) {
        match value.to_str() {
            Some(text) => self.environment.layers.push(Layer::of_text(source(variable), key, text)),
            None => self.refuse(key, variable, "not UTF-8"),
        }
    }

    fn refuse(&mut self, key: &str, variable: &str, message: impl Into<String>) {
        self.problems.push(SettingProblem::new(escaped(key), source(variable), message));
    }

    fn unknown(&self, section: &str, name: &str) -> String {
        if section == PROJECTS {
            return format!(
                "not a setting; projects are set in the settings file, or one by {API_KEY} or {API_KEY_FILE}"
            );
        }
        let joined = format!("{section}_{name}");
        let named = self.schema.named(joined.trim_end_matches('_'));
        suggest(named.or_else(|| self.schema.similar(section, name)).as_deref())
    }
}

/// The message about a variable that is no setting, with the variable of the setting that may have been meant.
fn suggest(key: Option<&str>) -> String {
    let similar = key.and_then(|key| key.split_once('.'));
    schema::unknown(similar.map(|(section, name)| variable(section, name)).as_deref())
}

/// Returns true if Kubernetes sets variables that end like this one for a Service, whatever its name is.
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

fn source(variable: &str) -> SettingSource {
    SettingSource::Environment(variable.to_owned())
}
