//! Settings: defaults, then a TOML file, then the environment, then the command line.
//!
//! Every default stands once, with its unit and its reason, in `config/default.toml`; nothing here repeats one. The
//! layers are merged by figment, which remembers where each value came from. Then each setting is read by itself, so
//! that all problems are reported at once.
//!
//! No problem ever repeats a value, so that none can give a secret away.
//!
//! A setting is declared twice in its section: as a field of the struct, with its type and meaning, and in `read` right
//! below, with its key and parser. Everything else (that it exists, its default, its variable, its
//! row in `nebulink check` and in the docs) follows from `config/default.toml`. A macro could join the two, but would
//! hide the structs from editors and rustdoc; serde could as well, but stops at the first mistake.

mod dependent_defaults;
mod environment;
mod file;
mod layer;
mod problem;
mod reader;
mod schema;
mod sections;
mod urls;
mod value;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use figment::Figment;

pub use self::problem::{SettingProblem, SettingProblems, SettingSource};
pub use self::reader::EffectiveSetting;
pub use self::sections::*;

use self::dependent_defaults::LISTENERS;
use self::layer::Layer;
use self::reader::SettingReader;
use self::schema::{BrokenDefaults, Schema};
use crate::files::FilePath;

/// All settings, validated. `config/default.toml` explains each of them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Listeners, connections and shutdown.
    pub server: ServerSettings,
    /// The address of Nebuly, and the calls to it.
    pub nebuly: NebulySettings,
    /// 1 to 128, with distinct names.
    pub projects: Vec<ProjectSettings>,
    /// The links in memory, and their snapshot.
    pub cache: CacheSettings,
    /// Redis or Valkey.
    pub shared_cache: SharedCacheSettings,
    /// The redirect, and what happens during an outage of Nebuly.
    pub redirect: RedirectSettings,
    /// Who may use nebulink.
    pub access: AccessSettings,
    /// Rate limits of one caller.
    pub limits: LimitsSettings,
    /// The preview of an item before it is opened.
    pub preview: PreviewSettings,
    /// Finding items by the customer's own tags.
    pub lookup: LookupSettings,
    /// The log.
    pub log: LogSettings,
    /// Traces, if a collector is named.
    pub traces: Option<TracesSettings>,
}

/// Settings, with their sources.
#[derive(Debug, Clone)]
pub struct LoadedSettings {
    /// The settings that the program runs with.
    pub settings: Settings,
    /// Each setting as people may see it, section by section.
    pub effective: Vec<EffectiveSetting>,
    /// Settings that are probably a mistake, and work all the same.
    pub warnings: Vec<SettingProblem>,
}

/// Everything that settings are read from. It is passed in, so that tests need neither a process nor its environment.
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
    /// The environment of this process, and options of its command line.
    #[must_use]
    pub fn of_process(config_file: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        Self { config_file, environment: std::env::vars_os().collect(), overrides }
    }

    /// The path of the settings file, if there is one.
    fn config_file(&self) -> Option<PathBuf> {
        let named = || environment::find(&self.environment, environment::CONFIG_FILE).map(PathBuf::from);
        self.config_file.clone().or_else(named)
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

impl Settings {
    /// Reads all settings. Only files that settings name are read, and of API keys not even those.
    pub fn load(sources: &SettingSources) -> Result<LoadedSettings, SettingProblems> {
        let (loaded, problems) = Self::inspect(sources)?;
        if problems.is_empty() { Ok(loaded) } else { Err(SettingProblems::new(problems)) }
    }

    /// Reads all settings, and returns what is wrong beside what is right: a setting that cannot be read has its default.
    pub fn inspect(
        sources: &SettingSources,
    ) -> Result<(LoadedSettings, Vec<SettingProblem>), SettingProblems> {
        let schema = Schema::embedded()?;
        let (mut reader, project_is_named) = Self::reader(sources, &schema);
        let traces = reader.read_elsewhere(|problems| TracesSettings::read(&sources.environment, problems));
        let settings = Self::read(&mut reader, project_is_named, traces)?;
        dependent_defaults::check(&mut reader);
        let (effective, warnings, problems) = reader.finish();
        Ok((LoadedSettings { settings, effective, warnings }, problems))
    }

    /// Reads `server.management_listen` alone, and no file but that of the settings. Other settings may be wrong: only a
    /// problem with the listeners, or with a whole source, is an error.
    pub fn management_listen(sources: &SettingSources) -> Result<SocketAddr, SettingProblems> {
        let schema = Schema::embedded()?;
        let (mut reader, _) = Self::reader(sources, &schema);
        let address = ServerSettings::read(&mut reader)?.management_listen;
        let (.., mut problems) = reader.finish();
        problems.retain(|problem| problem.key.as_deref().is_none_or(|key| LISTENERS.contains(&key)));
        if problems.is_empty() { Ok(address) } else { Err(SettingProblems::new(problems)) }
    }

    /// Reads the sources and lays one upon the other. The flag is true if a project is named in them, even a wrong one.
    fn reader<'a>(sources: &SettingSources, schema: &'a Schema) -> (SettingReader<'a>, bool) {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let path = sources.config_file();
        let file = path.as_ref().and_then(|path| file::read(path, schema, &mut problems));
        let file_is_broken = path.is_some() && file.is_none();
        let file_names_projects = file.as_ref().is_some_and(Layer::names_projects);
        let environment = environment::read(
            &sources.environment,
            schema,
            file_names_projects,
            &mut problems,
            &mut warnings,
        );
        let command_line = Layer::of_command_line(&sources.overrides, schema, &mut problems);

        let defaults = Layer::new(SettingSource::Default, schema.defaults().clone());
        let layers = [defaults].into_iter().chain(file).chain(environment.layers).chain(command_line);
        let figment = dependent_defaults::adapt_defaults(layers.fold(Figment::new(), Figment::merge));
        let project_is_named = file_is_broken || file_names_projects || environment.names_project;
        (SettingReader::new(figment, schema, problems, warnings), project_is_named)
    }

    fn read(
        reader: &mut SettingReader<'_>,
        project_is_named: bool,
        traces: Option<TracesSettings>,
    ) -> Result<Self, BrokenDefaults> {
        let server = ServerSettings::read(reader)?;
        let nebuly = NebulySettings::read(reader)?;
        let access = AccessSettings::read(reader, &server)?;
        Ok(Self {
            projects: ProjectSettings::read_all(reader, project_is_named),
            cache: CacheSettings::read(reader)?,
            shared_cache: SharedCacheSettings::read(reader)?,
            redirect: RedirectSettings::read(reader)?,
            limits: LimitsSettings::read(reader)?,
            preview: PreviewSettings::read(reader, &access, &nebuly)?,
            lookup: LookupSettings::read(reader, &nebuly)?,
            log: LogSettings::read(reader)?,
            server,
            nebuly,
            access,
            traces,
        })
    }
}
