//! The settings that the chart writes for Valkey, taken by a real server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::helm::{FULL_NAME, Helm, is_there};

const PASSWORD: &str = "canary-0123456789";

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with its value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Connects as soon as somebody listens.
fn connect(socket: &Path, server: &mut Server) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        assert!(server.0.try_wait().unwrap().is_none(), "the server does not start with these settings");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn valkey_takes_its_settings_and_asks_for_the_password() {
    let Some(helm) = Helm::find() else { return };
    if !is_there("redis-server") {
        return;
    }
    let objects = helm.render(&json!({"valkey": {"enabled": true, "password": PASSWORD}})).unwrap();
    let secret = objects.named("Secret", &format!("{FULL_NAME}-valkey"));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let settings = secret["stringData"]["valkey.conf"].as_str().unwrap();
    // No port, so that tests never meet.
    let settings = settings
        .replace("port 6379\n", &format!("port 0\nunixsocket {}\n", socket.display()))
        .replace("dir /data\n", &format!("dir {}\n", folder.path().display()));
    let file = folder.path().join("valkey.conf");
    fs::write(&file, settings).unwrap();

    let mut command = Command::new("redis-server");
    let mut server = Server(command.arg(&file).stdout(Stdio::null()).spawn().unwrap());
    let mut stream = connect(&socket, &mut server);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut ask = |question: &str| {
        stream.write_all(format!("{question}\r\n").as_bytes()).unwrap();
        answers.next().unwrap().unwrap()
    };
    assert!(ask("PING").starts_with("-NOAUTH"));
    assert_eq!(ask(&format!("AUTH {PASSWORD}")), "+OK");
    assert_eq!(ask("PING"), "+PONG");
    // A list of two texts, each behind its length: the last one is the value.
    let setting: Vec<_> = [ask("CONFIG GET maxmemory-policy")]
        .into_iter()
        .chain(answers.by_ref().take(4).map(Result::unwrap))
        .collect();
    assert_eq!(setting.last().unwrap(), "allkeys-lru");
}
