//! The rules of a linter for such descriptions. It also compares every example with its schema.

use std::process::Command;

use super::{Scene, installed, said_by};

#[tokio::test]
async fn the_description_has_nothing_that_a_linter_warns_of() {
    let Some(linter) = installed("node_modules/.bin/redocly", "redocly") else { return };
    let scene = Scene::start().await;
    let mut command = Command::new(linter);
    command.args(["lint", "--extends=recommended-strict", "--format=stylish"]).arg(scene.document().await);
    // Without it, it looks for settings there.
    command.current_dir(scene.folder.path());
    command.envs([("REDOCLY_TELEMETRY", "off"), ("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")]);
    said_by(command).await;
}
