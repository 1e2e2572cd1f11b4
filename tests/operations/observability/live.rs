//! The metrics that the running program exports, after everything that counts has happened once.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use nebulink::demo::{Fault, Matching};
use nebulink::settings::{SettingSources, Settings};

use crate::support::{KEY, Nebulink, request, settings, stand_in};

/// By metric, by label: the values.
#[derive(Debug)]
pub(crate) struct Exported(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

/// Starts nebulink with everything that may be on, lets links be found, missed and failed, and reads its metrics.
pub(crate) async fn scrape() -> Exported {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "known");
    stand_in.set_fault_for(Matching::id("broken"), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("links.jsonl");
    let further = [("cache.snapshot_file", snapshot.to_str().unwrap()), ("redirect.on_outage", "error")];
    let mut settings = settings(&stand_in, &further);
    // Nobody listens there, which is enough to have its metrics.
    settings.shared_cache.url = Some("redis://127.0.0.1:1".into());
    let nebulink = Nebulink::start_with(&settings).await;
    let targets = [
        ("/go/conversation?id=known", 302),
        ("/go/conversation/known", 302),
        ("/go?id=known", 302),
        ("/c/known", 302),
        ("/i/51a2ee52-93f8-4b62-b9c5-f21e4b7e4fb5", 404),
        ("/c/broken", 502),
        ("/nowhere", 404),
    ];
    for (target, status) in targets {
        let answer = nebulink.get(target).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
    let answer = request(nebulink.management, "GET", "/metrics", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    Exported::parse(&answer.body)
}

impl Exported {
    fn parse(text: &str) -> Self {
        let mut metrics: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let own = metrics.entry(name.to_owned()).or_default();
            // No value of ours holds a quotation mark.
            for label in
                labels.trim_end_matches('}').split_terminator("\",").filter(|label| !label.is_empty())
            {
                let (label, value) = label.split_once("=\"").unwrap();
                own.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
            }
        }
        Self(metrics)
    }

    /// The labels of a metric and their values, if it is exported.
    pub(crate) fn labels(&self, metric: &str) -> Option<&BTreeMap<String, BTreeSet<String>>> {
        self.0.get(metric)
    }

    /// The names of all metrics; a histogram has three.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// The critical one of the two alerts on key files asks for this zero.
#[tokio::test]
async fn a_project_that_never_had_a_key_has_loaded_one_at_zero_and_counts_the_readings() {
    let stand_in = stand_in().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("nebulink.toml");
    let missing = folder.path().join("missing");
    let projects = format!(
        "[[projects]]\nname = \"support\"\napi_key = \"{KEY}\"\n[[projects]]\nname = \"sales\"\napi_key_file = {missing:?}\n"
    );
    std::fs::write(&config, projects).unwrap();
    let variables = [
        ("NEBULY_API_BASE_URL", stand_in.api_base_url()),
        ("NEBULINK__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("NEBULINK__SERVER__MANAGEMENT_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let sources = SettingSources { config_file: Some(config), environment, overrides: Vec::new() };
    let settings = Settings::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).settings;
    let nebulink = Nebulink::start_with(&settings).await;
    let metrics = request(nebulink.management, "GET", "/metrics", &[]).await.body;
    let value = |metric: &str, project: &str| {
        let series = format!("nebulink_nebuly_{metric}{{project=\"{project}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
        value.unwrap_or_else(|| panic!("no {series}in {metrics}")).parse::<f64>().unwrap()
    };
    assert!(value("key_loaded_timestamp_seconds", "sales").abs() < f64::EPSILON);
    assert!(value("key_loaded_timestamp_seconds", "support") > 1e9);
    assert!(value("key_file_errors_total", "sales") >= 1.0);
    assert!(value("key_file_errors_total", "support").abs() < f64::EPSILON);
}
