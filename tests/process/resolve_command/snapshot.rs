//! `nebulink resolve --from FILE`.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::json;
use tempfile::NamedTempFile;

use super::{Run, UUID, run};

fn line(kind: &str, id: &str, page: &str) -> serde_json::Value {
    json!({
        "v": 1, "kind": kind, "id": id, "url": format!("https://any.example/{page}"), "project": "default",
        "resolved_at": "2020-01-02T03:04:05.678Z",
    })
}

fn of_a_project(project: &str, id: &str, page: &str) -> serde_json::Value {
    let mut line = line("conversation", id, page);
    line["project"] = project.into();
    line["scope"] = "project".into();
    line
}

fn snapshot(lines: &[serde_json::Value]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    file
}

fn look_up(file: &NamedTempFile, kind: &str, ids: &[&str]) -> Run {
    let mut arguments = vec!["--from", file.path().to_str().unwrap(), kind, "--"];
    arguments.extend(ids);
    run(&arguments, b"")
}

#[test]
fn urls_are_printed_in_the_order_of_the_ids() {
    let file = snapshot(&[
        line("conversation", "a", "1"),
        line("interaction", UUID, "2"),
        line("conversation", "b c", "3"),
        line("conversation", "-d", "4"),
        line("conversation", UUID, "5"),
    ]);
    let conversations = look_up(&file, "conversation", &["-d", "b c", "a", "b c"]);
    assert_eq!((conversations.code, conversations.errors.as_str()), (0, ""));
    let pages: Vec<_> = conversations.output.lines().collect();
    assert_eq!(pages, ["4", "3", "1", "3"].map(|page| format!("https://any.example/{page}")));
    let interaction = look_up(&file, "interaction", &[&format!("\"{}\",", UUID.to_uppercase())]);
    assert_eq!((interaction.code, interaction.output.as_str()), (0, "https://any.example/2\n"));
}

#[test]
fn what_is_not_found_is_named_while_the_others_are_printed() {
    let file = snapshot(&[line("conversation", "a", "1")]);
    let found = look_up(&file, "conversation", &["x\u{1b}[31m", "a", "", "gone\u{202e}"]);
    assert_eq!((found.code, found.lines()), (1, vec!["", "https://any.example/1", "", ""]));
    let errors: Vec<_> = found.errors.lines().collect();
    assert_eq!(
        errors,
        [
            r#"nebulink: "x\u{1b}[31m": This request is not valid: The id has a control character."#,
            r#"nebulink: "": This request is not valid: The id is empty."#,
            r#"nebulink: "gone\u{202e}": Not in the snapshot: The snapshot has no link of this id. Nebuly may have the item all the same."#,
        ]
    );
}

#[test]
fn ids_may_come_from_standard_input() {
    let mut lines = Vec::new();
    let (mut input, mut expected) = (String::new(), String::new());
    for number in 0..5_000 {
        lines.push(line("conversation", &format!("id {number}"), &number.to_string()));
        writeln!(input, "id {}", 4_999 - number).unwrap();
        writeln!(expected, "https://any.example/{}", 4_999 - number).unwrap();
    }
    let file = snapshot(&lines);
    let found = run(&["conversation", "-", "--from", file.path().to_str().unwrap()], input.as_bytes());
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, expected);
}

#[test]
fn an_id_is_cleaned_as_everywhere_if_the_snapshot_does_not_have_it_as_it_is() {
    let file = snapshot(&[
        line("conversation", "a", "1"),
        line("conversation", "\"b\"", "2"),
        line("conversation", "b", "3"),
    ]);
    let found = look_up(&file, "conversation", &["conversation.id:a", "\"b\""]);
    assert_eq!((found.code, found.lines()), (0, vec!["https://any.example/1", "https://any.example/2"]));
    let input = b"conversation.id:a\n\"b\"\n";
    let read = run(&["conversation", "-", "--from", file.path().to_str().unwrap()], input);
    assert_eq!((read.code, read.output), (0, found.output));
}

#[test]
fn as_json_a_link_says_what_the_snapshot_says_of_it() {
    let file = snapshot(&[line("interaction", UUID, "1")]);
    let found = run(
        &["interaction", "-", "--json", "--from", file.path().to_str().unwrap()],
        format!("{UUID}\n\nx").as_bytes(),
    );
    assert_eq!(found.code, 1);
    let expected = json!({
        "kind": "interaction", "id": UUID, "state": "resolved", "url": "https://any.example/1", "project": "default",
        "resolved_at": "2020-01-02T03:04:05Z",
    });
    let links = found.json();
    assert_eq!(links[0], expected);
    assert_eq!((&links[1]["state"], &links[2]["state"]), (&json!("invalid"), &json!("invalid")));
}

#[test]
fn what_was_found_for_a_named_project_counts_only_where_nothing_else_is_known() {
    let file = snapshot(&[
        of_a_project("p", "both", "1"),
        line("conversation", "both", "2"),
        of_a_project("q", "both", "3"),
        of_a_project("p", "one", "4"),
        of_a_project("p", "two", "5"),
        of_a_project("q", "two", "6"),
    ]);
    let found = look_up(&file, "conversation", &["both", "one", "two"]);
    assert_eq!((found.code, found.lines()), (1, vec!["https://any.example/2", "https://any.example/4", ""]));
    assert!(found.errors.starts_with("nebulink: \"two\": Several projects have this conversation: "));
    let links = run(&["--from", file.path().to_str().unwrap(), "conversation", "two", "--json"], b"").json();
    let choices = &links[0]["error"]["links"];
    assert_eq!((&choices[0]["url"], &choices[1]["project"]), (&json!("https://any.example/5"), &json!("q")));
}

#[test]
fn broken_lines_are_passed_over_and_their_urls_never_printed() {
    let mut bad = line("conversation", "bad", "");
    bad["url"] = "javascript:alert(1)".into();
    let file = snapshot(&[json!(null), bad, line("conversation", "a", "1"), json!("x".repeat(100_000))]);
    let found = look_up(&file, "conversation", &["a", "bad"]);
    assert_eq!((found.code, found.output.as_str()), (1, "https://any.example/1\n\n"));
    let errors: Vec<_> = found.errors.lines().collect();
    let [skipped, bad] = errors[..] else { panic!("{errors:?}") };
    assert_eq!(skipped, "nebulink: 3 broken lines of the snapshot were skipped");
    assert!(bad.starts_with("nebulink: \"bad\": Not in the snapshot: "), "{bad}");
}

#[test]
fn of_a_file_of_a_newer_version_nothing_is_printed() {
    let file = snapshot(&[line("conversation", "a", "1"), json!({"v": 2})]);
    let found = look_up(&file, "conversation", &["a"]);
    assert_eq!((found.code, found.output.as_str()), (1, ""));
    assert!(found.errors.contains("newer version of nebulink"), "{}", found.errors);
}

#[test]
fn a_file_that_cannot_be_read_is_said_to_be() {
    let found = run(&["conversation", "a", "--from", "/nonexistent/links"], b"");
    assert_eq!((found.code, found.output.as_str()), (1, ""));
    assert!(found.errors.contains("/nonexistent/links cannot be read"), "{}", found.errors);
}
