//! `docs/configuration.md` compared with `config/default.toml`: its tables are generated from that file's comments.
//!
//! `UPDATE=1 cargo test --lib configuration_page` generates them again; the text above them is written by hand.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::super::schema::variable;

const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// The end of the text that is written by hand.
const MARKER: &str = "<!-- The rest comes from config/default.toml. After a change of that file: \
                      UPDATE=1 cargo test --lib configuration_page -->\n";

/// Generates the tables, one for each section, in the order of the defaults.
fn tables() -> String {
    let (mut page, mut comment, mut section) = (String::new(), Vec::new(), "");
    for line in DEFAULTS.lines().chain([""]) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.strip_prefix(' ').unwrap_or(text));
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            write!(page, "\n## {name}\n\n| setting, and its variable | default | meaning |\n|---|---|---|\n")
                .unwrap();
        } else if let Some((name, default)) = line.split_once(" = ") {
            match section {
                "" => write!(page, "\n## {name}\n\n{}", paragraphs(&comment)).unwrap(),
                _ => page.push_str(&row(section, name, default, &comment)),
            }
            comment.clear();
        } else if !comment.is_empty() {
            // A comment without a setting: the file's introduction, which the page has in other words, or its last
            // paragraph.
            if !section.is_empty() {
                write!(page, "\n{}", paragraphs(&comment)).unwrap();
            }
            comment.clear();
        }
    }
    page
}

fn row(section: &str, name: &str, default: &str, comment: &[&str]) -> String {
    let key = format!("{section}.{name}");
    let meaning = escaped(&comment.join(" "));
    format!("| `{key}`<br>`{}` | `{default}` | {meaning} |\n", variable(section, name))
}

/// Writes a comment as paragraphs. Examples stay indented by four spaces.
fn paragraphs(comment: &[&str]) -> String {
    let is_example = |line: &str| line.starts_with("    ");
    let shown = |line: &&str| if is_example(line) { (*line).to_owned() } else { escaped(line) };
    comment.iter().flat_map(|line| [shown(line), "\n".to_owned()]).collect()
}

/// Escapes the characters that Markdown would take for markup, except in code.
fn escaped(text: &str) -> String {
    let mut is_code = false;
    let mut shown = String::new();
    for char in text.chars() {
        is_code ^= char == '`';
        if char == '|' || (!is_code && matches!(char, '*' | '<')) {
            shown.push('\\');
        }
        shown.push(char);
    }
    shown
}

#[test]
fn the_page_says_what_the_defaults_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) =
        page.split_once(MARKER).expect("the page has lost the line that its tables stand below");
    let tables = tables();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{head}{MARKER}{tables}")).unwrap();
        return;
    }
    assert!(
        rest == tables,
        "docs/configuration.md does not say what config/default.toml says: UPDATE=1 cargo test --lib configuration_page"
    );
}

#[test]
fn every_setting_has_its_row() {
    let schema = super::super::schema::Schema::embedded().unwrap();
    let tables = tables();
    for (section, name) in schema.settings() {
        assert!(
            tables.contains(&format!("\n| `{section}.{name}`<br>`{}` |", variable(section, name))),
            "{name}"
        );
    }
}
