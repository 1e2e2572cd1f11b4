//! Findings of axe-core, which looks for barriers to people who use a screen reader, the keyboard, or large text.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::browser::Browser;
use crate::support::skip::skip;

/// The script, as `.ci/install` has put it there.
static AXE: LazyLock<Option<String>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/node_modules/axe-core/axe.min.js");
    match fs::read_to_string(&path) {
        Ok(script) => Some(script),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", path.display()),
    }
});

/// Each serious or critical finding in the page: the rule, and the elements that break it.
pub(crate) async fn findings(browser: &Browser) -> Vec<String> {
    let Some(axe) = &*AXE else {
        skip("axe-core", ".ci/install");
        return Vec::new();
    };
    // The page's policy does not hold for the driver, but a script of the page's own with this name would.
    let run = format!(
        "{axe}; return axe.run(document, {{resultTypes: ['violations']}}).then(result => result.violations);"
    );
    let found = browser.evaluate(&run, &[]).await;
    let is_serious = |finding: &&Value| ["serious", "critical"].map(Value::from).contains(&finding["impact"]);
    let serious = found.as_array().unwrap().iter().filter(is_serious);
    serious.map(|finding| format!("{}: {}", finding["id"], summaries(finding))).collect()
}

/// The elements of a finding, each with what is wrong.
fn summaries(finding: &Value) -> String {
    let nodes = finding["nodes"].as_array().unwrap();
    let lines = nodes.iter().map(|node| format!("{} {}", node["html"], node["failureSummary"]));
    lines.collect::<Vec<_>>().join("\n")
}
