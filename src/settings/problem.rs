//! Problems with the settings, each with its key and source.

use figment::Metadata;
use std::fmt;

use crate::files::FilePath;
pub(super) use crate::text::escaped;

const COMMAND_LINE: &str = "command line";
const FOLLOWS: &str = "follows";

/// The source of a setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingSource {
    /// `config/default.toml`.
    Default,
    /// The settings file at this path.
    File(FilePath),
    /// The environment variable of this name.
    Environment(String),
    /// An option of the command line.
    CommandLine,
    /// A default that was adapted to this setting.
    Follows(String),
}

/// One problem. The message says what is expected, and never repeats a value: even a value of a harmless
/// setting may be a secret that was put in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The setting, such as `cache.ttl`, or `None` for a problem with a whole source.
    pub key: Option<String>,
    /// The source of the value, or the source that has to change if no single value is wrong.
    pub source: SettingSource,
    /// Says what is expected, without the value.
    pub message: String,
}

/// All problems with the settings; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblems(Vec<SettingProblem>);

impl SettingSource {
    /// Returns true if the value is set, and no default.
    pub(super) const fn is_set(&self) -> bool {
        matches!(self, Self::File(_) | Self::Environment(_) | Self::CommandLine)
    }

    /// Converts to the metadata that figment keeps with each value.
    pub(super) fn to_metadata(&self) -> Metadata {
        match self {
            Self::Default => Metadata::named("default"),
            Self::File(path) => Metadata::from("file", path.as_path()),
            Self::Environment(name) => Metadata::from("environment variable", name.as_str()),
            Self::CommandLine => Metadata::named(COMMAND_LINE),
            Self::Follows(key) => Metadata::from(FOLLOWS, key.as_str()),
        }
    }

    /// Reverses [`Self::to_metadata`]. A file with values has been read, so its path is known.
    pub(super) fn from_metadata(metadata: &Metadata) -> Self {
        match &metadata.source {
            Some(figment::Source::File(path)) => Self::File(FilePath::known(path)),
            Some(figment::Source::Custom(key)) if metadata.name == FOLLOWS => Self::Follows(key.clone()),
            Some(figment::Source::Custom(name)) => Self::Environment(name.clone()),
            _ if metadata.name == COMMAND_LINE => Self::CommandLine,
            _ => Self::Default,
        }
    }
}

impl SettingProblem {
    /// A problem with one setting.
    pub(super) fn new(key: impl Into<String>, source: SettingSource, message: impl Into<String>) -> Self {
        Self { key: Some(key.into()), source, message: message.into() }
    }

    /// A problem with a source as a whole.
    pub(super) fn with_source(source: SettingSource, message: impl Into<String>) -> Self {
        Self { key: None, source, message: message.into() }
    }
}

impl SettingProblems {
    /// Takes at least one problem.
    pub(super) fn new(problems: Vec<SettingProblem>) -> Self {
        debug_assert!(!problems.is_empty(), "settings fail only with a reason");
        Self(problems)
    }

    /// Iterates over the problems, in the order of the sources and then of the settings.
    pub fn iter(&self) -> std::slice::Iter<'_, SettingProblem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a SettingProblems {
    type Item = &'a SettingProblem;
    type IntoIter = std::slice::Iter<'a, SettingProblem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for SettingSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => path.fmt(formatter),
            Self::Environment(name) => write!(formatter, "environment variable {}", escaped(name)),
            Self::CommandLine => formatter.write_str(COMMAND_LINE),
            Self::Follows(key) => write!(formatter, "{FOLLOWS} {key}"),
        }
    }
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(formatter, "{key} ({}): {}", self.source, self.message),
            None => write!(formatter, "{}: {}", self.source, self.message),
        }
    }
}

/// One line for each problem.
impl fmt::Display for SettingProblems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for SettingProblems {}
