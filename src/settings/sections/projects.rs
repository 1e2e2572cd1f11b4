//! `[[projects]]`: the projects of Nebuly, each with its API key.

use secrecy::SecretString;

use super::nebuly::{RESOLVE, Resolve, resolve};
use crate::domain::{ProjectIndex, ProjectName};
use crate::files::FilePath;
use crate::settings::problem::SettingSource;
use crate::settings::reader::{ProjectEntry, SET, SettingReader, shown};
use crate::settings::schema::PROJECTS;
use crate::settings::value::{Parsed, path, printable};

/// The longest API key, in bytes: it has to fit into a request head beside everything else.
const MAX_KEY_LEN: usize = 4096;

/// The longest project or organization id, in bytes.
const MAX_ID_LEN: usize = 128;

/// A Nebuly project: its API key, and its ids if they are known.
#[derive(Debug, Clone)]
pub struct ProjectSettings {
    /// Distinct among all projects.
    pub name: ProjectName,
    /// The source of its API key.
    pub key: ApiKeySetting,
    /// As in a Nebuly page's address bar; set together with `organization_id` or not at all.
    pub project_id: Option<String>,
    /// As in a Nebuly page's address bar.
    pub organization_id: Option<String>,
}

/// The source of an API key.
#[derive(Debug, Clone)]
pub enum ApiKeySetting {
    /// In the settings or the environment: 1 to 4096 bytes of visible ASCII.
    Inline(SecretString),
    /// In a file, which nothing has read yet: the client of Nebuly reads it, and reads it again when it changes.
    File(FilePath),
    /// No key is needed, since Nebuly is never called.
    NotNeeded,
}

impl ProjectSettings {
    /// Reads all projects: at least one, at most [`ProjectIndex::MAX_PROJECTS`], with distinct names. One that cannot be
    /// read is left out, since its problem fails the load anyway. `is_named` tells that a project is named somewhere, so
    /// that there is a problem already if none is found here.
    pub(in crate::settings) fn read_all(reader: &mut SettingReader<'_>, is_named: bool) -> Vec<Self> {
        let entries = reader.projects();
        if entries.is_empty() && !is_named {
            let message = "no project is set: set NEBULY_API_KEY or NEBULY_API_KEY_FILE in the environment, \
                       or [[projects]] in the settings file";
            reader.refuse_at(PROJECTS, SettingSource::Default, message);
        }
        if let Some(first_too_many) = entries.get(ProjectIndex::MAX_PROJECTS) {
            let source = first_too_many.source(reader, "name");
            let message = format!("more than {} projects", ProjectIndex::MAX_PROJECTS);
            reader.refuse_at(PROJECTS, source, message);
        }
        let mut projects: Vec<Self> = Vec::new();
        for entry in &entries {
            let Some(project) = Self::read(reader, entry) else { continue };
            if projects.iter().any(|other| other.name == project.name) {
                reader.refuse_project(entry, &["name"], "another project has this name");
            }
            projects.push(project);
        }
        projects
    }

    fn read(reader: &mut SettingReader<'_>, entry: &ProjectEntry) -> Option<Self> {
        let never_calls = reader.peek(RESOLVE, resolve) == Some(Resolve::Construct);
        let name = reader.read_project(entry, "name", name, |value, _| shown(value));
        if name.is_none() {
            reader.refuse_project(entry, &["name"], "not set: a project needs a name such as default");
        }
        let key = key(reader, entry, never_calls);
        let mut id =
            |name| reader.read_project(entry, name, printable(1..=MAX_ID_LEN), |value, _| shown(value));
        let project_id = id("project_id");
        let organization_id = id("organization_id");
        match (&project_id, &organization_id) {
            (Some(_), None) => {
                reader.refuse_project(
                    entry,
                    &["project_id", "organization_id"],
                    "set without organization_id",
                );
            }
            (None, Some(_)) => {
                reader.refuse_project(entry, &["organization_id", "project_id"], "set without project_id");
            }
            (None, None) if never_calls => {
                let message = "not set: nebuly.resolve = \"construct\" needs project_id and organization_id";
                reader.refuse_project(entry, &["project_id", "organization_id"], message);
            }
            _ => {}
        }
        Some(Self { name: name?, key: key?, project_id, organization_id })
    }
}

fn name(text: &str) -> Parsed<ProjectName> {
    ProjectName::try_from(text).map_err(|error| error.to_string().into())
}

/// Reads exactly one of `api_key` and `api_key_file`, or neither where Nebuly is never called.
fn key(reader: &mut SettingReader<'_>, entry: &ProjectEntry, never_calls: bool) -> Option<ApiKeySetting> {
    let inline = reader.read_project(entry, "api_key", printable(1..=MAX_KEY_LEN), |_, _| SET.to_owned());
    let file = reader.read_project(entry, "api_key_file", path, |_, path| path.to_string());
    let message = match (inline, file) {
        (Some(key), None) => return Some(ApiKeySetting::Inline(key.into())),
        (None, Some(path)) => return Some(ApiKeySetting::File(path)),
        (None, None) if never_calls => return Some(ApiKeySetting::NotNeeded),
        (Some(_), Some(_)) => "set beside api_key_file: keep one of the two",
        (None, None) => "neither api_key nor api_key_file is set",
    };
    reader.refuse_project(entry, &["api_key", "api_key_file"], message);
    None
}
