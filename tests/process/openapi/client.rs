//! A client that a generator makes of the description makes the calls of docs/api.md.

use std::path::Path;

use super::{Scene, TOKEN, beside, python, said_by};

#[tokio::test]
async fn a_generated_client_works() {
    let scene = Scene::start().await;
    let folder = scene.folder.path();
    let Some(mut generator) = python(Path::new("bin/openapi-python-client"), folder) else { return };
    generator
        .args(["generate", "--meta=none", "--output-path=nebulink", "--path"])
        .arg(scene.document().await);
    generator.arg("--config").arg(beside("generator.yaml"));
    said_by(generator).await;
    let Some(mut client) = python(&beside("client.py"), folder) else { return };
    client.arg(format!("http://{}", scene.program.address)).arg(TOKEN);
    said_by(client).await;
}
