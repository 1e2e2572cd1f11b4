//! `nebulink check`: its verdict, the causes that it names, and the settings that it shows.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::process::{Running, binary, command, run};
use crate::support::{KEY, key_of, stand_in, stand_in_with};
use http::{HeaderMap, StatusCode};
use nebulink::demo::{Fault, StandIn};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};
use tempfile::{NamedTempFile, TempDir};

/// A part of all secrets in these tests.
const CANARY: &str = "canary";

/// The output of `nebulink check`.
struct Checked {
    code: i32,
    out: String,
    complaint: String,
}

impl Checked {
    /// The first line, which is the verdict.
    fn verdict(&self) -> &str {
        self.out.lines().next().unwrap()
    }
}

/// Runs `nebulink check` with further variables. No secret may be in its output.
async fn check(mut command: Command, arguments: &[&str], variables: &[(&str, &str)]) -> Checked {
    command.arg("check").args(arguments).envs(variables.iter().copied());
    let (code, out, complaint) = run(command).await;
    assert!(!out.contains(CANARY) && !complaint.contains(CANARY), "{out}{complaint}");
    Checked { code, out, complaint }
}

/// The program with as many projects of a stand-in as keys are given.
fn with_keys(stand_in: &StandIn, folder: &TempDir, keys: &[String]) -> Command {
    let project = |(index, key)| format!("[[projects]]\nname = 'project-{index}'\napi_key = '{key}'\n");
    let file = folder.path().join("nebulink.toml");
    fs::write(&file, keys.iter().enumerate().map(project).collect::<String>()).unwrap();
    let mut command = command(stand_in);
    command.env_remove("NEBULY_API_KEY").env("NEBULINK_CONFIG", file);
    command
}

/// A server that does this with each connection.
fn listening(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(socket.unwrap()));
        }
    });
    address
}

/// Reads a head, and returns its first line.
fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned()
}

/// A server that answers every request with this status line and headers.
fn answering(answer: &'static str) -> SocketAddr {
    listening(move |mut socket| {
        read_head(&mut socket);
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        drop(socket.write_all(answer.as_bytes()));
    })
}

/// A server that takes connections and says nothing until its peer goes.
fn silent() -> SocketAddr {
    listening(|mut socket| drop(std::io::copy(&mut socket, &mut std::io::sink())))
}

/// A proxy that connects to wherever it is told.
fn tunnel() -> SocketAddr {
    listening(|mut caller| {
        let line = read_head(&mut caller);
        let target = line.split(' ').nth(1).unwrap().replace("localhost", "127.0.0.1");
        let mut target = TcpStream::connect(target).unwrap();
        caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (mut sent, mut to) = (caller.try_clone().unwrap(), target.try_clone().unwrap());
        std::thread::spawn(move || {
            drop(std::io::copy(&mut sent, &mut to));
            drop(to.shutdown(Shutdown::Write));
        });
        drop(std::io::copy(&mut target, &mut caller));
    })
}

/// A server with TLS that accepts every key, and the file of its certificate, which no public authority has signed.
fn nebuly_with(certificate: &CertificateParams) -> (SocketAddr, NamedTempFile) {
    let key = KeyPair::generate().unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let config = Arc::new(config);
    let address = listening(move |socket| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        read_head(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"));
        stream.conn.send_close_notify();
        drop(stream.flush());
    });
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certificate.pem().as_bytes()).unwrap();
    (address, file)
}

fn for_localhost() -> CertificateParams {
    CertificateParams::new(vec!["localhost".to_owned()]).unwrap()
}

/// Checks settings with which Nebuly cannot be reached, and expects this reason as the verdict.
async fn expect_reason(variables: &[(&str, &str)], reason: &str, advice: &str) {
    let mut command = binary();
    command.envs([("NEBULY_API_KEY", "nk-canary")]);
    let checked = check(command, &[], variables).await;
    assert_eq!(checked.code, 1, "{}{}", checked.out, checked.complaint);
    let verdict = checked.verdict();
    assert!(verdict.starts_with(&format!("FAILED: default: {reason}")), "{reason}: {verdict}");
    assert_eq!(checked.complaint, format!("nebulink: {}\n", verdict.strip_prefix("FAILED: ").unwrap()));
    assert!(checked.out.contains(advice), "{advice}: {}", checked.out);
}

#[tokio::test]
async fn the_first_line_is_the_verdict_and_the_last_one_repeats_it_if_it_is_bad() {
    let stand_in = stand_in().await;
    let good = check(command(&stand_in), &[], &[]).await;
    assert_eq!((good.code, good.complaint.as_str()), (0, ""), "{}", good.out);
    assert_eq!(good.verdict(), "OK: the settings are valid, and so is the key");
    let lines = format!("\nNebuly at {}:\n  default: the key is valid\n", stand_in.api_base_url());
    assert!(good.out.contains(&lines), "{}", good.out);
    assert_eq!(stand_in.call_count(), 1);

    let bad = check(command(&stand_in), &[], &[("NEBULY_API_KEY", "nk-canary-wrong")]).await;
    assert_eq!(bad.code, 1);
    assert_eq!(bad.verdict(), "FAILED: default: the key is not valid: Nebuly answers 401");
    assert_eq!(bad.complaint, "nebulink: default: the key is not valid: Nebuly answers 401\n");
    assert!(bad.out.contains("\n    It was revoked, or "), "{}", bad.out);
}

#[tokio::test]
async fn keys_are_tried_at_once_and_listed_in_the_order_of_their_projects() {
    let stand_in = stand_in_with(10).await;
    let folder = TempDir::new().unwrap();
    let mut keys: Vec<_> = (0..10).map(key_of).collect();
    let delay = Duration::from_millis(500);
    stand_in.set_fault(Some(Fault::Delay(delay)));
    let began = Instant::now();
    let good = check(with_keys(&stand_in, &folder, &keys), &[], &[]).await;
    assert!(began.elapsed() < delay * 10, "{:?}", began.elapsed());
    assert_eq!((good.code, good.verdict()), (0, "OK: the settings are valid, and so are all 10 keys"));
    let listed: Vec<_> = good.out.lines().filter(|line| line.starts_with("  project-")).collect();
    let expected: Vec<_> = (0..10).map(|index| format!("  project-{index}: the key is valid")).collect();
    assert_eq!(listed, expected);

    stand_in.set_fault(None);
    keys[3] = "nk-canary-3".to_owned();
    keys[7] = "nk-canary-7".to_owned();
    let bad = check(with_keys(&stand_in, &folder, &keys), &[], &[]).await;
    let reason = "the key is not valid: Nebuly answers 401";
    assert_eq!((bad.code, bad.verdict()), (1, &*format!("FAILED: 2 of 10 projects: {reason}")));
    for project in ["project-3", "project-7"] {
        assert!(bad.out.contains(&format!("  {project}: {reason}\n")), "{}", bad.out);
    }
    assert_eq!(bad.out.matches("It was revoked").count(), 1, "{}", bad.out);

    stand_in.stop().await;
    let none = check(with_keys(&stand_in, &folder, &keys), &[], &[]).await;
    assert!(none.verdict().starts_with("FAILED: all 10 projects: Nebuly cannot be reached: nothing listens"));
}

#[tokio::test]
async fn the_cause_of_an_unreachable_nebuly_is_in_the_verdict() {
    expect_reason(
        &[("NEBULY_API_BASE_URL", "https://nebuly.invalid/api")],
        "Nebuly cannot be reached: the name nebuly.invalid does not resolve (",
        "Check the name in nebuly.api_base_url",
    )
    .await;

    // Bound, so that nobody else gets the port, but not listening.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let closed = closed.local_addr().unwrap().as_socket().unwrap();
    expect_reason(
        &[("NEBULY_API_BASE_URL", &format!("https://{closed}"))],
        &format!("Nebuly cannot be reached: nothing listens on {closed} (connection refused)"),
        "Check host and port in nebuly.api_base_url",
    )
    .await;

    let silent = silent();
    let soon = ("NEBULINK__NEBULY__ATTEMPT_TIMEOUT", "300ms");
    expect_reason(
        &[("NEBULY_API_BASE_URL", &format!("http://{silent}")), soon],
        &format!("Nebuly cannot be reached: {silent} accepts connections, but did not answer within 300ms"),
        "Check that nebuly.api_base_url names the right port",
    )
    .await;
    expect_reason(
        &[
            ("NEBULY_API_BASE_URL", &format!("https://{silent}")),
            ("NEBULINK__NEBULY__CONNECT_TIMEOUT", "300ms"),
        ],
        &format!(
            "Nebuly cannot be reached: {silent} accepts connections, but TLS was not ready within 300ms"
        ),
        "Check that nebuly.api_base_url names the right port",
    )
    .await;

    let closing = listening(|mut socket| drop(socket.read(&mut [0; 8])));
    for scheme in ["http", "https"] {
        expect_reason(
            &[("NEBULY_API_BASE_URL", &format!("{scheme}://{closing}"))],
            &format!("Nebuly cannot be reached: {closing} closed the connection without an answer"),
            "Check scheme, host and port in nebuly.api_base_url",
        )
        .await;
    }
}

/// Linux takes no connection while the queue of those that nobody has accepted is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn packets_that_are_dropped_are_told_from_a_server_that_is_slow() {
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
    }
    expect_reason(
        &[
            ("NEBULY_API_BASE_URL", &format!("https://{address}")),
            ("NEBULINK__NEBULY__CONNECT_TIMEOUT", "300ms"),
        ],
        &format!("Nebuly cannot be reached: no connection to {address} within 300ms"),
        "firewall, NetworkPolicy (egress)",
    )
    .await;
}

#[tokio::test]
async fn the_reason_why_a_certificate_is_refused_is_in_the_verdict() {
    let mut expired = for_localhost();
    expired.not_after = date_time_ymd(2001, 2, 3);
    let mut future = for_localhost();
    future.not_before = date_time_ymd(4000, 1, 1);
    let other = CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    let renewed = "renewed, or the clock of this machine is wrong";
    for (certificate, reason, advice) in [
        (expired, "expired at 2001-02-03T00:00:00Z (here it is 2", renewed),
        (future, "is not valid before 4000-01-01T00:00:00Z (here it is 2", renewed),
        (other, r#"is for another name (DnsName("other.example"))"#, "Write one of its names"),
    ] {
        let (address, file) = nebuly_with(&certificate);
        let address = format!("localhost:{}", address.port());
        expect_reason(
            &[
                ("NEBULY_API_BASE_URL", &format!("https://{address}")),
                ("NEBULINK__NEBULY__CA_FILE", file.path().to_str().unwrap()),
            ],
            &format!("Nebuly cannot be reached: the certificate of {address} {reason}"),
            advice,
        )
        .await;
    }

    let (address, file) = nebuly_with(&for_localhost());
    let url = format!("https://localhost:{}", address.port());
    expect_reason(
        &[("NEBULY_API_BASE_URL", &url)],
        &format!(
            "Nebuly cannot be reached: the certificate of localhost:{} is not signed by a trusted authority",
            address.port()
        ),
        "nebuly.ca_file must name",
    )
    .await;
    let mut trusting = binary();
    trusting.env("NEBULY_API_KEY", KEY).env("NEBULINK__NEBULY__CA_FILE", file.path());
    let checked = check(trusting, &[], &[("NEBULY_API_BASE_URL", &url)]).await;
    assert_eq!(checked.code, 0, "{}", checked.out);
}

#[tokio::test]
async fn tls_and_plain_http_are_told_apart() {
    let stand_in = stand_in().await;
    let plain = stand_in.api_base_url().replace("http:", "https:");
    let address = plain.split('/').nth(2).unwrap();
    expect_reason(
        &[("NEBULY_API_BASE_URL", &plain)],
        &format!("Nebuly cannot be reached: {address} does not answer in TLS"),
        "https needs a port with TLS",
    )
    .await;
    let (tls, _) = nebuly_with(&for_localhost());
    expect_reason(
        &[("NEBULY_API_BASE_URL", &format!("http://{tls}"))],
        &format!("Nebuly cannot be reached: {tls} does not answer in HTTP"),
        "Check scheme, host and port in nebuly.api_base_url",
    )
    .await;
}

#[tokio::test]
async fn a_proxy_that_is_in_the_way_is_named_without_its_password() {
    let through = "Nebuly cannot be reached through the proxy:";
    let expect = async |base: &str, proxy: &str, reason: &str, advice: &str| {
        let proxy = format!("http://user:canary@{proxy}");
        let variables = [
            ("NEBULY_API_BASE_URL", base),
            ("NEBULINK__NEBULY__PROXY", proxy.as_str()),
            ("NEBULINK__NEBULY__CONNECT_TIMEOUT", "300ms"),
        ];
        expect_reason(&variables, reason, advice).await;
    };
    let nebuly = "https://nebuly.invalid/api";
    let name = format!("{through} the name proxy.invalid does not resolve (");
    expect(nebuly, "proxy.invalid:3128", &name, "Check the name in nebuly.proxy").await;

    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let closed = closed.local_addr().unwrap().as_socket().unwrap().to_string();
    let refused = format!("{through} nothing listens on {closed} (connection refused)");
    for base in [nebuly, "http://127.0.0.1:9"] {
        expect(base, &closed, &refused, "Check host and port in nebuly.proxy").await;
    }

    let locked = answering("407 Proxy Authentication Required").to_string();
    let credentials = format!("{through} {locked} wants a user and a password (407)");
    for base in [nebuly, "http://127.0.0.1:9"] {
        expect(base, &locked, &credentials, "Set nebuly.proxy with the right user").await;
    }

    let refusing = answering("502 Bad Gateway").to_string();
    let stopped = format!("{through} {refusing} makes no connection to it");
    expect(nebuly, &refusing, &stopped, "The proxy's own log says why").await;
    let fails = "the key could not be tried: Nebuly, or what is in front of it, fails (status 502)";
    expect("http://127.0.0.1:9", &refusing, fails, "").await;

    let silent = silent().to_string();
    let slow =
        format!("{through} {silent} accepts connections, but its connection to Nebuly was not ready within");
    expect(nebuly, &silent, &slow, "Check that the proxy can reach Nebuly").await;

    // What is behind a proxy that works is not the proxy's fault.
    let (address, _) = nebuly_with(&for_localhost());
    let reason = format!(
        "Nebuly cannot be reached: the certificate of localhost:{} is not signed by a trusted authority",
        address.port()
    );
    let base = format!("https://localhost:{}", address.port());
    expect(&base, &tunnel().to_string(), &reason, "or that of a proxy which opens TLS").await;
}

#[tokio::test]
async fn what_answers_and_is_not_nebulys_api_makes_the_address_wrong() {
    let stand_in = stand_in().await;
    let elsewhere = format!("{}/elsewhere", stand_in.platform_url());
    let checked = check(command(&stand_in), &[], &[("NEBULY_API_BASE_URL", &elsewhere)]).await;
    assert_eq!(
        (checked.code, checked.verdict()),
        (1, "FAILED: default: what answers is not Nebuly's API (status 405): nebuly.api_base_url is wrong")
    );
    for (fault, verdict) in [
        (
            Fault::status(StatusCode::NOT_FOUND),
            "what answers is not Nebuly's API (status 404): nebuly.api_base_url is wrong",
        ),
        (
            Fault::Status {
                code: StatusCode::BAD_REQUEST,
                headers: HeaderMap::new(),
                body: "<h1>Bad Request</h1>".to_owned(),
            },
            "what answers is not Nebuly's API (status 400): nebuly.api_base_url is wrong",
        ),
        (
            Fault::status(StatusCode::BAD_REQUEST),
            "the key could not be tried: the answer says nothing of the key (status 400)",
        ),
        (Fault::Garbage, "what answers is not Nebuly's API (status 200): nebuly.api_base_url is wrong"),
        (
            Fault::RedirectTo("https://login.example/".to_owned()),
            "what answers is not Nebuly's API (status 302): nebuly.api_base_url is wrong",
        ),
        (
            Fault::status(StatusCode::SERVICE_UNAVAILABLE),
            "the key could not be tried: Nebuly, or what is in front of it, fails (status 503)",
        ),
        (
            Fault::status(StatusCode::TOO_MANY_REQUESTS),
            "the key could not be tried: Nebuly asks us to slow down (status 429)",
        ),
        (Fault::status(StatusCode::FORBIDDEN), "the key is not valid: Nebuly answers 403"),
    ] {
        stand_in.set_fault(Some(fault));
        let checked = check(command(&stand_in), &[], &[]).await;
        assert_eq!((checked.code, checked.verdict()), (1, &*format!("FAILED: default: {verdict}")));
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_the_settings_is_said_before_they_are_shown_and_no_key_is_sent() {
    let stand_in = stand_in().await;
    let variables = [
        ("NEBULINK__CACHE__TTL", "canary"),
        ("NEBULINK__NEBULLY__PROXY", "canary"),
        ("NEBULINK__CACHE__MAX_SIZE", "1MiB"),
        ("NEBULINK__CACHE__SNAPSHOT_FILE", "/nonexistent/links"),
        ("NEBULINK__ACCESS__API_TOKENS_FILE", "/dev/null"),
    ];
    let checked = check(command(&stand_in), &[], &variables).await;
    assert_eq!((checked.code, checked.verdict()), (2, "FAILED: 4 problems with the settings"));
    let complaint = &checked.complaint;
    for problem in [
        "cache.ttl (environment variable NEBULINK__CACHE__TTL): not a duration",
        "nebully.proxy (environment variable NEBULINK__NEBULLY__PROXY): not a setting",
        "snapshot /nonexistent/links cannot be written",
        "access.api_tokens_file (environment variable NEBULINK__ACCESS__API_TOKENS_FILE): the file cannot be read",
    ] {
        assert!(complaint.contains(problem), "{problem}: {complaint}");
    }
    assert_eq!(complaint.lines().last(), Some("nebulink: 4 problems with the settings"));
    assert!(checked.out.contains("  default: the key was not tried\n"), "{}", checked.out);
    assert!(checked.out.contains("  cache.max_size = 1MiB  ("), "{}", checked.out);
    assert_eq!(stand_in.call_count(), 0);

    // One alone is the verdict, and is not said a third time.
    let checked = check(command(&stand_in), &[], &[("NEBULINK__CACHE__TTL", "canary")]).await;
    let problem = "cache.ttl (environment variable NEBULINK__CACHE__TTL): not a duration";
    assert!(checked.verdict().starts_with(&format!("FAILED: {problem}")), "{}", checked.verdict());
    let repeated = checked.verdict().replace("FAILED", "nebulink");
    assert_eq!((checked.code, checked.complaint), (2, format!("{repeated}\n")));
    assert_eq!(stand_in.call_count(), 0);

    // A key is still tried if all settings could be read.
    let checked = check(
        command(&stand_in),
        &[],
        &[("NEBULY_API_KEY", "nk-canary"), ("NEBULINK__CACHE__SNAPSHOT_FILE", "/nonexistent/links")],
    )
    .await;
    let verdict = "1 problem with the settings; default: the key is not valid: Nebuly answers 401";
    assert_eq!((checked.code, checked.verdict()), (2, &*format!("FAILED: {verdict}")));
}

#[tokio::test]
async fn only_settings_that_differ_from_their_defaults_are_shown_unless_all_are_asked_for() {
    let stand_in = stand_in().await;
    let variables = [
        ("NEBULINK__CACHE__TTL", "24h"),
        ("NEBULINK__CACHE__STALE", "7d"),
        ("NEBULINK__NEBULY__DEADLINE", "3s"),
        ("NEBULINK__SHARED_CACHE__URL", "redis://:canary@127.0.0.1:1/0"),
    ];
    let differing = check(command(&stand_in), &["--offline"], &variables).await.out;
    let (_, settings) =
        differing.split_once("\nSettings that differ from their defaults (--all shows all):\n").unwrap();
    for shown in [
        "  cache.stale = 7d  (environment variable NEBULINK__CACHE__STALE)\n",
        "  nebuly.deadline = 3s  (environment variable NEBULINK__NEBULY__DEADLINE)\n",
        // A default that was adapted differs as well.
        "  nebuly.attempt_timeout = 3s  (follows nebuly.deadline)\n",
        "  shared_cache.url = redis://127.0.0.1:1  (environment variable NEBULINK__SHARED_CACHE__URL)\n",
        "  projects[0].api_key = (set)  (environment variable NEBULY_API_KEY)\n",
    ] {
        assert!(settings.contains(shown), "{shown}: {settings}");
    }
    assert!(!settings.contains("cache.ttl") && !settings.contains("(default)"), "{settings}");

    let all = check(command(&stand_in), &["--offline", "--all"], &variables).await.out;
    let (_, settings) = all.split_once("\nAll settings:\n").unwrap();
    for shown in ["  cache.ttl = 24h  (environment", "  server.max_connections = 10000  (default)\n"] {
        assert!(settings.contains(shown), "{shown}: {settings}");
    }
}

#[tokio::test]
async fn where_no_setting_differs_a_sentence_stands_in_place_of_the_heading() {
    let checked = check(binary(), &[], &[]).await;
    assert_eq!(checked.code, 2);
    assert!(checked.verdict().contains("NEBULY_API_KEY"), "{}", checked.verdict());
    assert_eq!(checked.out.lines().last(), Some("No setting differs from its default (--all shows all)."));
    assert!(!checked.out.contains("Settings that differ"), "{}", checked.out);
}

#[tokio::test]
async fn offline_nothing_is_called_and_a_missing_key_is_still_found() {
    let stand_in = stand_in_with(2).await;
    let checked = check(command(&stand_in), &["--offline"], &[("NEBULY_API_KEY", "nk-canary")]).await;
    assert_eq!((checked.code, checked.verdict()), (0, "OK: the settings are valid; no key was tried"));
    assert!(checked.out.contains("  default: the key was not tried\n"), "{}", checked.out);
    let wrong = check(command(&stand_in), &["--offline"], &[("NEBULINK__CACHE__TTL", "soon")]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.out);

    let folder = TempDir::new().unwrap();
    let mut command = with_keys(&stand_in, &folder, &[key_of(0), key_of(1)]);
    let file = folder.path().join("nebulink.toml");
    let text = fs::read_to_string(&file).unwrap().replace(
        &format!("api_key = '{}'", key_of(1)),
        &format!("api_key_file = '{}/missing'", folder.path().display()),
    );
    fs::write(&file, text).unwrap();
    command.env_remove("NEBULY_API_KEY");
    let checked = check(command, &["--offline"], &[]).await;
    assert_eq!(
        (checked.code, checked.verdict()),
        (1, "FAILED: project-1: there is no key to try: api_key_file has none")
    );
    assert!(checked.complaint.contains("/missing: it cannot be read"), "{}", checked.complaint);
    assert_eq!(stand_in.call_count(), 0);
}

#[tokio::test]
async fn an_interaction_with_long_texts_leaves_its_key_valid() {
    let stand_in = stand_in().await;
    stand_in.set_fault(Some(Fault::Huge { bytes: 1 << 20 }));
    let checked = check(command(&stand_in), &[], &[]).await;
    assert_eq!(checked.code, 0, "{}", checked.out);
}

#[tokio::test]
async fn what_is_probably_not_meant_is_said_by_check_and_logged_at_start() {
    let stand_in = stand_in().await;
    let variable = ("NEBULINK__ACCESS__IDENTITY_HEADER", "x-auth-request-email");
    let checked = check(command(&stand_in), &[], &[variable]).await;
    let problem = "set without server.trusted_proxies";
    assert!(
        checked.code == 0
            && checked.out.contains("Warnings:\n  access.identity_header")
            && checked.out.contains(problem),
        "{}",
        checked.out
    );
    let mut without = command(&stand_in);
    without.env_remove("NEBULINK__NEBULY__PLATFORM_URL");
    let own = check(without, &[], &[]).await;
    assert!(own.out.contains("Warnings:\n  nebuly.platform_url (default): not set"), "{}", own.out);

    let mut serve = command(&stand_in);
    serve.envs([variable]);
    let mut running = Running(serve.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("access.identity_header") && line.contains(problem), "{line}");
}

#[tokio::test]
async fn a_key_in_a_file_is_read_without_its_line_end() {
    let stand_in = stand_in().await;
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{KEY}\n")).unwrap();
    let mut command = command(&stand_in);
    command.env_remove("NEBULY_API_KEY").env("NEBULY_API_KEY_FILE", file.path());
    let checked = check(command, &[], &[]).await;
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.complaint);
}
