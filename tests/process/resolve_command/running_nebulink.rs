//! `nebulink resolve --server URL`, in front of nebulink itself.

use std::fmt::Write as _;
use std::io::Write as _;

use nebulink::demo::{Fault, Matching, StandInItem};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::{Run, UUID, finished, resolve};
use crate::support::process::Process;
use crate::support::{KEY, Nebulink, key_of, settings_with, stand_in, stand_in_with};

async fn ask(server: &str, arguments: &[&str], input: &str) -> Run {
    let mut all = vec!["--server", server];
    all.extend(arguments);
    finished(resolve(&all), input).await
}

/// Ids in many states, one a line, and what Nebuly knows of them.
const IDS: [&str; 9] = ["a", "", "both", "broken", "..", "nothing", "ünï d/e&f#g+h%2f", "\"quoted\"", "a"];

/// Leaves out the members of links that depend on when and where they were asked for.
fn comparable(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, _| !["long_url", "short_url", "resolved_at"].contains(&name.as_str()));
            members.values_mut().for_each(|member| *member = comparable(member.take()));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = comparable(value.take())),
        _ => {}
    }
    value
}

#[tokio::test]
async fn nebuly_and_a_server_are_told_of_alike() {
    let stand_in = stand_in_with(2).await;
    for (project, id) in [(0, "a"), (0, "both"), (1, "both"), (1, IDS[6]), (1, "quoted")] {
        stand_in.add_conversation(&key_of(project), id);
    }
    stand_in.set_fault_for(Matching::id("broken"), Fault::Garbage);
    let error = [("redirect.on_outage", "error")];
    let nebulink = Nebulink::start_with(&settings_with(&stand_in, 2, &error)).await;
    let server = format!("http://{}", nebulink.address);
    let mut file = NamedTempFile::with_suffix(".toml").unwrap();
    for project in 0..2 {
        writeln!(file, "[[projects]]\nname = \"project-{project}\"\napi_key = \"{}\"", key_of(project))
            .unwrap();
    }
    let input = IDS.join("\n");
    for json in [&[][..], &["--json"]] {
        let arguments = [&["conversation", "-"][..], json].concat();
        let mut command = resolve(&arguments);
        command.args(["--set", "redirect.on_outage=error"]).env("NEBULINK_CONFIG", file.path());
        command.env("NEBULY_API_BASE_URL", stand_in.api_base_url());
        command.env("NEBULINK__NEBULY__PLATFORM_URL", stand_in.platform_url());
        let direct = finished(command, input.as_str()).await;
        let answered = ask(&server, &arguments, &input).await;
        assert_eq!((direct.code, answered.code), (1, 1));
        assert_eq!(direct.errors, answered.errors);
        assert_eq!(direct.lines().len(), IDS.len());
        if json.is_empty() {
            assert_eq!(direct.output, answered.output);
        } else {
            assert_eq!(comparable(direct.json().into()), comparable(answered.json().into()));
        }
    }
}

#[tokio::test]
async fn many_ids_are_answered_in_order_also_below_a_path() {
    let stand_in = stand_in().await;
    let (mut input, mut expected) = (String::new(), String::new());
    for number in 0..60 {
        let id = format!("id {number}");
        stand_in.add_conversation(KEY, &id);
        writeln!(input, "{id}").unwrap();
        writeln!(expected, "{}", stand_in.url_of(KEY, StandInItem::from(id.as_str()))).unwrap();
    }
    stand_in.add_interaction(KEY, UUID.parse().unwrap());
    let nebulink = Nebulink::start(&stand_in, &[("server.base_path", "/tools/links")]).await;
    for slash in ["", "/"] {
        let server = format!("http://{}/tools/links{slash}", nebulink.address);
        let found = ask(&server, &["conversation", "-"], &input).await;
        assert_eq!((found.code, found.errors.as_str()), (0, ""));
        assert_eq!(found.output, expected);
    }
    assert_eq!(stand_in.calls().len(), 60);
    let outside = ask(&format!("http://{}", nebulink.address), &["conversation", "a"], "").await;
    assert!(outside.code == 1 && outside.errors.contains("base path"), "{}", outside.errors);
    let server = format!("http://{}/tools/links", nebulink.address);
    let interaction = ask(&server, &["interaction", "--json", &UUID.to_uppercase()], "").await;
    assert_eq!((interaction.code, &interaction.json()[0]["id"]), (0, &UUID.into()));
}

#[tokio::test]
async fn a_servers_limits_are_waited_for() {
    let stand_in = stand_in().await;
    let (mut input, mut expected) = (String::new(), String::new());
    for number in 0..150 {
        let id = format!("id {number}");
        stand_in.add_conversation(KEY, &id);
        writeln!(input, "{id}").unwrap();
        writeln!(expected, "{}", stand_in.url_of(KEY, StandInItem::from(id.as_str()))).unwrap();
    }
    let limits = [
        ("NEBULINK__LIMITS__COLD_PER_SECOND", "50"),
        ("NEBULINK__LIMITS__COLD_BURST", "50"),
        ("NEBULINK__LIMITS__BATCH", "20"),
    ];
    let process = Process::serve(&stand_in, &limits);
    let found = ask(&format!("http://{}", process.address), &["conversation", "-"], &input).await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    assert_eq!(found.output, expected);
}

#[tokio::test]
async fn a_server_with_api_tokens_wants_one_of_them() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    let (tokens, token) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
    std::fs::write(tokens.path(), "notebook = canary-of-a-token\n").unwrap();
    std::fs::write(token.path(), "canary-of-a-token\n").unwrap();
    let setting = ("access.api_tokens_file", tokens.path().to_str().unwrap());
    let nebulink = Nebulink::start(&stand_in, &[setting]).await;
    let server = format!("http://{}", nebulink.address);
    let with_token = ["conversation", "a", "--token-file", token.path().to_str().unwrap()];
    assert_eq!(ask(&server, &with_token, "").await.code, 0);
    std::fs::write(token.path(), "canary-of-another-token\n").unwrap();
    for arguments in [&with_token[..], &["conversation", "a"]] {
        let found = ask(&server, arguments, "").await;
        assert_eq!((found.code, found.output.as_str()), (1, ""));
        assert!(found.errors.contains("This needs an API token") && found.errors.contains("--token-file"));
        assert!(!found.errors.contains("canary"), "{}", found.errors);
    }
}
