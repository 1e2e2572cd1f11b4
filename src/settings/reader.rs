//! Reads each setting by itself, so that all problems are found at once.

use figment::Figment;
use figment::value::{Dict, Value};
use url::Url;

use super::problem::{SettingProblem, SettingSource, escaped};
use super::schema::{BrokenDefaults, PROJECTS, Schema};
use super::urls;
use super::value::{Parsed, optional};
use crate::files::FilePath;

/// Shown in place of an empty setting.
const NOT_SET: &str = "(not set)";

/// Shown in place of a secret.
pub(super) const SET: &str = "(set)";

/// A setting as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Such as `cache.ttl`.
    pub key: String,
    /// The value on one line; in place of a secret `(set)`, and of a URL that may hold a password its host.
    pub value: String,
    /// The source of the value.
    pub source: SettingSource,
    /// True if it does not differ from the default, whatever its source.
    pub is_default: bool,
}

/// Takes settings out of the layers, and collects everything that is wrong with them.
///
/// A setting that cannot be read has its default, so that reading goes on and finds every other problem.
pub(super) struct SettingReader<'a> {
    figment: Figment,
    merged: Value,
    schema: &'a Schema,
    problems: Vec<SettingProblem>,
    warnings: Vec<SettingProblem>,
    effective: Vec<EffectiveSetting>,
    /// The keys of settings that cannot be read.
    unreadable: Vec<String>,
}

/// One entry of `[[projects]]`.
pub(super) struct ProjectEntry {
    path: String,
    source: SettingSource,
    settings: Dict,
}

impl<'a> SettingReader<'a> {
    /// Reads from all layers. `problems` and `warnings` are those that were found in the layers.
    pub(super) fn new(
        figment: Figment,
        schema: &'a Schema,
        problems: Vec<SettingProblem>,
        warnings: Vec<SettingProblem>,
    ) -> Self {
        // Our layers always have data; without any, each setting would be reported as missing.
        let merged = figment.find_value("").unwrap_or_else(|_| Value::from(Dict::new()));
        let (effective, unreadable) = (Vec::new(), Vec::new());
        Self { figment, merged, schema, problems, warnings, effective, unreadable }
    }

    /// Reads a setting that is no secret.
    pub(super) fn read<T: PartialEq>(
        &mut self,
        key: &str,
        parse: impl Fn(&Value) -> Parsed<T>,
    ) -> Result<T, BrokenDefaults> {
        self.read_shown(key, parse, |value, _| shown(value))
    }

    /// Reads a setting that names a file, and shows it if it looks like a path.
    pub(super) fn read_path(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Parsed<FilePath>,
    ) -> Result<Option<FilePath>, BrokenDefaults> {
        self.read_shown(key, optional(parse), |_, path| shown_option(path.as_ref(), FilePath::to_string))
    }

    /// Reads a setting that is a URL and may hold a password, and shows its scheme, host and port.
    pub(super) fn read_secret_url(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Parsed<Url>,
    ) -> Result<Option<Url>, BrokenDefaults> {
        self.read_shown(key, optional(parse), |_, url| shown_option(url.as_ref(), urls::without_secrets))
    }

    /// Reads a setting whose value `show` turns into text.
    fn read_shown<T: PartialEq>(
        &mut self,
        key: &str,
        parse: impl Fn(&Value) -> Parsed<T>,
        show: impl Fn(&Value, &T) -> String,
    ) -> Result<T, BrokenDefaults> {
        let default = self.schema.default(key).and_then(|default| parse(default).ok());
        let (Some(default), Some(value)) = (default, self.merged.find_ref(key).cloned()) else {
            return Err(BrokenDefaults::Setting(key.to_owned()));
        };
        let source = self.source_of(&value);
        let Some(setting) = self.accept(key, source.clone(), parse(&value)) else { return Ok(default) };
        let is_default = setting == default;
        let value = show(&value, &setting);
        self.effective.push(EffectiveSetting { key: key.to_owned(), value, source, is_default });
        Ok(setting)
    }

    /// Returns the entries of `[[projects]]` that are tables.
    pub(super) fn projects(&self) -> Vec<ProjectEntry> {
        let entries = self.merged.find_ref(PROJECTS).and_then(Value::as_array).unwrap_or_default();
        let item = |(index, entry): (usize, &Value)| {
            let settings = entry.as_dict()?.clone();
            Some(ProjectEntry {
                path: format!("{PROJECTS}[{index}]"),
                source: self.source_of(entry),
                settings,
            })
        };
        entries.iter().enumerate().filter_map(item).collect()
    }

    /// Reads a setting again, for a rule between settings. No problem is added, and nothing is listed.
    pub(super) fn peek<T>(&self, key: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        self.merged.find_ref(key).and_then(|value| parse(value).ok())
    }

    /// Reads a setting of one project. Returns `None` if it is not set or cannot be read.
    pub(super) fn read_project<T>(
        &mut self,
        project: &ProjectEntry,
        name: &str,
        parse: impl Fn(&str) -> Parsed<T>,
        show: impl Fn(&Value, &T) -> String,
    ) -> Option<T> {
        let key = project.key(name);
        let value = project.settings.get(name)?;
        let source = self.source_of(value);
        let setting = self.accept(&key, source.clone(), optional(parse)(value))??;
        let value = show(value, &setting);
        self.effective.push(EffectiveSetting { key, value, source, is_default: false });
        Some(setting)
    }

    /// Adds a problem between settings, at the first of them that is set. Skipped if one of them cannot be read.
    pub(super) fn refuse(&mut self, keys: &[&str], message: impl Into<String>) {
        let set = keys.iter().find(|key| self.source(key).is_set()).or(keys.first());
        if let Some(key) = set
            && !self.is_any_unreadable(keys)
        {
            self.refuse_at(*key, self.source(key), message);
        }
    }

    /// Adds a problem between settings of a project, at the first of them. Skipped if one of them cannot be read.
    pub(super) fn refuse_project(&mut self, project: &ProjectEntry, names: &[&str], message: &str) {
        let keys: Vec<_> = names.iter().map(|name| project.key(name)).collect();
        if let (Some(name), Some(key)) = (names.first(), keys.first())
            && !self.is_any_unreadable(&keys)
        {
            self.refuse_at(key, project.source(self, name), message);
        }
    }

    /// Adds a problem with a value of a known source.
    pub(super) fn refuse_at(
        &mut self,
        key: impl Into<String>,
        source: SettingSource,
        message: impl Into<String>,
    ) {
        self.problems.push(SettingProblem::new(key, source, message));
    }

    /// Adds a warning: the setting works, but is probably a mistake.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>) {
        self.warnings.push(SettingProblem::new(key, self.source(key), message));
    }

    /// Returns the source of a setting's value.
    pub(super) fn source(&self, key: &str) -> SettingSource {
        self.merged.find_ref(key).map_or(SettingSource::Default, |value| self.source_of(value))
    }

    /// Reads settings that are in no layer, by a function that adds their problems.
    pub(super) fn read_elsewhere<T>(&mut self, read: impl FnOnce(&mut Vec<SettingProblem>) -> T) -> T {
        read(&mut self.problems)
    }

    /// Returns the settings in effect, the warnings and all problems.
    pub(super) fn finish(self) -> (Vec<EffectiveSetting>, Vec<SettingProblem>, Vec<SettingProblem>) {
        (self.effective, self.warnings, self.problems)
    }

    fn accept<T>(&mut self, key: &str, source: SettingSource, parsed: Parsed<T>) -> Option<T> {
        let refuse = |message| {
            self.problems.push(SettingProblem::new(key, source, message));
            self.unreadable.push(key.to_owned());
        };
        parsed.map_err(refuse).ok()
    }

    /// Returns true if one of the settings cannot be read. It has a problem already, and its default must break no
    /// rule.
    fn is_any_unreadable(&self, keys: &[impl AsRef<str>]) -> bool {
        self.unreadable.iter().any(|unreadable| keys.iter().any(|key| key.as_ref() == unreadable))
    }

    /// Returns the source of a value by its own tag: the tag of a section names only the last layer that has the
    /// section.
    fn source_of(&self, value: &Value) -> SettingSource {
        self.figment.get_metadata(value.tag()).map_or(SettingSource::Default, SettingSource::from_metadata)
    }
}

impl ProjectEntry {
    /// Returns the full key of one of its settings.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// Returns the source of a setting, or the source of the entry if the setting is absent.
    pub(super) fn source(&self, reader: &SettingReader<'_>, name: &str) -> SettingSource {
        self.settings.get(name).map_or_else(|| self.source.clone(), |value| reader.source_of(value))
    }
}

/// Shows a value on one line.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(_, text) => escaped(text.trim()),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => match (number.to_u128_lossy(), number.to_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(float)) => float.to_string(),
            (None, None) => String::new(),
        },
        Value::Array(_, values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Char(..) | Value::Empty(..) | Value::Dict(..) => String::new(),
    };
    if text.is_empty() { NOT_SET.to_owned() } else { text }
}

/// Shows a value that may be absent.
fn shown_option<T>(value: Option<&T>, show: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| NOT_SET.to_owned(), show)
}
