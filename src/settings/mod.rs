//! Settings: defaults, then a TOML file, then the environment, then the command line.
//!
//! Every default stands once, with its unit and its reason, in `config/default.toml`; nothing here repeats one. The
//! layers are merged by figment, which remembers where each value came from. Then each setting is read by itself, so
//! that all problems are reported at once.
//!
//! No problem ever repeats a value, so that none can give a secret away.

mod command_line;
mod environment;
mod file;
mod layer;
mod not_yet;
mod order;
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

pub use self::problem::{Problem, Problems, Source};
pub use self::reader::Effective;
pub use self::sections::{
    Access, AccessLog, Cache, KeySource, Limits, Log, LogFormat, Lookup, Nebuly, OnOutage, Preview, Project,
    ProxyUrl, Redirect, Resolve, Sampling, Server, SharedCache, Telemetry, Traces, TracesCaFile,
};
pub use self::sources::Sources;

use self::layer::Layer;
use self::not_yet::NOT_YET;
use self::reader::Reader;
use self::schema::Schema;

/// All settings, validated. See `config/default.toml` for what each one means.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Listeners, connections, and how they end.
    pub server: Server,
    /// Where Nebuly is, and how it is asked.
    pub nebuly: Nebuly,
    /// 1 to 128, with distinct names.
    pub projects: Vec<Project>,
    /// Links in memory, and their snapshot.
    pub cache: Cache,
    /// Redis or Valkey.
    pub shared_cache: SharedCache,
    /// What a redirect says, and what happens without Nebuly.
    pub redirect: Redirect,
    /// Who may ask.
    pub access: Access,
    /// What one caller may cost.
    pub limits: Limits,
    /// What is shown of an item before it is opened.
    pub preview: Preview,
    /// Finding items by the customer's own tags.
    pub lookup: Lookup,
    /// What is logged, and how.
    pub log: Log,
    /// Traces.
    pub telemetry: Telemetry,
}

/// Settings, and where they came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the program runs with.
    pub settings: Settings,
    /// Each setting as people may see it, section by section in the order of the design.
    pub effective: Vec<Effective>,
    /// What is probably not meant, and works all the same.
    pub warnings: Vec<Problem>,
}

impl Settings {
    /// Reads all settings. Only files that settings name are read, and of API keys not even those.
    pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
        Self::load_without(NOT_YET, sources)
    }

    /// [`Self::load`], with the settings that have no effect.
    fn load_without(not_yet: &[&str], sources: &Sources) -> Result<Loaded, Problems> {
        let schema = Schema::embedded()
            .map_err(|error| Problems::new(vec![Problem::with_source(Source::Default, error.to_string())]))?;
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
        let telemetry = Telemetry::read(&sources.environment, &mut problems);
        let command_line = command_line::read(&sources.overrides, &schema, &mut problems);

        let defaults = Layer::new(Source::Default, schema.defaults().clone());
        let layers = [defaults].into_iter().chain(file).chain(environment.layers).chain(command_line);
        let figment = order::adapt_defaults(layers.fold(Figment::new(), Figment::merge));
        let mut reader = Reader::new(figment, &schema, not_yet, problems, warnings);
        let project_is_named = file_is_broken || file_names_projects || environment.names_project;
        let settings = Self::read(&mut reader, project_is_named, telemetry);
        let (settings, effective, warnings) = reader.finish(settings)?;
        Ok(Loaded { settings, effective, warnings })
    }

    fn read(reader: &mut Reader<'_>, project_is_named: bool, telemetry: Telemetry) -> Option<Self> {
        let server = Server::read(reader);
        let nebuly = Nebuly::read(reader);
        let projects = sections::projects::read(reader, project_is_named);
        let cache = Cache::read(reader);
        let shared_cache = SharedCache::read(reader);
        let redirect = Redirect::read(reader);
        let access = Access::read(reader, server.as_ref());
        let limits = Limits::read(reader);
        let preview = Preview::read(reader);
        let lookup = Lookup::read(reader);
        let log = Log::read(reader);
        order::check(reader);
        Some(Self {
            server: server?,
            nebuly: nebuly?,
            projects: projects?,
            cache: cache?,
            shared_cache: shared_cache?,
            redirect: redirect?,
            access: access?,
            limits: limits?,
            preview: preview?,
            lookup: lookup?,
            log: log?,
            telemetry,
        })
    }
}

/// The settings file, if one is named.
fn config_file(sources: &Sources) -> Option<PathBuf> {
    let named = || environment::find(&sources.environment, environment::CONFIG_FILE).map(PathBuf::from);
    sources.config_file.clone().or_else(named)
}
