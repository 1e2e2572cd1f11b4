//! The description for programs, in the hands of the tools that read such descriptions, and of the real program that it is
//! of.

mod client;
mod linter;
mod schemathesis;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nebulink::demo::{Interaction, StandIn};
use tempfile::TempDir;

use crate::support::process::{LoggedProcess, command};
use crate::support::skip::skip;
use crate::support::{KEY, stand_in};

/// The items of the examples, which the stand-in has.
const INTERACTION: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
const CONVERSATIONS: [&str; 2] = ["session-2041", "orders/2026-11-20#4711"];

const TOKEN: &str = "canary-0123456789-abcdef";

/// The program, with everything switched on that the description tells of.
struct Scene {
    program: LoggedProcess,
    /// For the files of tools.
    folder: TempDir,
    _stand_in: StandIn,
}

impl Scene {
    async fn start() -> Self {
        let stand_in = stand_in().await;
        let interaction = Interaction::new(INTERACTION.parse().unwrap());
        let tags = [("ticket_id".to_owned(), "4711".to_owned())].into();
        stand_in.add(KEY, Interaction { tags, timestamp: jiff::Timestamp::now(), ..interaction });
        for id in CONVERSATIONS {
            stand_in.add_conversation(KEY, id);
        }
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens");
        std::fs::write(&tokens, format!("tools = {TOKEN}\n")).unwrap();
        let mut command = command(&stand_in);
        command.env("NEBULINK__ACCESS__API_TOKENS_FILE", tokens).envs([
            ("NEBULINK__ACCESS__CORS_ORIGINS", "https://dashboard.example.com"),
            ("NEBULINK__LIMITS__COLD_BURST", "1000000"),
            ("NEBULINK__LIMITS__COLD_PER_SECOND", "100000"),
            ("NEBULINK__LOG__ACCESS", "none"),
            ("NEBULINK__LOOKUP__TAGS", "ticket_id"),
            // Tools wait for whatever they may.
            ("NEBULINK__REDIRECT__MAX_WAIT", "1ms"),
            ("NEBULINK__SERVER__DRAIN_DELAY", "0s"),
        ]);
        Self { program: LoggedProcess::start(command).await, folder, _stand_in: stand_in }
    }

    /// The address of the description.
    fn url(&self) -> String {
        format!("http://{}/openapi.json", self.program.address)
    }

    /// The description as a file.
    async fn document(&self) -> PathBuf {
        let path = self.folder.path().join("openapi.json");
        std::fs::write(&path, self.program.get("/openapi.json", &[]).await.body).unwrap();
        path
    }
}

/// A file beside this one.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/openapi").join(name)
}

/// A file that `.ci/install` puts into `target/tools`; nothing if it is missing here.
fn installed(path: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(path);
    if path.exists() {
        return Some(path);
    }
    skip(name, ".ci/install does it");
    None
}

/// Runs a program in Python with the libraries that `.ci/install` puts there and those of a folder; nothing if they are
/// missing here.
fn python(program: &Path, folder: &Path) -> Option<Command> {
    let libraries = installed("openapi", "schemathesis")?;
    let mut command = Command::new("python3");
    command.arg(libraries.join(program)).current_dir(folder);
    let path = std::env::join_paths([libraries.as_path(), folder]).unwrap();
    // nebulink is on this machine, whatever proxy there is for others.
    command.env("PYTHONPATH", path).env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

/// All that a tool says, which has to succeed.
async fn said_by(mut command: Command) -> String {
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    said
}
