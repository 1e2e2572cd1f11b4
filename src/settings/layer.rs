//! A layer of values that all come from one source.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::problem::SettingSource;
use super::schema::PROJECTS;

/// Some settings and where they came from. Every environment variable is a layer of its own, so that figment knows
/// the source of each value, whatever other layers say about the same section.
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
    pub(super) fn of_text(source: SettingSource, section: &str, name: &str, text: &str) -> Self {
        let settings = Dict::from([(name.to_owned(), Value::from(text))]);
        Self::new(source, Dict::from([(section.to_owned(), Value::from(settings))]))
    }

    /// Whether it names projects, rightly or wrongly.
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
