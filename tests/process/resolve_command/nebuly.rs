//! `nebulink resolve` with the keys of the settings.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::{Run, UUID, finished, resolve, resolve_at};
use crate::support::{KEY, key_of, stand_in, stand_in_with};

async fn look_up(stand_in: &StandIn, arguments: &[&str], input: &str) -> Run {
    finished(resolve_at(stand_in, arguments), input).await
}

fn url(stand_in: &StandIn, id: &str) -> String {
    stand_in.url_of(KEY, StandInItem::from(id))
}

#[tokio::test]
async fn urls_are_printed_in_the_order_of_the_ids_with_nothing_but_a_key() {
    let stand_in = stand_in().await;
    let ids = ["a", "b c", "d/e&f#g+h", "100%", "%2f", "ünï", "-d", "a"];
    for id in ids {
        stand_in.add_conversation(KEY, id);
    }
    stand_in.add_interaction(KEY, UUID.parse().unwrap());
    let mut arguments = vec!["conversation", "--"];
    arguments.extend(ids);
    let found = look_up(&stand_in, &arguments, "").await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.lines(), ids.map(|id| url(&stand_in, id)));
    let interaction = look_up(&stand_in, &["interaction", &UUID.to_uppercase()], "").await;
    let url = stand_in.url_of(KEY, StandInItem::from(UUID.parse::<Uuid>().unwrap()));
    assert_eq!((interaction.code, interaction.output), (0, format!("{url}\n")));
}

#[tokio::test]
async fn lines_stay_paired_with_the_input_whatever_becomes_of_it() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    stand_in.set_fault_for(Matching::id("broken"), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let input = format!("gone\u{1b}\n\nnothing\r\na\nbroken\n{}\na", "x".repeat(100_000));
    let found = look_up(&stand_in, &["conversation", "-", "--set", "redirect.on_outage=error"], &input).await;
    let page = url(&stand_in, "a");
    assert_eq!(found.code, 1);
    assert_eq!(found.lines(), ["", "", "", &page, "", "", &page]);
    let errors: Vec<_> = found.errors.lines().collect();
    let [control, unknown, broken, long] = errors[..] else { panic!("{errors:?}") };
    assert!(control.starts_with(r#"nebulink: "gone\u{1b}": This request is not valid: "#), "{control}");
    assert!(unknown.starts_with(r#"nebulink: "nothing": Not in Nebuly yet: "#), "{unknown}");
    let fails = "Nebuly cannot answer now: Nebuly, or what is in front of it, fails (status 500).";
    assert_eq!(broken, format!(r#"nebulink: "broken": {fails}"#));
    assert!(long.ends_with(": The id is longer than 512 bytes.") && long.len() < 1000, "{long}");
}

#[tokio::test]
async fn an_empty_line_asks_for_nothing_and_is_no_failure_but_an_empty_argument_is_one() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    let found = look_up(&stand_in, &["conversation", "-"], "\na\n\r\n").await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.lines(), ["", &url(&stand_in, "a"), ""]);
    let nothing = look_up(&stand_in, &["conversation", "-"], "").await;
    assert_eq!((nothing.code, nothing.output.as_str(), nothing.errors.as_str()), (0, "", ""));
    let found = look_up(&stand_in, &["conversation", ""], "").await;
    assert_eq!((found.code, found.output.as_str()), (1, "\n"));
    assert!(found.errors.contains("The id is empty"), "{}", found.errors);
}

#[tokio::test]
async fn as_json_each_link_has_its_state_and_its_error() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "ü\u{202e}");
    let public_url = ["--set", "server.public_url=https://go.example/"];
    let arguments = ["conversation", "-", "--json", public_url[0], public_url[1]];
    let found = look_up(&stand_in, &arguments, "ü\u{202e}\n..\nnothing\n\n").await;
    assert_eq!(found.code, 1);
    assert!(found.output.contains("ü") && !found.output.contains('\u{202e}'), "{}", found.output);
    let links = found.json();
    let [resolved, invalid, absent, empty] = &links[..] else { panic!("{links:?}") };
    assert_eq!(resolved["kind"], "conversation");
    assert_eq!((&resolved["id"], &resolved["state"]), (&json!("ü\u{202e}"), &json!("resolved")));
    assert_eq!(resolved["url"], json!(url(&stand_in, "ü\u{202e}")));
    assert_eq!(resolved["long_url"], "https://go.example/go/conversation?id=%C3%BC%E2%80%AE");
    assert!(resolved["resolved_at"].is_string() && resolved.get("error").is_none(), "{resolved}");
    assert_eq!((&invalid["id"], &invalid["state"]), (&json!(".."), &json!("invalid")));
    assert_eq!((&absent["id"], &absent["state"]), (&json!("nothing"), &json!("absent")));
    assert_eq!(absent["error"]["type"], "urn:nebulink:not-found");
    assert_eq!((&empty["id"], &empty["state"]), (&json!(""), &json!("invalid")));
}

#[tokio::test]
async fn the_project_of_an_id_is_found_out_and_where_several_have_it_none_is_guessed() {
    let stand_in = stand_in_with(2).await;
    stand_in.add_conversation(&key_of(1), "second");
    stand_in.add_conversation(&key_of(0), "both");
    stand_in.add_conversation(&key_of(1), "both");
    let mut settings = NamedTempFile::with_suffix(".toml").unwrap();
    for project in 0..2 {
        writeln!(settings, "[[projects]]\nname = \"project-{project}\"\napi_key = \"{}\"", key_of(project))
            .unwrap();
    }
    let resolve = |further: &[&str]| {
        let mut arguments =
            vec!["--config", settings.path().to_str().unwrap(), "conversation", "second", "both"];
        arguments.extend(further);
        let mut command = resolve(&arguments);
        command.env("NEBULY_API_BASE_URL", stand_in.api_base_url());
        command.env("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url());
        command
    };
    let found = finished(resolve(&[]), "").await;
    let second = stand_in.url_of(&key_of(1), StandInItem::from("second"));
    assert_eq!((found.code, found.lines()), (1, vec![second.as_str(), ""]));
    assert!(found.errors.contains("\"both\": Several projects have this conversation"), "{}", found.errors);
    let links = finished(resolve(&["--json"]), "").await.json();
    assert_eq!((&links[0]["project"], &links[1]["state"]), (&json!("project-1"), &json!("failed")));
    let choices = links[1]["error"]["links"].as_array().unwrap();
    let projects: Vec<_> = choices.iter().map(|choice| choice["project"].as_str().unwrap()).collect();
    assert_eq!(projects, ["project-0", "project-1"]);
}

#[tokio::test]
async fn many_ids_are_asked_for_at_once_within_the_bound_and_duplicates_once() {
    let stand_in = stand_in().await;
    let (mut input, mut expected) = (String::new(), String::new());
    for number in 0..300 {
        let id = format!("id {}", number % 150);
        stand_in.add_conversation(KEY, &id);
        writeln!(input, "{id}").unwrap();
        writeln!(expected, "{}", url(&stand_in, &id)).unwrap();
    }
    stand_in.set_fault(Some(Fault::Delay(Duration::from_millis(20))));
    let found = look_up(&stand_in, &["conversation", "-", "--set", "nebuly.max_in_flight=8"], &input).await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, expected);
    assert_eq!(stand_in.call_count(), 150);
    let most = stand_in.most_in_flight();
    assert!((2..=8).contains(&most), "{most}");
}

#[tokio::test]
async fn while_nebuly_asks_for_a_pause_nothing_is_asked_and_nothing_is_lost() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    stand_in.add_conversation(KEY, "b");
    stand_in.set_fault_for(Matching::any().times(1), Fault::throttled(HeaderValue::from_static("1")));
    let error = ["--set", "redirect.on_outage=error"];
    let found = look_up(&stand_in, &["conversation", "a", "b", "a", error[0], error[1]], "").await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.lines(), ["a", "b", "a"].map(|id| url(&stand_in, id)));
}

#[tokio::test]
async fn a_nebuly_that_cannot_be_reached_is_said_with_its_cause_and_the_rest_is_given_up_at_once() {
    // Bound, so that nobody else gets the port, but not listening.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let closed = closed.local_addr().unwrap().as_socket().unwrap();
    let look_up = async |arguments: &[&str], input: String| {
        let mut command = resolve(arguments);
        command.env("NEBULY_API_KEY", "nk-canary");
        command.env("NEBULY_API_BASE_URL", format!("https://{closed}"));
        finished(command, input).await
    };
    let why = format!(
        "Nebuly cannot answer now: Nebuly cannot be reached: nothing listens on {closed} (connection refused)."
    );
    let one = look_up(&["conversation", "a"], String::new()).await;
    assert_eq!((one.code, one.output.as_str()), (1, "\n"));
    assert_eq!(one.errors, format!("nebulink: \"a\": {why}\n"));

    let given_up = "the rest is given up, as Nebuly cannot be reached";
    let several = look_up(&["conversation", "..", "a", "b", "c"], String::new()).await;
    assert_eq!((several.code, several.output.as_str()), (1, "\n\n"));
    let last = format!("nebulink: \"a\": {why}\nnebulink: {given_up}: 2 of the ids\n");
    assert!(several.errors.ends_with(&last), "{}", several.errors);

    let many = look_up(&["conversation", "-"], "id\n".repeat(5_000)).await;
    assert_eq!((many.code, many.output.as_str()), (1, "\n"));
    assert!(many.errors.ends_with(&format!("nebulink: {given_up}: 4999 of the ids\n")), "{}", many.errors);
}

#[tokio::test]
async fn a_nebuly_that_can_be_reached_is_asked_for_the_rest() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    stand_in.set_fault_for(Matching::id("broken"), Fault::Reset);
    let arguments = ["conversation", "broken", "a", "--set", "redirect.on_outage=error"];
    let found = look_up(&stand_in, &arguments, "").await;
    assert_eq!((found.code, found.lines()), (1, vec!["", &*url(&stand_in, "a")]));
    let why = format!("There was no answer from {}", stand_in.api_base_url());
    assert!(found.errors.starts_with(&format!(r#"nebulink: "broken": Nebuly cannot answer now: {why}"#)));
    assert_eq!(found.errors.lines().count(), 1, "{}", found.errors);
}

#[tokio::test]
async fn a_nebuly_that_has_answered_before_is_not_given_up_at_once() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    stand_in.set_fault(Some(Fault::Drop));
    stand_in.set_fault_for(Matching::id("a"), Fault::Delay(Duration::ZERO));
    let one_by_one = ["--set", "redirect.on_outage=error", "--set", "nebuly.max_in_flight=1"];
    let arguments = [&["conversation", "a", "b", "c"], &one_by_one[..]].concat();
    let found = look_up(&stand_in, &arguments, "").await;
    assert_eq!((found.code, found.lines()), (1, vec![&*url(&stand_in, "a"), "", ""]));
    let address = stand_in.api_base_url().replace("http://", "").replace("/api/external", "");
    let closed = format!("Nebuly cannot be reached: {address} closed the connection without an answer.");
    let told = ["b", "c"].map(|id| format!("nebulink: \"{id}\": Nebuly cannot answer now: {closed}\n"));
    assert_eq!(found.errors, told.concat());
}

#[tokio::test]
async fn a_key_that_nebuly_rejects_ends_it_early() {
    let stand_in = stand_in().await;
    let mut command = resolve_at(&stand_in, &["conversation", "-"]);
    command.env("NEBULY_API_KEY", "nk-canary-wrong");
    let found = finished(command, "id\n".repeat(5_000)).await;
    assert_eq!(found.code, 1);
    let refused = "nebulink: \"id\": Nebuly refuses our key: The key is not valid: Nebuly answers 401.\n";
    assert!(found.errors.starts_with(refused), "{}", found.errors);
    let last = found.errors.lines().last().unwrap();
    assert!(last.ends_with("could not be looked up: the rest is given up"), "{last}");
    assert!(found.errors.lines().count() < 200 && found.lines().iter().all(|line| line.is_empty()));
    assert!(!found.errors.contains("canary"));
}

#[tokio::test]
async fn settings_and_keys_that_cannot_be_used_are_wrong_usage() {
    let none = finished(resolve(&["conversation", "a"]), "").await;
    assert_eq!((none.code, none.output.as_str()), (2, ""));
    assert!(none.errors.contains("NEBULY_API_KEY"), "{}", none.errors);
    let stand_in = stand_in().await;
    let mut command = resolve_at(&stand_in, &["conversation", "a", "--set", "cache.ttl=never"]);
    command.env_remove("NEBULY_API_KEY").env("NEBULY_API_KEY_FILE", "/nonexistent/key");
    let both = finished(command, "").await;
    assert!(both.code == 2 && both.errors.contains("cache.ttl"), "{}", both.errors);
    let mut command = resolve_at(&stand_in, &["conversation", "a"]);
    command.env_remove("NEBULY_API_KEY").env("NEBULY_API_KEY_FILE", "/nonexistent/key");
    let file = finished(command, "").await;
    assert!(file.code == 2 && file.errors.contains("/nonexistent/key"), "{}", file.errors);
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn neither_snapshot_nor_shared_cache_is_touched() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("links.jsonl");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut command = resolve_at(&stand_in, &["conversation", "a"]);
    command.env("NEBULINK__CACHE__SNAPSHOT_FILE", &snapshot);
    command.env("NEBULINK__SHARED_CACHE__URL", format!("redis://{}", listener.local_addr().unwrap()));
    let found = finished(command, "").await;
    assert_eq!((found.code, found.output), (0, format!("{}\n", url(&stand_in, "a"))));
    assert!(!snapshot.exists());
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn whoever_constructs_every_url_makes_no_call() {
    let stand_in = stand_in().await;
    let mut settings = NamedTempFile::with_suffix(".toml").unwrap();
    let project = "[[projects]]\nname = \"one\"\nproject_id = \"p\"\norganization_id = \"o\"\n";
    write!(settings, "[nebuly]\nresolve = \"construct\"\n{project}").unwrap();
    let mut command = resolve_at(&stand_in, &["conversation", "abc", "--json"]);
    command.env_remove("NEBULY_API_KEY").env("NEBULINK_CONFIG", settings.path());
    let found = finished(command, "").await;
    let link = &found.json()[0];
    assert_eq!((found.code, &link["constructed"]), (0, &json!(true)), "{}", found.errors);
    assert_eq!(stand_in.call_count(), 0);
}
