//! The projects of Nebuly's that are asked.

use std::sync::Arc;

use opentelemetry_sdk::trace::SdkTracer;

use super::StartError;
use crate::domain::ProjectIds;
use crate::files::{self, FilePath, SmallFile};
use crate::nebuly::{self, ApiKey, Endpoint, Keys, Nebuly};
use crate::settings::{self, ApiKeySetting, Resolve, Settings};

/// The clients of all projects.
pub struct Projects {
    /// In the order of the settings.
    pub clients: Vec<Nebuly>,
    /// Their keys, to be watched for changes.
    pub keys: Arc<Keys>,
}

/// A client for each project, whose calls make spans if there is a tracer. That some have no key yet is no error, but
/// that all have none is, unless Nebuly is never called.
pub fn projects_of(settings: &Settings, tracer: Option<SdkTracer>) -> Result<Projects, StartError> {
    install_crypto_provider();
    let certificate_authorities = settings.nebuly.ca_file.as_ref();
    let options = nebuly::Options {
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
    let shared = nebuly::Shared::new(settings.nebuly.max_in_flight);
    let client = |project: &settings::ProjectSettings| {
        Ok::<_, StartError>(Nebuly::new(&options, project.name.clone(), key(project)?, &shared)?)
    };
    let clients = settings.projects.iter().map(client).collect::<Result<_, _>>()?;
    let keys = Arc::clone(shared.keys());
    keys.load();
    if settings.nebuly.resolve == Resolve::Api && !keys.any() {
        return Err(StartError::NoKey(keys.complaints().join("; ")));
    }
    Ok(Projects { clients, keys })
}

/// The ids that URLs of a project are built from, if the operator set them.
pub(super) fn ids(project: &settings::ProjectSettings) -> Option<ProjectIds> {
    Some(ProjectIds {
        project_id: project.project_id.clone()?,
        organization_id: project.organization_id.clone()?,
    })
}

/// Certificate authorities in PEM.
pub(super) fn read_authorities(setting: &'static str, path: &FilePath) -> Result<Vec<u8>, StartError> {
    let refused = |error| StartError::CertificateAuthorities { setting, path: path.clone(), error };
    SmallFile::new(path.clone(), files::MAX_LEN).begin().wait().map_err(refused)
}

pub(super) fn install_crypto_provider() {
    // Only the first call in a process does anything; there is one provider, so whose it was does not matter.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn key(project: &settings::ProjectSettings) -> Result<nebuly::KeySource, StartError> {
    Ok(match &project.key {
        ApiKeySetting::Inline(secret) => {
            let key = ApiKey::new(secret)
                .map_err(|error| StartError::Key { project: project.name.to_string(), error })?;
            nebuly::KeySource::Inline(key)
        }
        ApiKeySetting::File(path) => nebuly::KeySource::File(path.clone()),
        ApiKeySetting::NotNeeded => nebuly::KeySource::NotNeeded,
    })
}
