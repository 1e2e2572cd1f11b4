//! Everything that the documentation names exists: files, headings, settings, metrics.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::files;

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The first part of each path of this repository that a page names.
const FOLDERS: [&str; 9] =
    [".ci/", ".github/", "benches/", "config/", "docs/", "fuzz/", "helm/", "src/", "tests/"];

/// Attributes of OpenTelemetry that look like settings of ours.
const OF_OPENTELEMETRY: [&str; 2] = ["server.address", "server.port"];

/// The endings that Prometheus adds to the name of a histogram.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_count", "_sum"];

struct Page {
    path: PathBuf,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let at_the_top =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    let all = at_the_top.into_iter().chain(files(&root().join("docs"), "md"));
    all.map(|path| Page { text: fs::read_to_string(&path).unwrap(), path }).collect()
}

/// The code within the lines of a page. Examples, indented and without backticks, are left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Each word of these characters.
fn words(text: &str, belongs: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |char| !belongs(char)).filter(|word| !word.is_empty())
}

/// The targets of all links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
}

/// How GitHub names the headings of a page, in links to them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_example = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        is_example ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_example || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
        anchors
            .insert(heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"));
    }
    anchors
}

/// `section.name` of each setting.
fn settings() -> BTreeSet<String> {
    let mut section = "";
    let mut settings = BTreeSet::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((name, _)) =
            line.split_once(" = ").filter(|_| !section.is_empty() && !line.starts_with('#'))
        {
            settings.insert(format!("{section}.{name}"));
        }
    }
    settings
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_'
}

/// Fails if `find` finds something wrong in a page.
#[track_caller]
fn assert_none(find: impl Fn(&Page) -> Vec<String>) {
    let found: Vec<_> = pages()
        .iter()
        .flat_map(|page| find(page).into_iter().map(|wrong| format!("{}: {wrong}", page.path.display())))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn links_within_the_repository_lead_somewhere() {
    assert_none(|Page { path, text }| {
        let leads_nowhere = |link: &&str| {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let has_anchor = || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            !target.exists() || (!anchor.is_empty() && !has_anchor())
        };
        links(text).filter(|link| !link.contains("://")).filter(leads_nowhere).map(str::to_owned).collect()
    });
}

#[test]
fn paths_of_the_repository_are_there() {
    assert_none(|Page { text, .. }| {
        let named = code(text).filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder)));
        named.filter(|path| !root().join(path).exists()).map(str::to_owned).collect()
    });
}

#[test]
fn settings_are_called_so() {
    let settings = settings();
    let sections: BTreeSet<_> = settings.iter().filter_map(|key| key.split('.').next()).collect();
    let is_unknown = |key: &String| {
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        sections.contains(section) && name.chars().all(is_of_name) && !settings.contains(key)
    };
    assert_none(|Page { text, .. }| {
        let named = code(text).filter_map(|code| {
            let key = code.strip_prefix("config.").unwrap_or(code).split([' ', '=', ':']).next()?;
            (key.contains('.') && !OF_OPENTELEMETRY.contains(&key)).then(|| key.to_owned())
        });
        let given = text.split("--set ").skip(1).filter_map(|rest| Some(rest.split_once('=')?.0.to_owned()));
        let variables = words(text, |char| char.is_ascii_uppercase() || char == '_')
            .filter_map(|word| word.strip_prefix("NEBULINK__").filter(|rest| !rest.is_empty()))
            .map(|rest| rest.to_lowercase().replace("__", "."));
        named.chain(given).chain(variables).filter(is_unknown).collect()
    });
}

#[test]
fn metrics_are_called_so() {
    let mut metrics = BTreeSet::new();
    for source in files(&root().join("src"), "rs") {
        let text = fs::read_to_string(source).unwrap();
        metrics.extend(text.split('"').filter(|text| text.starts_with("nebulink_")).map(str::to_owned));
    }
    assert!(!metrics.is_empty());
    let is_unknown = |name: &&str| {
        let of_histogram = || OF_HISTOGRAMS.iter().find_map(|suffix| name.strip_suffix(suffix));
        !metrics.contains(*name) && !of_histogram().is_some_and(|name| metrics.contains(name))
    };
    assert_none(|Page { text, .. }| {
        // With a colon it is the name of a recording rule.
        let names = words(text, |char| is_of_name(char) || char == ':');
        let names = names.filter(|word| word.strip_prefix("nebulink_").is_some_and(|rest| !rest.is_empty()));
        names.filter(is_unknown).map(str::to_owned).collect()
    });
}
