//! A layer of values that all come from one source.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::problem::{SettingProblem, SettingSource, escaped};
use super::schema::{PROJECTS, SECRETS, Schema, unknown};

/// Settings of one source. Every environment variable is a layer of its own, so that figment knows the source of each
/// value, even if other layers have the same section.
pub(super) struct Layer {
    source: SettingSource,
    values: Dict,
}

impl Layer {
    /// A layer of whole sections.
    pub(super) fn new(source: SettingSource, values: Dict) -> Self {
        Self { source, values }
    }

    /// A layer of one setting, as text: nothing guesses at types, so a key made of digits stays text.
    pub(super) fn of_text(source: SettingSource, key: &str, text: &str) -> Self {
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        let settings = Dict::from([(name.to_owned(), Value::from(text))]);
        Self::new(source, Dict::from([(section.to_owned(), Value::from(settings))]))
    }

    /// One layer for each setting of the command line.
    pub(super) fn of_command_line(
        overrides: &[(String, String)],
        schema: &Schema,
        problems: &mut Vec<SettingProblem>,
    ) -> Vec<Self> {
        let mut layers = Vec::new();
        for (key, text) in overrides {
            let message = if schema.default(key).is_none() {
                let (section, name) = key.split_once('.').unwrap_or((key, ""));
                unknown(schema.similar(section, name).as_deref())
            } else if SECRETS.contains(&key.as_str()) {
                "a secret, and never taken from the command line".to_owned()
            } else {
                layers.push(Self::of_text(SettingSource::CommandLine, key, text));
                continue;
            };
            problems.push(SettingProblem::new(escaped(key), SettingSource::CommandLine, message));
        }
        layers
    }

    /// Returns true if it has projects, even wrong ones.
    pub(super) fn names_projects(&self) -> bool {
        let projects = self.values.get(PROJECTS);
        projects.is_some_and(|projects| projects.as_array().is_none_or(|projects| !projects.is_empty()))
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.source.to_metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
