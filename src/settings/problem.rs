//! What is wrong with the settings: all of it at once, each with its key and where it came from.

use figment::Metadata;
use std::fmt;

use crate::files::FilePath;
pub(super) use crate::text::escaped;

const COMMAND_LINE: &str = "command line";
const FOLLOWS: &str = "follows";

/// Where a setting's value came from.
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
    /// A default that was adapted to this setting, which somebody set.
    Follows(String),
}

/// One thing that is wrong. The message says what is expected, and never repeats a value: even a value of a harmless
/// setting may be a secret that was put in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The setting, such as `cache.ttl`, or nothing if all of a file is meant.
    pub key: Option<String>,
    /// Where the value came from, or what has to change where no single value is wrong.
    pub source: SettingSource,
    /// In plain words, without a value.
    pub message: String,
}

/// Everything that is wrong with the settings; at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblems(Vec<SettingProblem>);

impl SettingSource {
    /// Whether somebody set the value.
    pub(super) const fn is_set(&self) -> bool {
        matches!(self, Self::File(_) | Self::Environment(_) | Self::CommandLine)
    }

    /// How figment carries this source along with each value.
    pub(super) fn to_metadata(&self) -> Metadata {
        match self {
            Self::Default => Metadata::named("default"),
            Self::File(path) => Metadata::from("file", path.as_path()),
            Self::Environment(name) => Metadata::from("environment variable", name.as_str()),
            Self::CommandLine => Metadata::named(COMMAND_LINE),
            Self::Follows(key) => Metadata::from(FOLLOWS, key.as_str()),
        }
    }

    /// The reverse of [`Self::to_metadata`]; a file that values came from has been read.
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
    /// Of a list that must not be empty.
    pub(super) fn new(problems: Vec<SettingProblem>) -> Self {
        debug_assert!(!problems.is_empty(), "settings fail only with a reason");
        Self(problems)
    }

    /// Each problem, in the order of the sources and then of the settings.
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
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingProblems {}
