//! The list of all settings: those of `config/default.toml`, and the keys of a project.

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::problem::{SettingProblem, SettingProblems, SettingSource};

/// The defaults, and with them the list of all settings.
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The list of projects, the one setting that is in no section.
pub(super) const PROJECTS: &str = "projects";

/// The keys of one entry of `[[projects]]`.
pub(super) const PROJECT_KEYS: [&str; 5] =
    ["name", "api_key", "api_key_file", "project_id", "organization_id"];

/// Settings that hold a secret, and so are never taken from the command line, which every user of a machine can read.
pub(super) const SECRETS: [&str; 2] = ["nebuly.proxy", "shared_cache.url"];

/// The prefix of the variables of all settings. Two underscores, because Kubernetes sets `NEBULINK_PORT` and the
/// like for a Service called `nebulink`.
pub(super) const VARIABLE_PREFIX: &str = "NEBULINK__";

/// The longest name that is compared, in bytes: a longer one is no misspelt setting, and would cost time.
const MAX_MISSPELT: usize = 40;

/// All settings outside `[[projects]]`, with their defaults.
pub(super) struct Schema {
    sections: Dict,
}

/// `config/default.toml` itself is wrong, which only a change of that file can bring about.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenDefaults {
    #[error("the built-in defaults are not TOML")]
    NotToml,
    #[error("{0} has no valid built-in default")]
    Setting(String),
}

impl From<BrokenDefaults> for SettingProblems {
    fn from(error: BrokenDefaults) -> Self {
        Self::new(vec![SettingProblem::with_source(SettingSource::Default, error.to_string())])
    }
}

impl Schema {
    /// Parses `config/default.toml`.
    pub(super) fn embedded() -> Result<Self, BrokenDefaults> {
        let sections = Toml::from_str::<Dict>(DEFAULTS).map_err(|_| BrokenDefaults::NotToml)?;
        Ok(Self { sections })
    }

    /// Returns every default, by section.
    pub(super) fn defaults(&self) -> &Dict {
        &self.sections
    }

    /// Returns the default of a setting, whose key is `section.name`.
    pub(super) fn default(&self, key: &str) -> Option<&Value> {
        let (section, name) = key.split_once('.')?;
        self.section(section)?.get(name)
    }

    /// Returns the settings of a section.
    pub(super) fn section(&self, section: &str) -> Option<&Dict> {
        self.sections.get(section)?.as_dict()
    }

    /// Iterates over section and name of every setting outside `[[projects]]`.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sections.iter().flat_map(|(section, value)| {
            value.as_dict().into_iter().flatten().map(|(name, _)| (section.as_str(), name.as_str()))
        })
    }

    /// Returns the setting whose section and name, joined by one underscore, are `joined`.
    pub(super) fn named(&self, joined: &str) -> Option<String> {
        let joins = |(section, name): &(&str, &str)| {
            joined.strip_prefix(section).and_then(|rest| rest.strip_prefix('_')) == Some(name)
        };
        self.settings().find(joins).map(|(section, name)| format!("{section}.{name}"))
    }

    /// Returns the setting that an unknown name in a section was probably meant to be: one of the section with a
    /// similar name, or else one of the same name in another section, preferably in one with a similar name.
    pub(super) fn similar(&self, section: &str, name: &str) -> Option<String> {
        let own = self.section(section).into_iter().flatten().map(|(known, _)| known.as_str());
        if let Some(known) = nearest(name, own) {
            return Some(format!("{section}.{known}"));
        }
        let holds = |section: &&str| self.section(section).is_some_and(|known| known.contains_key(name));
        let section = self
            .similar_section(section)
            .filter(holds)
            .or_else(|| self.sections.keys().map(String::as_str).find(holds))?;
        Some(format!("{section}.{name}"))
    }

    /// Returns the section that an unknown one was probably meant to be.
    pub(super) fn similar_section(&self, name: &str) -> Option<&str> {
        nearest(name, self.sections.keys().map(String::as_str))
    }
}

/// Returns the candidate that differs least from a name, by a few letters at most.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_MISSPELT {
        return None;
    }
    let name = name.to_ascii_lowercase().replace('-', "_");
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The message about a key that is no setting.
pub(super) fn unknown(similar: Option<&str>) -> String {
    match similar {
        Some(similar) => format!("not a setting; did you mean {similar}?"),
        None => "not a setting".to_owned(),
    }
}

/// Returns the environment variable of a setting.
pub(super) fn variable(section: &str, name: &str) -> String {
    format!("{VARIABLE_PREFIX}{}__{}", section.to_ascii_uppercase(), name.to_ascii_uppercase())
}
