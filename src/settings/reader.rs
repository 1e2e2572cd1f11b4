//! Reads setting by setting, so that one mistake hides no other.

use figment::Figment;
use figment::value::{Dict, Value};

use super::not_yet::NO_EFFECT;
use super::problem::{SettingProblem, SettingProblems, SettingSource, escaped};
use super::schema::{PROJECTS, Schema};
use super::value::Parsed;
use crate::files::FilePath;

/// What is shown of an empty setting.
const NOT_SET: &str = "(not set)";

/// What is shown of a secret.
const SET: &str = "(set)";

/// A setting as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Such as `cache.ttl`.
    pub key: String,
    /// The value on one line; of a secret only whether it is set, and the host of a URL that may hold a password.
    pub value: String,
    /// Where it came from.
    pub source: SettingSource,
}

/// Takes settings out of the layers. A setting that cannot be read is `None`, and its problem has been noted.
pub(super) struct SettingReader<'a> {
    figment: Figment,
    merged: Value,
    schema: &'a Schema,
    not_yet: &'a [&'a str],
    problems: Vec<SettingProblem>,
    warnings: Vec<SettingProblem>,
    effective: Vec<EffectiveSetting>,
}

/// One entry of `[[projects]]`.
pub(super) struct ProjectEntry {
    path: String,
    source: SettingSource,
    settings: Dict,
}

impl<'a> SettingReader<'a> {
    /// Of all layers, with what was found in them, and the settings that have no effect yet.
    pub(super) fn new(
        figment: Figment,
        schema: &'a Schema,
        not_yet: &'a [&'a str],
        problems: Vec<SettingProblem>,
        warnings: Vec<SettingProblem>,
    ) -> Self {
        // Our layers always have data; without any, each setting would be reported as missing.
        let merged = figment.find_value("").unwrap_or_else(|_| Value::from(Dict::new()));
        Self { figment, merged, schema, not_yet, problems, warnings, effective: Vec::new() }
    }

    /// A setting that is no secret.
    pub(super) fn read<T: PartialEq>(&mut self, key: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        self.read_shown(key, parse, |value, _| shown(value))
    }

    /// A setting whose value is shown in a way of its own.
    pub(super) fn read_shown<T: PartialEq>(
        &mut self,
        key: &str,
        parse: impl Fn(&Value) -> Parsed<T>,
        show: impl Fn(&Value, &T) -> String,
    ) -> Option<T> {
        let Some(value) = self.merged.find_ref(key).cloned() else {
            self.problems.push(SettingProblem::new(key, SettingSource::Default, "has no default"));
            return None;
        };
        let source = self.source_of(&value);
        let setting = self.accept(key, source.clone(), parse(&value))?;
        let default = self.schema.default(key).map(&parse);
        if default.is_none_or(|default| default.as_ref() != Ok(&setting)) {
            self.refuse_if_not_yet(key, source.clone());
        }
        let value = show(&value, &setting);
        self.effective.push(EffectiveSetting { key: key.to_owned(), value, source });
        Some(setting)
    }

    /// A setting that names a file, shown if it looks like a path. `Some(None)` if it is empty.
    #[expect(clippy::option_option, reason = "whether it could be read, and whether it is set")]
    pub(super) fn read_path(
        &mut self,
        key: &str,
        parse: impl Fn(&Value) -> Parsed<Option<FilePath>>,
    ) -> Option<Option<FilePath>> {
        self.read_shown(key, parse, |_, path| {
            path.as_ref().map_or_else(|| NOT_SET.to_owned(), FilePath::to_string)
        })
    }

    /// The entries of `[[projects]]` that are tables.
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

    /// A setting once more, for a rule about several of them: neither noted nor shown.
    pub(super) fn peek<T>(&self, key: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        self.merged.find_ref(key).and_then(|value| parse(value).ok())
    }

    /// A setting of one project. `Some(None)` if it is not there, or empty.
    #[expect(clippy::option_option, reason = "whether it could be read, and whether it is set")]
    pub(super) fn read_item<T>(
        &mut self,
        item: &ProjectEntry,
        name: &str,
        parse: impl Fn(&Value) -> Parsed<Option<T>>,
        show: impl Fn(&Value, &T) -> String,
    ) -> Option<Option<T>> {
        let key = item.key(name);
        let Some(value) = item.settings.get(name) else { return Some(None) };
        let source = self.source_of(value);
        let setting = self.accept(&key, source.clone(), parse(value))?;
        if let Some(setting) = &setting {
            self.effective.push(EffectiveSetting { key, value: show(value, setting), source });
        }
        Some(setting)
    }

    /// Notes a problem between settings, at the first of them that somebody set.
    pub(super) fn refuse(&mut self, keys: &[&str], message: impl Into<String>) {
        let set = keys.iter().find(|key| self.source(key).is_set()).or(keys.first());
        if let Some(key) = set {
            self.refuse_at(*key, self.source(key), message);
        }
    }

    /// Notes a problem with a value of a known source.
    pub(super) fn refuse_at(
        &mut self,
        key: impl Into<String>,
        source: SettingSource,
        message: impl Into<String>,
    ) {
        self.problems.push(SettingProblem::new(key, source, message));
    }

    /// Notes something that is probably not meant, and works all the same.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>) {
        self.warnings.push(SettingProblem::new(key, self.source(key), message));
    }

    /// Notes that a setting has no effect in this version, if it is listed as such.
    fn refuse_if_not_yet(&mut self, key: &str, source: SettingSource) {
        if self.not_yet.contains(&key) {
            self.problems.push(SettingProblem::new(key, source, NO_EFFECT));
        }
    }

    /// Where a setting's value came from.
    pub(super) fn source(&self, key: &str) -> SettingSource {
        self.merged.find_ref(key).map_or(SettingSource::Default, |value| self.source_of(value))
    }

    /// The settings with their warnings, if nothing is wrong with any.
    pub(super) fn finish<T>(
        self,
        settings: Option<T>,
    ) -> Result<(T, Vec<EffectiveSetting>, Vec<SettingProblem>), SettingProblems> {
        match settings {
            Some(settings) if self.problems.is_empty() => Ok((settings, self.effective, self.warnings)),
            _ => Err(SettingProblems::new(self.problems)),
        }
    }

    fn accept<T>(&mut self, key: &str, source: SettingSource, parsed: Parsed<T>) -> Option<T> {
        parsed.map_err(|message| self.problems.push(SettingProblem::new(key, source, message))).ok()
    }

    /// The tag of the value itself: a section's own tag only tells which layer touched it last.
    fn source_of(&self, value: &Value) -> SettingSource {
        self.figment.get_metadata(value.tag()).map_or(SettingSource::Default, SettingSource::from_metadata)
    }
}

impl ProjectEntry {
    /// The full key of one of its settings.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// Where a setting came from; of one that is not there, where the entry did.
    pub(super) fn source(&self, reader: &SettingReader<'_>, name: &str) -> SettingSource {
        self.settings.get(name).map_or_else(|| self.source.clone(), |value| reader.source_of(value))
    }
}

/// A value on one line.
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

/// Whether a secret is set.
pub(super) fn shown_secret(is_set: bool) -> String {
    if is_set { SET } else { NOT_SET }.to_owned()
}
