//! The program as a process: its commands, exit codes and signals.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::process::{Process, Running, binary, command, run};
use crate::support::{KEY, PATIENCE, eventually, request, stand_in};
use nebulink::demo::Fault;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn sigterm_drains_in_two_phases_and_loses_no_request() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "slow");
    stand_in.add_conversation(KEY, "new");
    let process = Process::serve(&stand_in, &[("NEBULINK__SERVER__DRAIN_DELAY", "3s")]);
    assert_eq!(process.readiness().await, 200);
    stand_in.set_fault_for(nebulink::demo::Matching::id("slow"), Fault::Hold);
    let address = process.address;
    let open = tokio::spawn(async move { request(address, "GET", "/c/slow", &[]).await });
    stand_in.wait_for_calls(1).await;
    let mut kept = TcpStream::connect(address).await.unwrap();

    process.signal(Signal::TERM);
    let not_ready = async {
        while process.readiness().await != 503 {
            tokio::task::yield_now().await;
        }
    };
    let began = Instant::now();
    tokio::time::timeout(PATIENCE, not_ready).await.unwrap();
    // New requests are served during the delay, on new connections and on open ones, which are then closed.
    assert_eq!(request(address, "GET", "/c/new", &[]).await.status, 302);
    kept.write_all(b"GET /c/new HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 302") && answer.contains("connection: close"), "{answer}");
    assert!(
        began.elapsed() < Duration::from_millis(2900),
        "the machine is too slow for this test to say anything"
    );
    let live = request(process.management, "GET", "/livez", &[]).await;
    assert_eq!(live.status, 200);

    // Then it is closed, and what is open is finished.
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
    assert_eq!(process.readiness().await, 503);
    stand_in.release_held();
    assert_eq!(open.await.unwrap().status, 302);
    assert_eq!(process.exit_code().await, 0);
}

#[tokio::test]
async fn sigint_and_sighup_stop_without_the_delay() {
    let stand_in = stand_in().await;
    for signal in [Signal::INT, Signal::HUP] {
        let process = Process::serve(&stand_in, &[("NEBULINK__SERVER__DRAIN_DELAY", "1h")]);
        process.signal(signal);
        assert_eq!(process.exit_code().await, 0);
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let stand_in = stand_in().await;
    for (second, code) in [(Signal::TERM, 128 + 15), (Signal::INT, 128 + 2), (Signal::HUP, 128 + 1)] {
        let process = Process::serve(&stand_in, &[("NEBULINK__SERVER__DRAIN_DELAY", "1h")]);
        process.signal(Signal::TERM);
        while process.readiness().await != 503 {}
        process.signal(second);
        assert_eq!(process.exit_code().await, code);
    }
}

/// Returns true if SIGHUP, SIGINT and SIGTERM have handlers.
#[cfg(target_os = "linux")]
fn catches_signals(process: &Running) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let wanted = [Signal::HUP, Signal::INT, Signal::TERM].map(|signal| 1 << (signal.as_raw() - 1));
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    wanted.iter().all(|signal| caught & signal != 0)
}

/// The main thread itself hangs here: it writes to a pipe that is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_signal_ends_a_start_that_hangs() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (unread, mut full) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&full, true).unwrap();
        while full.write(&[b'x'; 4096]).is_ok() {}
        rustix::io::ioctl_fionbio(&full, false).unwrap();
        let mut command = binary();
        command.args(["demo", "--set", "server.listen=127.0.0.1:0"]).stdout(full);
        let mut process = Running(command.spawn().unwrap());
        drop(command);
        eventually(async || catches_signals(&process)).await;
        process.signal(signal);
        assert_eq!(process.exit_code().await, 0, "{signal:?}");
        drop(unread);
    }
}

#[tokio::test]
async fn a_full_public_listener_fails_no_probe() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Hang));
    let process = Process::serve(&stand_in, &[("NEBULINK__SERVER__MAX_CONNECTIONS", "4")]);
    let mut busy = Vec::new();
    for number in 0..20 {
        let mut stream = TcpStream::connect(process.address).await.unwrap();
        stream.write_all(format!("GET /c/{number} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        busy.push(stream);
    }
    stand_in.wait_for_calls(4).await;
    assert_eq!(process.readiness().await, 200);
    assert_eq!(request(process.management, "GET", "/livez", &[]).await.status, 200);
}

#[tokio::test]
async fn a_taken_port_is_a_clear_message() {
    let stand_in = stand_in().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = command(&stand_in);
    command.env("NEBULINK__SERVER__LISTEN", &address);
    let (code, _, complaint) = run(command).await;
    assert_eq!(code, 1);
    assert_eq!(
        complaint.lines().last(),
        Some(&*format!("nebulink: cannot listen on {address}: the port is taken by another program"))
    );
}

#[tokio::test]
async fn wrong_settings_are_reported_all_at_once_and_exit_with_2() {
    for name in ["serve", "check"] {
        let mut command = binary();
        command.arg(name).envs([
            ("NEBULY_API_KEY", "canary with spaces"),
            ("NEBULINK__CACHE__TTL", "canary"),
            ("NEBULINK__SERVER__LISTEN", "canary"),
            ("NEBULINK__NEBULY__API_BASE_URL", "http://nebuly.example/"),
            ("NEBULINK__CACHE__TTTL", "canary"),
        ]);
        let (code, out, complaint) = run(command).await;
        assert_eq!(code, 2);
        for key in
            ["NEBULY_API_KEY", "cache.ttl", "server.listen", "nebuly.api_base_url", "NEBULINK__CACHE__TTTL"]
        {
            assert!(complaint.contains(key), "{key}: {complaint}");
        }
        assert!(!complaint.contains("canary") && !out.contains("canary"), "{complaint}");
    }
    let (code, ..) = run({
        let mut command = binary();
        command.arg("--no-such-option");
        command
    })
    .await;
    assert_eq!(code, 2);
}

#[tokio::test]
async fn whoever_constructs_every_url_needs_no_key_and_nothing_is_called() {
    let stand_in = stand_in().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let project = "[[projects]]\nname = \"one\"\nproject_id = \"p\"\norganization_id = \"o\"\n";
    std::fs::write(file.path(), format!("[nebuly]\nresolve = \"construct\"\n{project}")).unwrap();
    let settings = [("NEBULINK_CONFIG", file.path().to_str().unwrap())];
    let mut check = command(&stand_in);
    check.arg("check").env_remove("NEBULY_API_KEY").envs(settings);
    let (code, out, complaint) = run(check).await;
    assert_eq!((code, complaint.as_str()), (0, ""), "{out}");
    assert!(out.contains("Nebuly is not called"), "{out}");

    let mut serve = command(&stand_in);
    serve.env_remove("NEBULY_API_KEY").envs(settings);
    let process = Process::started(serve, "serving");
    let answer = request(process.address, "GET", "/c/abc", &[]).await;
    let location = answer.header("location").unwrap();
    assert!(answer.status == 302 && location.starts_with(&stand_in.platform_url()), "{answer:?}");
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn without_a_usable_key_the_start_ends_with_2() {
    let stand_in = stand_in().await;
    for file in ["/nonexistent/key", "/dev/null"] {
        let mut command = command(&stand_in);
        command.env_remove("NEBULY_API_KEY").env("NEBULY_API_KEY_FILE", file);
        let (code, _, complaint) = run(command).await;
        assert_eq!(code, 2, "{complaint}");
        assert!(complaint.contains("default"), "names the project: {complaint}");
    }
    let (code, _, complaint) = run(binary()).await;
    assert_eq!(code, 2);
    assert!(complaint.contains("NEBULY_API_KEY"), "{complaint}");
}

#[tokio::test]
async fn a_key_is_nowhere_in_the_process_list() {
    let stand_in = stand_in().await;
    let process = Process::serve(&stand_in, &[]);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", process.running.0.id())).unwrap();
    assert!(!String::from_utf8_lossy(&arguments).contains(KEY));
}

/// A core dump would hold the keys.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_program_writes_no_core_dumps() {
    let stand_in = stand_in().await;
    let process = Process::serve(&stand_in, &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.running.0.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
}

#[tokio::test]
async fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = binary();
        command.args(["completions", shell]);
        let (code, out, _) = run(command).await;
        assert!(code == 0 && out.contains("nebulink"), "{shell}");
    }
}

/// As in `nebulink check | head -1`.
#[tokio::test]
async fn a_reader_that_goes_away_changes_nothing_of_what_a_command_does() {
    let stand_in = stand_in().await;
    for (arguments, code) in [(["check"].as_slice(), 0), (&["completions", "bash"], 0)] {
        let mut command = command(&stand_in);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.args(arguments).stdout(writer);
        let (answer, _, complaint) = run(command).await;
        assert_eq!((answer, &*complaint), (code, ""), "{arguments:?}");
    }
}

/// A script that was written by half is no script.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn completions_that_cannot_be_written_are_a_failure() {
    let mut command = binary();
    command.args(["completions", "bash"]).stdout(std::fs::File::create("/dev/full").unwrap());
    let (code, _, complaint) = run(command).await;
    assert!(
        code == 1 && complaint.starts_with("nebulink: standard output cannot be written to"),
        "{complaint}"
    );
}
