//! The examples of docs/api.md, run as their readers run them: each prints what the page shows below it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use nebulink::demo::{Fault, Interaction, Matching, StandIn};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::support::process::run;
use crate::support::skip::skip;
use crate::support::{KEY, Nebulink, stand_in};

const PAGE: &str = include_str!("../../docs/api.md");

/// The address of the page's nebulink.
const ADDRESS: &str = "https://go.example.com";

const TOKEN: &str = "example-0123456789-abcdef";

/// Stands for any text where the page shows what an example prints.
const ANYTHING: char = '…';

/// The section whose examples reach the rate limit.
const RATE_LIMITED: &str = "When it is too much";

/// The section whose examples look tags up.
const TAGS: &str = "By ticket number";

/// A language of examples, and the program that runs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Shell,
    Python,
    JavaScript,
}

/// The form of what an example prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Text,
    Json,
    /// In any order.
    JsonLines,
}

/// An example, with what it prints.
#[derive(Debug)]
struct Example {
    section: &'static str,
    language: Language,
    code: &'static str,
    output: Output,
    printed: &'static str,
}

/// The page's examples.
#[derive(Debug, Default)]
struct Examples {
    /// The code with which all examples of a language begin.
    beginnings: Vec<(Language, &'static str)>,
    examples: Vec<Example>,
}

/// The nebulink of an example.
struct Scene {
    nebulink: Nebulink,
    _stand_in: StandIn,
    /// The folder of the reader.
    folder: tempfile::TempDir,
    /// Lets time pass for the rate limit.
    clock: Option<JoinHandle<()>>,
}

impl Language {
    const ALL: [Self; 3] = [Self::Shell, Self::Python, Self::JavaScript];

    /// The language of a block of the page.
    fn of(name: &str) -> Option<Self> {
        match name {
            "sh" => Some(Self::Shell),
            "python" => Some(Self::Python),
            "js" => Some(Self::JavaScript),
            _ => None,
        }
    }

    /// The command that runs a file of this name.
    const fn command(self) -> (&'static str, &'static str) {
        match self {
            Self::Shell => ("sh", "example.sh"),
            Self::Python => ("python3", "example.py"),
            Self::JavaScript => ("node", "example.mjs"),
        }
    }

    /// Returns true if it can be run here; the tests are skipped otherwise.
    fn is_installed(self) -> bool {
        let (name, program, arguments) = match self {
            Self::Shell => ("curl", "curl", ["--version", ""]),
            Self::Python => ("requests for Python", "python3", ["-c", "import requests"]),
            Self::JavaScript => ("node", "node", ["--version", ""]),
        };
        let arguments = arguments.into_iter().filter(|argument| !argument.is_empty());
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("PYTHONPATH", python_libraries())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let is_installed = match command.status() {
            Ok(status) => status.success(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => panic!("{program}: {error}"),
        };
        if !is_installed {
            skip(name, ".ci/install");
        }
        is_installed
    }
}

/// Where `.ci/install` puts them.
fn python_libraries() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python")
}

impl Output {
    /// The form of a block of the page.
    fn of(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }

    /// Returns true if the page shows what was printed.
    fn is_shown(self, shown: &str, printed: &str) -> bool {
        match self {
            Self::Text => {
                let [shown, printed] = [shown, printed]
                    .map(|text| text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>());
                shown.len() == printed.len()
                    && shown.iter().zip(printed).all(|(shown, line)| fits(shown, line))
            }
            Self::Json => {
                let [shown, printed] = [shown, printed].map(|text| serde_json::from_str(text).unwrap());
                is_json_shown(&shown, &printed)
            }
            Self::JsonLines => {
                let [shown, mut printed] = [shown, printed].map(|text| {
                    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
                });
                let mut are_shown = shown.len() == printed.len();
                for line in shown {
                    let position = printed.iter().position(|printed| is_json_shown(&line, printed));
                    are_shown &= position.map(|position| printed.remove(position)).is_some();
                }
                are_shown
            }
        }
    }
}

/// Returns true if these are the same, with [`ANYTHING`] for any part of a string.
fn is_json_shown(shown: &Value, printed: &Value) -> bool {
    match (shown, printed) {
        (Value::String(shown), Value::String(printed)) => fits(shown, printed),
        (Value::Array(shown), Value::Array(printed)) => {
            shown.len() == printed.len()
                && shown.iter().zip(printed).all(|(shown, printed)| is_json_shown(shown, printed))
        }
        // In the same order: it is what a reader compares.
        (Value::Object(shown), Value::Object(printed)) => {
            shown.len() == printed.len()
                && shown
                    .iter()
                    .zip(printed)
                    .all(|((name, shown), (own, printed))| name == own && is_json_shown(shown, printed))
        }
        _ => shown == printed,
    }
}

/// Returns true if a text is as shown, with any text in place of each [`ANYTHING`].
fn fits(shown: &str, text: &str) -> bool {
    let Some((begin, mut parts)) = shown.split_once(ANYTHING) else { return shown == text };
    let Some(mut rest) = text.strip_prefix(begin) else { return false };
    while let Some((part, further)) = parts.split_once(ANYTHING) {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        (rest, parts) = (behind, further);
    }
    rest.ends_with(parts)
}

impl Examples {
    /// Reads the page. A block of code belongs to the next block of output in its section; without one it is what all examples
    /// of its language begin with.
    fn of_page() -> Self {
        let mut read = Self::default();
        for section in PAGE.split("\n## ") {
            let heading = section.lines().next().unwrap();
            let mut waiting = Vec::new();
            for block in section.split("\n```").skip(1).step_by(2) {
                let (name, text) = block.split_once('\n').unwrap();
                if let Some(language) = Language::of(name) {
                    waiting.push((language, text));
                } else if let Some(output) = Output::of(name) {
                    assert!(!waiting.is_empty(), "nothing prints this:\n{text}");
                    read.examples.extend(waiting.drain(..).map(|(language, code)| Example {
                        section: heading,
                        language,
                        code,
                        output,
                        printed: text,
                    }));
                } else {
                    // A page for a browser, which tests/browser/other_origins.rs opens.
                    assert_eq!(name, "html", "nothing tests this:\n{text}");
                }
            }
            read.beginnings.append(&mut waiting);
        }
        read
    }

    /// Runs all in one language.
    async fn run(language: Language) {
        if !language.is_installed() {
            return;
        }
        let all = Self::of_page();
        let beginnings = all.beginnings.iter().filter(|(own, _)| *own == language);
        let beginning: String = beginnings.map(|(_, code)| *code).collect();
        let mut count = 0;
        for example in all.examples.iter().filter(|example| example.language == language) {
            count += 1;
            example.run(&beginning).await;
        }
        assert!(count >= 4, "{count} examples");
    }
}

impl Example {
    async fn run(&self, beginning: &str) {
        let scene = Scene::start(self.section).await;
        let address = format!("http://{}", scene.nebulink.address);
        let (program, file) = self.language.command();
        let code = format!("{beginning}\n{}", self.code).replace(ADDRESS, &address);
        fs::write(scene.folder.path().join(file), code).unwrap();
        let mut command = Command::new(program);
        // No configuration of whoever runs the test, such as a proxy or a .netrc.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", scene.folder.path());
        command.envs([("NEBULINK", address.as_str()), ("NEBULINK_TOKEN", TOKEN)]);
        command.env("PYTHONPATH", python_libraries());
        command.arg(file).current_dir(scene.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (code, printed, errors) = run(command).await;
        let what = format!("{:?} in \"{}\":\n{}", self.language, self.section, self.code);
        assert_eq!((code, errors.as_str()), (0, ""), "{what}\n{printed}");
        assert!(
            self.output.is_shown(self.printed, &printed),
            "{what}\nprints:\n{printed}\nthe page shows:\n{}",
            self.printed
        );
    }
}

impl Scene {
    /// The nebulink of a section's examples.
    async fn start(section: &str) -> Self {
        let stand_in = stand_in().await;
        // As Nebuly's own, so that the page shows what its readers get.
        stand_in.set_platform_url("https://v2.platform.eu.nebuly.com");
        let interaction = Interaction {
            conversation_id: "orders/2026-11-20#4711".to_owned(),
            // Just before the beginning of the tests' clock.
            timestamp: Timestamp::from_second(1_799_990_000).unwrap(),
            tags: BTreeMap::from([("ticket".to_owned(), "4711".to_owned())]),
            ..Interaction::new("3f0e1c52-9b1d-4a83-8a3b-0d6c1f4e7a21".parse().unwrap())
        };
        stand_in.add(KEY, interaction);
        for id in ["slow", "first", "second", "third"] {
            stand_in.add_conversation(KEY, id);
        }
        stand_in.set_fault_for(Matching::id("slow"), Fault::Delay(Duration::from_millis(300)));
        stand_in.ingest_later(KEY, "just-ended", Duration::from_millis(300));

        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("nebulink-token"), TOKEN).unwrap();
        let tokens = folder.path().join("tokens");
        fs::write(&tokens, format!("example = {TOKEN}\n")).unwrap();
        let settings = match section {
            // Without a token, with which the limits would be ten times as high.
            RATE_LIMITED => &[("limits.cold_per_second", "1"), ("limits.cold_burst", "1")][..],
            TAGS => &[("lookup.tags", "ticket")],
            _ => &[("access.api_tokens_file", tokens.to_str().unwrap())],
        };
        let nebulink =
            Nebulink::start(&stand_in, &[settings, &[("server.public_url", ADDRESS)]].concat()).await;
        let clock = (section == RATE_LIMITED).then(|| {
            let clock = nebulink.clock.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    clock.advance(Duration::from_millis(100));
                }
            })
        });
        Self { nebulink, _stand_in: stand_in, folder, clock }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(clock) = &self.clock {
            clock.abort();
        }
    }
}

#[tokio::test]
async fn the_examples_for_curl_print_what_the_page_shows() {
    Examples::run(Language::Shell).await;
}

#[tokio::test]
async fn the_examples_in_python_print_what_the_page_shows() {
    Examples::run(Language::Python).await;
}

#[tokio::test]
async fn the_examples_in_javascript_print_what_the_page_shows() {
    Examples::run(Language::JavaScript).await;
}

#[test]
fn the_page_and_its_output_are_compared() {
    for (shown, text, expected) in [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("a…c", "abc", true),
        ("a…c", "ac", true),
        ("a…c", "abd", false),
        ("…b…", "abc", true),
        ("…b…d", "abc", false),
    ] {
        assert_eq!(fits(shown, text), expected, "{shown} {text}");
    }
    for (output, shown, printed, expected) in [
        (Output::Json, r#"{"a": "…", "b": [1]}"#, r#"{"a":"x","b":[1]}"#, true),
        (Output::Json, r#"{"a": 1}"#, r#"{"a":1,"b":2}"#, false),
        (Output::Json, r#"{"a": 1, "b": 2}"#, r#"{"b":2,"a":1}"#, false),
        (Output::JsonLines, "1\n2\n", "2\n1\n", true),
        (Output::JsonLines, "1\n2\n", "2\n2\n", false),
        (Output::Text, "a\nb\n", "a \nb\n", true),
        (Output::Text, "a\nb\n", "a\n", false),
    ] {
        assert_eq!(output.is_shown(shown, printed), expected, "{shown} {printed}");
    }
    let examples = Examples::of_page();
    for language in Language::ALL {
        assert!(examples.beginnings.iter().any(|(own, _)| *own == language), "{language:?}");
    }
}
