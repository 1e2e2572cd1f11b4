//! `nebulink demo`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;

use super::output::{WRONG_USAGE, complain, failed, say};
use super::process::on_runtime;
use super::serve::{build, load};
use super::signals::Signals;
use crate::app::{Listeners, log_options};
use crate::demo::{Demo, SampleLink};
use crate::settings::SettingSources;
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
    let served = Signals::catch()
        .map_err(anyhow::Error::from)
        .and_then(|signals| on_runtime(2, serve(sources, signals)));
    served.unwrap_or_else(|error| failed(&error))
}

async fn serve(sources: &SettingSources, signals: Signals) -> anyhow::Result<ExitCode> {
    let demo = Demo::start().await.context("the stand-in for Nebuly could not be started")?;
    let settings = match load(&sources_of(&demo, sources)) {
        Ok(loaded) => loaded.settings,
        Err(code) => return Ok(code),
    };
    telemetry::init(&log_options(&settings.log)).context("failed to start the thread of the log")?;
    let app = build(&settings)?;
    let listeners = Listeners::bind(&settings.server)
        .context("choose another address with --set server.listen=127.0.0.1:8081")?;
    let address = listeners.public_address()?;
    demo.set_nebulink_address(address);
    say(&greeting(&demo, address));
    app.run(listeners, signals.listen()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// The settings of the demo: its own and those of the command line. The environment is ignored, because it may name a real
/// Nebuly, a collector or a settings file.
fn sources_of(demo: &Demo, sources: &SettingSources) -> SettingSources {
    let stand_in = demo.stand_in();
    let environment: [(&str, String); 3] = [
        ("NEBULY_API_KEY", demo.project().key),
        ("NEBULY_API_BASE_URL", stand_in.api_base_url()),
        ("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url()),
    ];
    let mut overrides = vec![
        ("server.listen".to_owned(), LISTEN.to_owned()),
        ("server.management_listen".to_owned(), MANAGEMENT_LISTEN.to_owned()),
        ("log.access".to_owned(), "none".to_owned()),
    ];
    overrides.retain(|(key, _)| !sources.overrides.iter().any(|(given, _)| given == key));
    overrides.extend(sources.overrides.iter().cloned());
    let environment = environment.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    SettingSources { config_file: None, environment: environment.to_vec(), overrides }
}

fn greeting(demo: &Demo, address: SocketAddr) -> String {
    let mut text = String::from("nebulink demo: a stand-in for Nebuly runs inside. Click a link:\n\n");
    for link in demo.links() {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "  {}\n      {}", url(address, &link), link.title);
    }
    let (unknown, not_yet) = (demo.unknown(), demo.not_yet());
    let _infallible = write!(
        text,
        "\nNot there:    {}\nNot yet:      {}\n              (appears some seconds after it is first asked for)\n\
         Error pages:  {}\n\nStop with Ctrl-C.",
        url(address, &unknown),
        url(address, &not_yet),
        demo.errors_url(),
    );
    text
}

fn url(address: SocketAddr, link: &SampleLink) -> String {
    let id = percent_encoded(&link.id);
    format!("http://{address}/go/{}?id={id}", link.kind.as_str())
}
