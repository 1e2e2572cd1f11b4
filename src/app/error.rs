//! The errors that stop the program from being built.

use crate::cache::SharedCacheError;
use crate::cache::snapshot::SnapshotError;
use crate::files::FilePath;
use crate::nebuly::{self, InvalidKey};
use crate::telemetry::TracesError;
use crate::web::caller::ApiTokensError;

/// The program cannot be built from these settings. Each ends the start with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No project is set.
    #[error("there is no project")]
    NoProject,
    /// All keys are in files, and no file has a usable one.
    #[error("no project has a usable key: {0}")]
    NoKey(String),
    /// A key is not valid.
    #[error("the key of project {project} cannot be used")]
    Key {
        /// The project that the key is for.
        project: String,
        /// The reason.
        #[source]
        error: InvalidKey,
    },
    /// A file of certificate authorities cannot be read.
    #[error("{setting} {path} cannot be read")]
    CertificateAuthorities {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: FilePath,
        /// The reason.
        #[source]
        error: std::io::Error,
    },
    /// `access.api_tokens_file` cannot be used.
    #[error("access.api_tokens_file {path} cannot be used")]
    ApiTokens {
        /// The file.
        path: FilePath,
        /// The reason.
        #[source]
        error: ApiTokensError,
    },
    /// The client for Nebuly cannot be built.
    #[error(transparent)]
    Nebuly(#[from] nebuly::ClientError),
    /// The shared cache cannot be used as it is set.
    #[error(transparent)]
    SharedCache(#[from] SharedCacheError),
    /// The snapshot cannot be kept where `cache.snapshot_file` says.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Traces cannot be sent as they are set.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The operating system gives no thread.
    #[error("no thread can be started")]
    Threads(#[source] std::io::Error),
}
