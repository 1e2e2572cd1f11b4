//! The clients for Nebuly's API, one for each project, with their keys.

use std::sync::Arc;

use opentelemetry_sdk::trace::SdkTracer;

use super::error::StartError;
use crate::domain::ProjectIds;
use crate::files::{self, FilePath, SmallFile};
use crate::nebuly::{self, ApiKey, Endpoint, Nebuly, ProjectKeys};
use crate::settings::{self, ApiKeySetting, Resolve, Settings};

/// The clients of all projects, and their keys.
pub struct NebulyClients {
    /// One for each project, in the order of the settings.
    pub clients: Vec<Nebuly>,
    /// Their keys; `ProjectKeys::watch` reloads those that are in files.
    pub keys: Arc<ProjectKeys>,
}

/// Makes a client for each project, whose calls make spans if there is a tracer. Fails if no project has a key, unless
/// Nebuly is never called; it is no error if only some have none yet.
pub fn nebuly_clients_of(
    settings: &Settings,
    tracer: Option<SdkTracer>,
) -> Result<NebulyClients, StartError> {
    let certificate_authorities = settings.nebuly.ca_file.as_ref();
    let options = nebuly::NebulyOptions {
        endpoint: Endpoint::new(&settings.nebuly.api_base_url),
        allowed_hosts: settings.nebuly.allowed_hosts.clone(),
        certificate_authorities: certificate_authorities
            .map(|path| read_authorities("nebuly.ca_file", path))
            .transpose()?,
        proxy: settings.nebuly.proxy.clone(),
        connect_timeout: settings.nebuly.connect_timeout,
        attempt_timeout: settings.nebuly.attempt_timeout,
        deadline: settings.nebuly.deadline,
        retries: settings.nebuly.retries,
        tracer,
    };
    let shared = nebuly::SharedClientState::new(settings.nebuly.max_in_flight);
    let client = |project: &settings::ProjectSettings| {
        Ok::<_, StartError>(Nebuly::new(&options, project.name.clone(), key(project)?, &shared)?)
    };
    let clients = settings.projects.iter().map(client).collect::<Result<_, _>>()?;
    let keys = Arc::clone(shared.keys());
    keys.load();
    if settings.nebuly.resolve == Resolve::Api && !keys.any() {
        return Err(StartError::NoKey(keys.last_file_errors().join("; ")));
    }
    Ok(NebulyClients { clients, keys })
}

/// The ids that URLs of a project are constructed from, if they are set.
pub(super) fn ids(project: &settings::ProjectSettings) -> Option<ProjectIds> {
    Some(ProjectIds {
        project_id: project.project_id.clone()?,
        organization_id: project.organization_id.clone()?,
    })
}

/// Reads a file of certificate authorities (PEM).
pub(super) fn read_authorities(setting: &'static str, path: &FilePath) -> Result<Vec<u8>, StartError> {
    let refused = |error| StartError::CertificateAuthorities { setting, path: path.clone(), error };
    SmallFile::new(path.clone(), files::MAX_LEN).begin().wait().map_err(refused)
}

fn key(project: &settings::ProjectSettings) -> Result<nebuly::ApiKeySource, StartError> {
    Ok(match &project.key {
        ApiKeySetting::Inline(secret) => {
            let key = ApiKey::new(secret)
                .map_err(|error| StartError::Key { project: project.name.to_string(), error })?;
            nebuly::ApiKeySource::Inline(key)
        }
        ApiKeySetting::File(path) => nebuly::ApiKeySource::File(path.clone()),
        ApiKeySetting::NotNeeded => nebuly::ApiKeySource::NotNeeded,
    })
}
