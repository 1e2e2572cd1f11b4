//! `[[projects]]`: the keys of Nebuly, one for each project.

use secrecy::SecretString;

use super::nebuly::{RESOLVE, Resolve, resolve};
use crate::domain::{ProjectIndex, ProjectName};
use crate::files::FilePath;
use crate::settings::problem::SettingSource;
use crate::settings::reader::{ProjectEntry, SettingReader, shown, shown_secret};
use crate::settings::schema::PROJECTS;
use crate::settings::value::{Parsed, optional, path, printable, text};

/// The longest API key, in bytes: it has to fit into a request head beside everything else.
const MAX_KEY_LEN: usize = 4096;

/// The longest project or organization id, in bytes.
const MAX_ID_LEN: usize = 128;

/// A Nebuly project: one key, and what is known of the project.
#[derive(Debug, Clone)]
pub struct ProjectSettings {
    /// Distinct among all projects.
    pub name: ProjectName,
    /// Where its API key is.
    pub key: ApiKeySetting,
    /// As in a Nebuly page's address bar; set together with `organization_id` or not at all.
    pub project_id: Option<String>,
    /// As in a Nebuly page's address bar.
    pub organization_id: Option<String>,
}

/// Where an API key is.
#[derive(Debug, Clone)]
pub enum ApiKeySetting {
    /// In the settings or the environment: 1 to 4096 bytes of visible ASCII.
    Inline(SecretString),
    /// In a file, which has not been looked at: it is read, and read again, by whoever calls Nebuly.
    File(FilePath),
    /// Nowhere: it is not needed, since Nebuly is never called.
    NotNeeded,
}

/// All projects: at least one, at most [`ProjectIndex::MAX_PROJECTS`], with distinct names. `is_named` if a project is named somewhere: if
/// none can be read, the reason has been reported already.
pub(in crate::settings) fn read(
    reader: &mut SettingReader<'_>,
    is_named: bool,
) -> Option<Vec<ProjectSettings>> {
    let items = reader.projects();
    if items.is_empty() {
        if !is_named {
            let message = "no project is set: set NEBULY_API_KEY or NEBULY_API_KEY_FILE in the environment, \
                           or [[projects]] in the settings file";
            reader.refuse_at(PROJECTS, SettingSource::Default, message);
        }
        return None;
    }
    if let Some(first_too_many) = items.get(ProjectIndex::MAX_PROJECTS) {
        let source = first_too_many.source(reader, "name");
        let message = format!("more than {} projects", ProjectIndex::MAX_PROJECTS);
        reader.refuse_at(PROJECTS, source, message);
    }
    // Each one is read, although the first may already be wrong.
    let read: Vec<Option<ProjectSettings>> = items.iter().map(|item| project(reader, item)).collect();
    let projects = read.into_iter().collect::<Option<Vec<_>>>()?;
    for (index, (item, project)) in items.iter().zip(&projects).enumerate() {
        if projects.iter().take(index).any(|other| other.name == project.name) {
            let source = item.source(reader, "name");
            reader.refuse_at(item.key("name"), source, "another project has this name");
        }
    }
    Some(projects)
}

fn project(reader: &mut SettingReader<'_>, item: &ProjectEntry) -> Option<ProjectSettings> {
    let name = required_name(reader, item);
    let key = key(reader, item);
    let id = |value: &_| optional(printable(1..=MAX_ID_LEN))(value);
    let show = |value: &_, _: &_| shown(value);
    let project_id = reader.read_item(item, "project_id", id, show);
    let organization_id = reader.read_item(item, "organization_id", id, show);
    match (&project_id, &organization_id) {
        (Some(Some(_)), Some(None)) => refuse(reader, item, "project_id", "set without organization_id"),
        (Some(None), Some(Some(_))) => refuse(reader, item, "organization_id", "set without project_id"),
        (Some(None), Some(None)) if never_calls(reader) => {
            let message = "not set: nebuly.resolve = \"construct\" needs project_id and organization_id";
            refuse(reader, item, "project_id", message);
        }
        _ => {}
    }
    Some(ProjectSettings {
        name: name?,
        key: key?,
        project_id: project_id?,
        organization_id: organization_id?,
    })
}

/// Whether every URL is constructed.
fn never_calls(reader: &SettingReader<'_>) -> bool {
    reader.peek(RESOLVE, resolve) == Some(Resolve::Construct)
}

fn required_name(reader: &mut SettingReader<'_>, item: &ProjectEntry) -> Option<ProjectName> {
    let parse = optional(|text: &str| ProjectName::try_from(text).map_err(|error| error.to_string().into()));
    let name = reader.read_item(item, "name", parse, |value, _| shown(value))?;
    if name.is_none() {
        refuse(reader, item, "name", "not set: a project needs a name such as default");
    }
    name
}

/// Exactly one of `api_key` and `api_key_file`, or neither where Nebuly is never called.
fn key(reader: &mut SettingReader<'_>, item: &ProjectEntry) -> Option<ApiKeySetting> {
    let inline = reader.read_item(item, "api_key", api_key, |_, _| shown_secret(true));
    let file = reader.read_item(item, "api_key_file", optional(path), |_, path| path.to_string());
    match (inline?, file?) {
        (Some(key), None) => Some(ApiKeySetting::Inline(key)),
        (None, Some(path)) => Some(ApiKeySetting::File(path)),
        (Some(_), Some(_)) => {
            refuse(reader, item, "api_key", "set beside api_key_file: keep one of the two");
            None
        }
        (None, None) if never_calls(reader) => Some(ApiKeySetting::NotNeeded),
        (None, None) => {
            refuse(reader, item, "api_key", "neither api_key nor api_key_file is set");
            None
        }
    }
}

/// A key without surrounding white space, as it can stand in a header.
fn api_key(value: &figment::value::Value) -> Parsed<Option<SecretString>> {
    let key = text(value)?;
    if key.is_empty() {
        return Ok(None);
    }
    printable(1..=MAX_KEY_LEN)(key).map(|key| Some(key.into()))
}

fn refuse(reader: &mut SettingReader<'_>, item: &ProjectEntry, name: &str, message: &str) {
    let source = item.source(reader, name);
    reader.refuse_at(item.key(name), source, message);
}
