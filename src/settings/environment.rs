//! Settings in environment variables.

use std::ffi::{OsStr, OsString};

use figment::value::{Dict, Value};

use super::layer::Layer;
use super::problem::{Problem, Source, escaped};
use super::schema::{self, PROJECTS, Schema, VARIABLE_PREFIX, variable};

/// Names the settings file. It has one underscore, so it is no setting itself.
pub(super) const CONFIG_FILE: &str = "NEBULINK_CONFIG";

/// The names in Nebuly's own example. They describe one project.
const API_KEY: &str = "NEBULY_API_KEY";
const API_KEY_FILE: &str = "NEBULY_API_KEY_FILE";
const API_BASE_URL: &str = "NEBULY_API_BASE_URL";

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
    problems: &mut Vec<Problem>,
) -> Environment {
    let mut environment = Environment::default();
    environment.read_base_url(variables, problems);
    environment.read_project(variables, file_names_projects, problems);
    environment.read_settings(variables, schema, problems);
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
    fn read_base_url(&mut self, variables: &[(OsString, OsString)], problems: &mut Vec<Problem>) {
        let (section, name) = BASE_URL_SETTING;
        let Some(value) = find(variables, API_BASE_URL) else { return };
        let own = variable(section, name);
        if find(variables, &own).is_some_and(|other| other != value) {
            let message = format!("differs from {own}: set one of the two");
            problems.push(Problem::new(key(section, name), environment(API_BASE_URL), message));
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
        problems: &mut Vec<Problem>,
    ) {
        let named = [(API_KEY, "api_key"), (API_KEY_FILE, "api_key_file")]
            .map(|(variable, setting)| (variable, setting, find(variables, variable)));
        for (variable, setting, value) in named {
            let Some(value) = value else { continue };
            let key = key(PROJECTS, setting);
            if file_names_projects {
                let message = "describes a project beside [[projects]]: keep one of the two";
                problems.push(Problem::new(key, environment(variable), message));
            } else if self.names_project {
                let message = format!("set beside {API_KEY}: keep one of the two");
                problems.push(Problem::new(key, environment(variable), message));
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
        problems: &mut Vec<Problem>,
    ) {
        for (name, value) in variables {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let (section, setting) = path.split_once('.').unwrap_or((&path, ""));
            let known = schema.settings().any(|(known_section, known)| {
                (known_section, known) == (section, setting) && variable(section, setting) == name
            });
            if !known {
                let message = unknown(schema, section, setting);
                problems.push(Problem::new(escaped(&path), environment(&name), message));
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
    let similar = schema.similar(section, name);
    let similar = similar.as_deref().and_then(|key| key.split_once('.'));
    schema::unknown(similar.map(|(section, name)| variable(section, name)).as_deref())
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

fn environment(name: &str) -> Source {
    Source::Environment(name.to_owned())
}

fn not_utf8(key: String, variable: &str) -> Problem {
    Problem::new(key, environment(variable), "not UTF-8")
}
