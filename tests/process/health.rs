//! `nebulink health`, as the health check of a container.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::support::process::{Process, binary, command, run};
use crate::support::{eventually, stand_in};
use nebulink::demo::Fault;
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// `nebulink health` for a management listener at this address, without a key.
fn health(management_listen: &str) -> Command {
    let mut command = binary();
    command.arg("health").env("NEBULINK__SERVER__MANAGEMENT_LISTEN", management_listen);
    command
}

/// Runs a command, and expects this exit code. Returns what it printed on standard error.
async fn exits(command: Command, expected: i32) -> String {
    let (code, out, complaint) = run(command).await;
    assert_eq!(code, expected, "{out}{complaint}");
    complaint
}

#[tokio::test]
async fn it_follows_the_readiness_of_the_running_program() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Hang));
    let process = Process::serve(&stand_in, &[("NEBULINK__SERVER__DRAIN_DELAY", "1h")]);
    let listen = process.management.to_string();
    let (code, out, complaint) = run(health(&listen)).await;
    assert_eq!((code, out.as_str(), complaint.as_str()), (0, "ready\n", ""));
    // Nebuly does not matter, and is not called.
    assert_eq!(stand_in.call_count(), 0);

    process.signal(Signal::TERM);
    eventually(async || process.readiness().await == 503).await;
    let complaint = exits(health(&listen), 1).await;
    let expected = format!("nebulink: not ready: what listens on {listen} is starting or shutting down\n");
    assert_eq!(complaint, expected);
    process.signal(Signal::TERM);
    drop(process);

    let complaint = exits(health(&listen), 1).await;
    assert!(complaint.contains(&format!("no answer from {listen}")), "{complaint}");
    assert!(complaint.contains("refused"), "{complaint}");
}

#[tokio::test]
async fn an_address_for_all_interfaces_is_asked_on_loopback_whichever_version_it_has() {
    let stand_in = stand_in().await;
    let serving =
        |listen: &str| Process::serve(&stand_in, &[("NEBULINK__SERVER__MANAGEMENT_LISTEN", listen)]);
    for unspecified in ["0.0.0.0", "[::]"] {
        let process = serving(&format!("{unspecified}:0"));
        exits(health(&format!("{unspecified}:{}", process.management.port())), 0).await;
    }
    // As on a machine without IPv6.
    let process = serving("127.0.0.1:0");
    exits(health(&format!("[::]:{}", process.management.port())), 0).await;
}

#[tokio::test]
async fn only_the_setting_that_it_needs_has_to_be_right_and_no_key_is_read() {
    let stand_in = stand_in().await;
    let process = Process::serve(&stand_in, &[]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("nebulink.toml");
    let with_file = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut command = binary();
        command.arg("health").env("NEBULINK_CONFIG", &file);
        command
    };
    let listen = format!("[server]\nmanagement_listen = '{}'\n", process.management);
    let others = "[cache]\nttl = 'canary'\n[nebuly]\nca_file = '/nonexistent/ca'\n[[projects]]\nname = 'a'\n\
                  api_key_file = '/nonexistent/key'\n";
    exits(with_file(&format!("{listen}{others}")), 0).await;

    let complaint = exits(with_file("[server]\nmanagement_listen = 'canary'\n"), 2).await;
    assert!(complaint.contains("server.management_listen") && !complaint.contains("canary"), "{complaint}");
    let complaint = exits(with_file("[server\n"), 2).await;
    assert!(complaint.contains("not TOML"), "{complaint}");
    let complaint = exits(health("127.0.0.1:0"), 2).await;
    assert!(complaint.contains("port 0"), "{complaint}");

    // The default moves if the other listener takes its port.
    let mut moved = command(&stand_in);
    moved.arg("health").env_remove("NEBULINK__SERVER__MANAGEMENT_LISTEN");
    moved.env("NEBULINK__SERVER__LISTEN", "127.0.0.1:9090");
    let complaint = exits(moved, 1).await;
    assert!(complaint.contains("127.0.0.1:9091"), "{complaint}");
}

#[tokio::test]
async fn what_is_not_nebulink_or_does_not_answer_is_not_ready() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    std::thread::spawn(move || {
        let endless = "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"canary".repeat(10_000);
        for answer in [
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "\u{1b}[31mcanary\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nok\n",
            endless.as_str(),
            "",
        ] {
            let (mut socket, _) = other.accept().unwrap();
            // Whoever closes before the request is read resets the connection.
            let _read = socket.read(&mut [0; 1024]).unwrap();
            drop(socket.write_all(answer.as_bytes()));
        }
    });
    for _ in 0..4 {
        let complaint = exits(health(&address.to_string()), 1).await;
        assert!(complaint.contains("is not nebulink") && !complaint.contains("canary"), "{complaint}");
    }
    exits(health(&address.to_string()), 1).await;

    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    silent.listen(8).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    let complaint = exits(health(&address.to_string()), 1).await;
    assert!(complaint.contains(&format!("no answer from {address}")), "{complaint}");
}
