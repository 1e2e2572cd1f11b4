//! Settings on the command line.

use super::layer::Layer;
use super::problem::{SettingProblem, SettingSource, escaped};
use super::schema::{SECRETS, Schema, unknown};

/// Takes the settings out of the options: one layer for each.
pub(super) fn read(
    overrides: &[(String, String)],
    schema: &Schema,
    problems: &mut Vec<SettingProblem>,
) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (key, text) in overrides {
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        let message = if schema.default(key).is_none() {
            unknown(schema.similar(section, name).as_deref())
        } else if SECRETS.contains(&key.as_str()) {
            "a secret, and never taken from the command line".to_owned()
        } else {
            layers.push(Layer::of_text(SettingSource::CommandLine, section, name, text));
            continue;
        };
        problems.push(SettingProblem::new(escaped(key), SettingSource::CommandLine, message));
    }
    layers
}
