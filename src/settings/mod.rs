//! Settings: defaults, then a TOML file, then the environment, then the command line.
//!
//! Every default stands once, with its unit and its reason, in `config/default.toml`; nothing here repeats one. The
//! layers are merged by figment, which remembers where each value came from. Then each setting is read by itself, so
//! that all problems are reported at once.
//!
//! No problem ever repeats a value, so that none can give a secret away.
//!
//! A setting is declared twice: as a field of its section, with its type and what it means, and right below where the
//! field is filled, with its key and what it may be. Everything else (that it exists, its default, its variable, its row
//! in `nebulink check` and in the docs) follows from `config/default.toml`. A macro could join the two, but would hide the
//! structs from editors and rustdoc; serde could as well, but stops at the first mistake.

mod command_line;
mod dependent_defaults;
mod environment;
mod file;
mod layer;
mod not_yet;
mod problem;
mod reader;
mod schema;
mod sections;
mod sources;
mod urls;
mod value;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use figment::Figment;

pub use self::problem::{SettingProblem, SettingProblems, SettingSource};
pub use self::reader::EffectiveSetting;
pub use self::sections::{
    AccessLogSetting, AccessSettings, ApiKeySetting, CacheSettings, LimitsSettings, LogFormatSetting,
    LogSettings, LookupSettings, NebulySettings, OnOutage, PreviewSettings, ProjectSettings, ProxyUrl,
    RedirectSettings, Resolve, SamplingSettings, ServerSettings, SharedCacheSettings, TelemetrySettings,
    TracesCaFile, TracesSettings,
};
pub use self::sources::SettingSources;

use self::layer::Layer;
use self::not_yet::NOT_YET;
use self::reader::SettingReader;
use self::schema::{BrokenDefaults, Schema};

/// All settings, validated. See `config/default.toml` for what each one means.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Listeners, connections, and how they end.
    pub server: ServerSettings,
    /// Where Nebuly is, and how it is asked.
    pub nebuly: NebulySettings,
    /// 1 to 128, with distinct names.
    pub projects: Vec<ProjectSettings>,
    /// Links in memory, and their snapshot.
    pub cache: CacheSettings,
    /// Redis or Valkey.
    pub shared_cache: SharedCacheSettings,
    /// What a redirect says, and what happens without Nebuly.
    pub redirect: RedirectSettings,
    /// Who may ask.
    pub access: AccessSettings,
    /// What one caller may cost.
    pub limits: LimitsSettings,
    /// What is shown of an item before it is opened.
    pub preview: PreviewSettings,
    /// Finding items by the customer's own tags.
    pub lookup: LookupSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Traces.
    pub telemetry: TelemetrySettings,
}

/// Settings, and where they came from.
#[derive(Debug, Clone)]
pub struct LoadedSettings {
    /// What the program runs with.
    pub settings: Settings,
    /// Each setting as people may see it, section by section in the order of the design.
    pub effective: Vec<EffectiveSetting>,
    /// What is probably not meant, and works all the same.
    pub warnings: Vec<SettingProblem>,
}

impl Settings {
    /// Reads all settings. Only files that settings name are read, and of API keys not even those.
    pub fn load(sources: &SettingSources) -> Result<LoadedSettings, SettingProblems> {
        Self::load_without(NOT_YET, sources)
    }

    /// [`Self::load`], with the settings that have no effect.
    fn load_without(not_yet: &[&str], sources: &SettingSources) -> Result<LoadedSettings, SettingProblems> {
        let schema = Schema::embedded()?;
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let path = config_file(sources);
        let file = path.as_ref().and_then(|path| file::read(path, &schema, &mut problems));
        let file_is_broken = path.is_some() && file.is_none();
        let file_names_projects = file.as_ref().is_some_and(Layer::names_projects);
        let environment = environment::read(
            &sources.environment,
            &schema,
            file_names_projects,
            &mut problems,
            &mut warnings,
        );
        let telemetry = TelemetrySettings::read(&sources.environment, &mut problems);
        let command_line = command_line::read(&sources.overrides, &schema, &mut problems);

        let defaults = Layer::new(SettingSource::Default, schema.defaults().clone());
        let layers = [defaults].into_iter().chain(file).chain(environment.layers).chain(command_line);
        let figment = dependent_defaults::adapt_defaults(layers.fold(Figment::new(), Figment::merge));
        let mut reader = SettingReader::new(figment, &schema, not_yet, problems, warnings);
        let project_is_named = file_is_broken || file_names_projects || environment.names_project;
        let settings = Self::read(&mut reader, project_is_named, telemetry)?;
        dependent_defaults::check(&mut reader);
        let (effective, warnings) = reader.finish()?;
        Ok(LoadedSettings { settings, effective, warnings })
    }

    fn read(
        reader: &mut SettingReader<'_>,
        project_is_named: bool,
        telemetry: TelemetrySettings,
    ) -> Result<Self, BrokenDefaults> {
        let server = ServerSettings::read(reader)?;
        Ok(Self {
            nebuly: NebulySettings::read(reader)?,
            projects: sections::projects::read(reader, project_is_named),
            cache: CacheSettings::read(reader)?,
            shared_cache: SharedCacheSettings::read(reader)?,
            redirect: RedirectSettings::read(reader)?,
            access: AccessSettings::read(reader, &server)?,
            limits: LimitsSettings::read(reader)?,
            preview: PreviewSettings::read(reader)?,
            lookup: LookupSettings::read(reader)?,
            log: LogSettings::read(reader)?,
            server,
            telemetry,
        })
    }
}

/// The settings file, if one is named.
fn config_file(sources: &SettingSources) -> Option<PathBuf> {
    let named = || environment::find(&sources.environment, environment::CONFIG_FILE).map(PathBuf::from);
    sources.config_file.clone().or_else(named)
}
