//! Where settings are looked for.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::files::FilePath;

/// What the process was given. It is passed in, so that tests need neither a process nor its environment.
#[derive(Clone, Default)]
pub struct SettingSources {
    /// The path of `--config`; without it `NEBULINK_CONFIG` of the environment counts.
    pub config_file: Option<PathBuf>,
    /// All environment variables; those of other programs are left alone.
    pub environment: Vec<(OsString, OsString)>,
    /// Key and value of each setting on the command line, such as `server.listen`. Secrets are refused there.
    pub overrides: Vec<(String, String)>,
}

impl SettingSources {
    /// The environment of this process, with what its command line says.
    #[must_use]
    pub fn of_process(config_file: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        Self { config_file, environment: std::env::vars_os().collect(), overrides }
    }
}

/// Names alone: values may be secrets.
impl fmt::Debug for SettingSources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        let keys: Vec<_> = self.overrides.iter().map(|(key, _)| key).collect();
        formatter
            .debug_struct("SettingSources")
            .field("config_file", &self.config_file.as_ref().map(FilePath::from))
            .field("environment", &variables)
            .field("overrides", &keys)
            .finish()
    }
}
