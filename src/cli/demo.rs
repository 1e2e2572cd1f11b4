//! `nebulink demo`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;

use super::output::{WRONG_USAGE, complain, failed, say};
use super::process::on_runtime;
use super::serve::{in_process, load};
use super::signals::Signals;
use crate::app::{App, Listeners, log_options};
use crate::demo::{Demo, DemoProject, SampleLink, SampleTag};
use crate::domain::ProjectName;
use crate::settings::{ApiKeySetting, ProjectSettings, SettingSources};
use crate::telemetry;
use crate::text::percent_encoded;

/// The address of the demo, unless the command line sets another. Loopback: others need no access.
const LISTEN: &str = "127.0.0.1:8080";

/// Any free port: nobody uses it by hand.
const MANAGEMENT_LISTEN: &str = "127.0.0.1:0";

/// Serves the samples until a signal.
pub(super) fn run(sources: &SettingSources) -> ExitCode {
    if sources.config_file.is_some() {
        complain("the demo takes no settings file: it brings its own; --set KEY=VALUE changes one of them");
        return ExitCode::from(WRONG_USAGE);
    }
    let served =
        Signals::catch().map_err(anyhow::Error::from).and_then(|signals| on_runtime(serve(sources, signals)));
    served.unwrap_or_else(|error| failed(&error))
}

async fn serve(sources: &SettingSources, signals: Signals) -> anyhow::Result<ExitCode> {
    let demo = Demo::start().await.context("the stand-in for Nebuly could not be started")?;
    let mut settings = match load(&sources_of(&demo, sources)) {
        Ok(loaded) => loaded.settings,
        Err(code) => return Ok(code),
    };
    settings.projects = demo.projects().into_iter().map(configured).collect::<Result<_, _>>()?;
    telemetry::init(&log_options(&settings.log)).context("failed to start the thread of the log")?;
    let app = in_process(|| App::build_demo(&settings, demo.sample_text()))?;
    let listeners = Listeners::bind(&settings.server)
        .context("choose another address with --set server.listen=127.0.0.1:8081")?;
    let url = format!("http://{}{}", listeners.public_address()?, settings.server.base_path);
    demo.set_nebulink_url(&url);
    say(&greeting(&demo, &url, listeners.management_address()?));
    app.run(listeners, signals.listen()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// The settings of the demo: its own and those of the command line. The environment is ignored, because it may name a real
/// Nebuly, a collector or a settings file.
fn sources_of(demo: &Demo, sources: &SettingSources) -> SettingSources {
    let stand_in = demo.stand_in();
    let environment: [(&str, String); 3] = [
        // One project, without which no settings are complete. Several can stand only in a settings file, and the demo
        // writes none, so its own take the place of this one.
        ("NEBULY_API_KEY", "demo".to_owned()),
        ("NEBULY_API_BASE_URL", stand_in.api_base_url()),
        ("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url()),
    ];
    let mut overrides = vec![
        ("server.listen".to_owned(), LISTEN.to_owned()),
        ("server.management_listen".to_owned(), MANAGEMENT_LISTEN.to_owned()),
        ("log.access".to_owned(), "none".to_owned()),
        ("preview.details".to_owned(), "true".to_owned()),
        ("lookup.tags".to_owned(), demo.tagged().name.to_owned()),
        // Whoever tries it is one caller, and the stand-in needs no protection.
        ("limits.cold_burst".to_owned(), "10000".to_owned()),
    ];
    overrides.retain(|(key, _)| !sources.overrides.iter().any(|(given, _)| given == key));
    overrides.extend(sources.overrides.iter().cloned());
    let environment = environment.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    SettingSources { config_file: None, environment: environment.to_vec(), overrides }
}

/// A project of the demo as a `[[projects]]`.
fn configured(DemoProject { name, project }: DemoProject) -> anyhow::Result<ProjectSettings> {
    Ok(ProjectSettings {
        name: ProjectName::try_from(name)?,
        key: ApiKeySetting::Inline(project.key.into()),
        project_id: Some(project.project_id),
        organization_id: Some(project.organization_id),
    })
}

/// The first line is the address of `/`.
fn greeting(demo: &Demo, nebulink: &str, management: SocketAddr) -> String {
    let mut text = format!(
        "{nebulink}/

This is the demo of nebulink, with a stand-in for Nebuly inside: invented data, nothing leaves this machine.
The page above has a piece of a log to try. Or click a link:

"
    );
    for link in demo.links() {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "  {}\n      {}", url(nebulink, &link), link.title);
    }
    let with_details = format!("{}&noredirect", url(nebulink, &demo.detailed()));
    let SampleTag { name, value, title } = demo.tagged();
    let api = demo.stand_in().api_base_url();
    let key = demo.projects().into_iter().next().map(|project| project.project.key).unwrap_or_default();
    let _infallible = write!(
        text,
        "
With details:    {with_details}
By its tag:      {nebulink}/go/tag/{name}?value={value}
                 ({title})
In two projects: {}
Not there:       {}
Not yet:         {}
                 (appears some seconds after it is first asked for)
Management:      http://{management}/readyz
                 (also /livez, /metrics and /version)
Stand-in's API:  {api}
                 (NEBULY_API_BASE_URL; NEBULY_API_KEY={key} opens one of its projects)
Error pages:     {}

Stop with Ctrl-C.",
        url(nebulink, &demo.ambiguous()),
        url(nebulink, &demo.unknown()),
        url(nebulink, &demo.not_yet()),
        demo.errors_url(),
    );
    text
}

fn url(nebulink: &str, link: &SampleLink) -> String {
    let project = link.project.map(|project| format!("&project={project}")).unwrap_or_default();
    format!("{nebulink}/go/{}?id={}{project}", link.kind.as_str(), percent_encoded(&link.id))
}
