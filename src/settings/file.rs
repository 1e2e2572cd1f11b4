//! The settings file.

use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::layer::Layer;
use super::problem::{SettingProblem, SettingSource};
use super::schema::{PROJECT_KEYS, PROJECTS, Schema, nearest, unknown};
use crate::files::{self, FilePath, SmallFile};

/// The longest name of an unknown key that a message repeats. Settings have short names, keys of Nebuly are long.
const MAX_NAME: usize = 32;

/// Shown in place of a name that may be a secret.
const HIDDEN_NAME: &str = "(a name that is not shown)";

/// Reads a settings file. Unknown keys and wrong types are added to the problems and left out of the layer, so that the
/// rest is still checked. Returns `None` if the file cannot be read or is not TOML. It may be a pipe, as in
/// `--config <(…)`, that is written to its end before the deadline.
pub(super) fn read(path: &Path, schema: &Schema, problems: &mut Vec<SettingProblem>) -> Option<Layer> {
    let bytes = match SmallFile::or_pipe(path.into(), files::MAX_LEN).begin().wait() {
        Ok(bytes) => bytes,
        Err(error) => {
            let source = SettingSource::File(path.into());
            problems.push(SettingProblem::with_source(source, format!("cannot be read: {error}")));
            return None;
        }
    };
    let source = SettingSource::File(FilePath::known(path));
    let Ok(text) = String::from_utf8(bytes) else {
        problems.push(SettingProblem::with_source(source, "not UTF-8"));
        return None;
    };
    match Toml::from_str::<Dict>(&text) {
        Ok(mut values) => {
            FileChecker { schema, source: &source, problems }.check(&mut values);
            Some(Layer::new(source, values))
        }
        Err(error) => {
            // The parser's own message quotes the line, which may hold a key.
            let at = position(&text, error.span().map_or(0, |span| span.start));
            problems.push(SettingProblem::with_source(source, format!("not TOML ({at})")));
            None
        }
    }
}

/// Compares a file with the list of settings.
struct FileChecker<'a> {
    schema: &'a Schema,
    source: &'a SettingSource,
    problems: &'a mut Vec<SettingProblem>,
}

impl FileChecker<'_> {
    /// Refuses and removes everything that is no setting, except under `projects`, which shows that there are some.
    fn check(&mut self, values: &mut Dict) {
        values.retain(|section, value| {
            if section == PROJECTS {
                self.check_projects(value);
                return true;
            }
            let Some(known) = self.schema.section(section) else {
                self.refuse_section(section);
                return false;
            };
            let Value::Dict(_, settings) = value else {
                self.refuse(section.clone(), format!("not a section: write it as [{section}]"));
                return false;
            };
            settings.retain(|name, _| {
                let is_known = known.contains_key(name);
                if !is_known {
                    let similar = self.schema.similar(section, name);
                    self.refuse(format!("{section}.{}", shown(name)), unknown(similar.as_deref()));
                }
                is_known
            });
            true
        });
    }

    fn check_projects(&mut self, value: &mut Value) {
        let Value::Array(_, projects) = value else {
            self.refuse(PROJECTS.to_owned(), "not a list: write each project as [[projects]]".to_owned());
            return;
        };
        for (index, project) in projects.iter_mut().enumerate() {
            let path = format!("{PROJECTS}[{index}]");
            let Value::Dict(_, settings) = project else {
                self.refuse(path, "not a project: write it as [[projects]]".to_owned());
                continue;
            };
            settings.retain(|name, _| {
                let is_known = PROJECT_KEYS.contains(&name.as_str());
                if !is_known {
                    let similar =
                        nearest(name, PROJECT_KEYS.into_iter()).map(|known| format!("{path}.{known}"));
                    self.refuse(format!("{path}.{}", shown(name)), unknown(similar.as_deref()));
                }
                is_known
            });
        }
    }

    fn refuse_section(&mut self, name: &str) {
        // A setting above the first section header has lost its section.
        let setting = self.schema.settings().find(|(_, known)| *known == name);
        let similar = match setting {
            Some((section, known)) => Some(format!("{section}.{known}")),
            None => self.schema.similar_section(name).map(str::to_owned),
        };
        self.refuse(shown(name).to_owned(), unknown(similar.as_deref()));
    }

    fn refuse(&mut self, key: String, message: String) {
        self.problems.push(SettingProblem::new(key, self.source.clone(), message));
    }
}

/// Returns the name of an unknown key, unless it could be a secret on the wrong side of an equals sign.
fn shown(name: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'-';
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain) { name } else { HIDDEN_NAME }
}

/// Returns line and column of a byte of a text, both from 1.
fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    format!("line {line}, column {column}")
}
