//! Files that settings name: those that hang or are something else, and paths that are secrets.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::process::{LoggedProcess, command, limited, run};
use crate::support::{KEY, PATIENCE, key_of, request, stand_in, stand_in_with};
use nebulink::demo::StandIn;
use rustix::process::Signal;
use tempfile::TempDir;

const TOKEN: &str = "0123456789-abcdef";

/// Text that must appear nowhere.
const CANARY: &str = "nk-canary-8e7f6a5b";

const NO_REGULAR_FILE: &str = "not a regular file";

/// A pipe that nobody writes to: whoever opens it waits forever.
fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Puts a pipe in a file's place, in one step.
fn replace_by_fifo(path: &Path) {
    let new = path.with_extension("new");
    fifo(&new);
    fs::rename(&new, path).unwrap();
}

/// Runs `check` or `serve` with settings that end it.
async fn refused(name: &str, mut command: Command) -> String {
    command.arg(name);
    let (code, out, complaint) = run(command).await;
    assert_eq!(code, 2, "{name}: {out}{complaint}");
    complaint
}

/// Two projects with their keys in files of a folder.
fn two_projects(folder: &Path) -> [PathBuf; 2] {
    let paths = [0, 1].map(|project| folder.join(format!("key-{project}")));
    let project = |(project, path): (usize, &PathBuf)| {
        fs::write(path, key_of(project)).unwrap();
        format!("[[projects]]\nname = 'project-{project}'\napi_key_file = '{}'\n", path.display())
    };
    let file: String = paths.iter().enumerate().map(project).collect();
    fs::write(folder.join("nebulink.toml"), file).unwrap();
    paths
}

/// The program with the settings file of a folder.
fn configured(stand_in: &StandIn, folder: &Path) -> Command {
    let mut command = command(stand_in);
    command.env_remove("NEBULY_API_KEY").env("NEBULINK_CONFIG", folder.join("nebulink.toml"));
    command.env("NEBULINK__SERVER__DRAIN_DELAY", "0s");
    command
}

/// The exit of a program to which nothing is open.
async fn ends(mut process: LoggedProcess) {
    let began = Instant::now();
    process.running.signal(Signal::TERM);
    assert_eq!(process.running.exit_code().await, 0);
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_pipe_as_the_only_key_file_ends_the_start_with_its_reason() {
    let stand_in = stand_in().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    fifo(&path);
    for name in ["check", "serve"] {
        let mut command = command(&stand_in);
        command.env_remove("NEBULY_API_KEY").env("NEBULY_API_KEY_FILE", &path);
        let complaint = refused(name, command).await;
        let reason = format!("default: {}: it cannot be read: {NO_REGULAR_FILE}", path.display());
        assert!(complaint.contains(&reason), "{complaint}");
    }
}

#[tokio::test]
async fn a_pipe_as_one_of_two_key_files_raises_an_alarm_and_the_other_project_is_served() {
    let stand_in = stand_in_with(2).await;
    stand_in.add_conversation(&key_of(1), "abc");
    let folder = TempDir::new().unwrap();
    let [broken, _] = two_projects(folder.path());
    replace_by_fifo(&broken);
    let process = LoggedProcess::start(configured(&stand_in, folder.path())).await;
    let alarm = process.logged("failed to load the API key file").await;
    assert!(
        alarm.contains("ERROR") && alarm.contains("project-0") && alarm.contains(NO_REGULAR_FILE),
        "{alarm}"
    );
    assert_eq!(request(process.address, "GET", "/c/abc?project=project-1", &[]).await.status, 302);
    assert_eq!(request(process.address, "GET", "/c/abc?project=project-0", &[]).await.status, 502);
    ends(process).await;

    let mut check = configured(&stand_in, folder.path());
    check.arg("check");
    let (code, out, complaint) = run(check).await;
    assert_eq!(code, 1, "{out}{complaint}");
    assert!(
        out.contains("project-1: the key is valid") && complaint.contains("key-0: it cannot be read"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_key_file_that_becomes_a_pipe_leaves_the_old_key_in_use_and_raises_an_alarm() {
    let stand_in = stand_in_with(2).await;
    stand_in.add_conversation(&key_of(0), "abc");
    stand_in.add_conversation(&key_of(1), "def");
    let folder = TempDir::new().unwrap();
    let [broken, other] = two_projects(folder.path());
    let process = LoggedProcess::start(configured(&stand_in, folder.path())).await;
    replace_by_fifo(&broken);
    let alarm = process.logged("failed to load the API key file").await;
    assert!(alarm.contains(r#""old_key_is_kept":true"#), "{alarm}");
    assert_eq!(request(process.address, "GET", "/c/abc?project=project-0", &[]).await.status, 302);
    // The other project's key is still followed.
    fs::write(&other, "nk-second").unwrap();
    stand_in.replace_key(&key_of(1), "nk-second");
    process.logged("loaded a new API key").await;
    assert_eq!(request(process.address, "GET", "/c/def?project=project-1", &[]).await.status, 302);
    // A rejected key makes it look at the file again.
    stand_in.replace_key(&key_of(0), "nk-other");
    assert_eq!(request(process.address, "GET", "/c/new?project=project-0", &[]).await.status, 502);
    assert_eq!(request(process.management, "GET", "/livez", &[]).await.status, 200);
    ends(process).await;
}

#[tokio::test]
async fn a_pipe_as_the_file_of_api_tokens_ends_the_start_and_later_leaves_the_tokens_as_they_were() {
    let stand_in = stand_in().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokens");
    let with_tokens = || {
        let mut command = command(&stand_in);
        command.env("NEBULINK__ACCESS__API_TOKENS_FILE", &path);
        command.env("NEBULINK__SERVER__DRAIN_DELAY", "0s");
        command
    };
    fs::write(&path, format!("robot = {TOKEN}")).unwrap();
    let process = LoggedProcess::start(with_tokens()).await;
    let status = async |token: &str| {
        let authorization = format!("Bearer {token}");
        request(process.address, "GET", "/api/v1/links", &[("authorization", &authorization)]).await.status
    };
    assert_eq!((status(TOKEN).await, status("0123456789-unknown").await), (405, 401));
    replace_by_fifo(&path);
    let alarm = process.logged("failed to reload access.api_tokens_file").await;
    assert!(alarm.contains("ERROR") && alarm.contains(NO_REGULAR_FILE), "{alarm}");
    assert_eq!((status(TOKEN).await, status("0123456789-unknown").await), (405, 401));
    ends(process).await;

    for name in ["check", "serve"] {
        let complaint = refused(name, with_tokens()).await;
        assert!(
            complaint.contains("access.api_tokens_file") && complaint.contains(NO_REGULAR_FILE),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn a_settings_file_may_be_a_pipe_and_one_that_nobody_writes_to_is_not_waited_for() {
    let stand_in = stand_in().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("nebulink.toml");
    fifo(&path);
    let check = || {
        let mut command = command(&stand_in);
        command.env("NEBULINK_CONFIG", &path);
        command
    };
    let complaint = refused("check", check()).await;
    assert_eq!(complaint, format!("nebulink: {}: cannot be read: timed out\n", path.display()));

    let mut command = check();
    command.arg("check");
    let running = tokio::spawn(run(command));
    let written = tokio::task::spawn_blocking(move || fs::write(&path, "[cache]\nttl = '7h'\n"));
    tokio::time::timeout(PATIENCE, written).await.unwrap().unwrap().unwrap();
    let (code, out, complaint) = running.await.unwrap();
    assert!(code == 0 && out.contains("cache.ttl = 7h"), "{out}{complaint}");
}

#[tokio::test]
async fn where_no_snapshot_can_be_kept_the_start_ends_and_what_is_there_stays() {
    let stand_in = stand_in().await;
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("notes"), "mine\n").unwrap();
    fs::create_dir(at("folder")).unwrap();
    symlink("/dev/null", at("link")).unwrap();
    fifo(&at("fifo"));
    for (path, reason) in [
        (at("notes"), "holds something else than a snapshot"),
        (at("folder"), NO_REGULAR_FILE),
        (at("link"), NO_REGULAR_FILE),
        (at("fifo"), NO_REGULAR_FILE),
        (at("missing/links"), "cannot be written: No such file or directory"),
        // Not even root may write there.
        ("/sys/links".into(), "cannot be written"),
    ] {
        for name in ["check", "serve"] {
            let mut command = command(&stand_in);
            command.env("NEBULINK__CACHE__SNAPSHOT_FILE", &path);
            let complaint = refused(name, command).await;
            let expected = complaint.contains(reason) && complaint.contains(path.to_str().unwrap());
            assert!(expected, "{complaint}");
        }
    }
    assert_eq!(fs::read_to_string(at("notes")).unwrap(), "mine\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "something was left behind");
}

#[tokio::test]
async fn a_shared_cache_that_cannot_be_used_ends_check_and_start_alike() {
    let stand_in = stand_in().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, "no certificate\n").unwrap();
    let missing = folder.path().join("missing.pem");
    for (url, authorities, reason) in [
        ("redis://cache.example/canary", None, "shared_cache.url is no URL of Redis"),
        ("rediss://cache.example/0", Some(&path), "shared_cache.ca_file holds no usable certificate"),
        ("rediss://cache.example/0", Some(&missing), "No such file or directory"),
    ] {
        for name in ["check", "serve"] {
            let mut command = command(&stand_in);
            command.env("NEBULINK__SHARED_CACHE__URL", url);
            command.envs(authorities.map(|path| ("NEBULINK__SHARED_CACHE__CA_FILE", path)));
            let complaint = refused(name, command).await;
            assert!(complaint.contains(reason) && !complaint.contains("canary"), "{complaint}");
        }
    }
}

/// A setting that names a file, as variables.
fn secrets_as_paths() -> Vec<(&'static str, String)> {
    let url = format!("redis://:{CANARY}@cache.example:6379/0");
    let in_base64 = format!("/9{}/AYABgQSkZJRgABAQ9", CANARY.replace('-', "ABC"));
    [CANARY.to_owned(), url, in_base64]
        .into_iter()
        .flat_map(|secret| {
            [
                "NEBULINK_CONFIG",
                "NEBULY_API_KEY_FILE",
                "NEBULINK__NEBULY__CA_FILE",
                "NEBULINK__SHARED_CACHE__URL_FILE",
                "NEBULINK__SHARED_CACHE__CA_FILE",
                "NEBULINK__ACCESS__API_TOKENS_FILE",
                "NEBULINK__CACHE__SNAPSHOT_FILE",
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
            ]
            .map(|name| (name, secret.clone()))
        })
        .collect()
}

#[track_caller]
fn assert_hidden(setting: &str, output: &str) {
    let canaries = [CANARY, "canaryABC"];
    assert!(!canaries.iter().any(|canary| output.contains(canary)), "{setting}: {output}");
}

#[tokio::test]
async fn a_secret_in_place_of_a_path_is_shown_nowhere() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let folder = TempDir::new().unwrap();
    for (setting, secret) in secrets_as_paths() {
        let with_secret = || {
            let mut command = command(&stand_in);
            command.env(setting, &secret).current_dir(folder.path());
            command
                .env("NEBULINK__LOG__LEVEL", "trace")
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
            if setting == "NEBULY_API_KEY_FILE" {
                command.env_remove("NEBULY_API_KEY");
            }
            command
        };
        let mut check = with_secret();
        check.args(["check"]);
        let (code, out, complaint) = run(check).await;
        assert_hidden(setting, &format!("{out}{complaint}"));
        // A file of this name may be written.
        if code == 0 {
            assert!(
                out.contains("cache.snapshot_file = (not shown, as it does not look like a path)"),
                "{out}"
            );
            continue;
        }
        assert_eq!(code, 2, "{setting}: {out}{complaint}");
        assert_hidden(setting, &refused("serve", with_secret()).await);
    }
}

#[tokio::test]
async fn a_secret_in_place_of_a_path_is_not_logged_while_it_serves() {
    let stand_in = stand_in_with(2).await;
    stand_in.add_conversation(&key_of(1), "abc");
    let folder = TempDir::new().unwrap();
    two_projects(folder.path());
    let config = folder.path().join("nebulink.toml");
    let file = fs::read_to_string(&config).unwrap();
    fs::write(&config, file.replace(&format!("'{}/key-0'", folder.path().display()), &format!("'{CANARY}'")))
        .unwrap();
    // What a crash left of a snapshot is removed, and told.
    fs::write(folder.path().join(format!(".{CANARY}.nebulink-0123456789abcdef.tmp")), "").unwrap();
    let with_secrets = || {
        let mut command = configured(&stand_in, folder.path());
        command.current_dir(folder.path()).env("NEBULINK__LOG__LEVEL", "trace");
        command.env("NEBULINK__CACHE__SNAPSHOT_FILE", CANARY).env("NEBULINK__CACHE__SNAPSHOT_INTERVAL", "1s");
        command
    };
    let mut process = LoggedProcess::start(with_secrets()).await;
    process.logged("failed to load the API key file").await;
    process.logged("removed a leftover temporary file").await;
    assert_eq!(request(process.address, "GET", "/c/abc?project=project-1", &[]).await.status, 302);
    process.logged("snapshot written").await;
    process.running.signal(Signal::TERM);
    process.logged("\"stopped\"").await;
    assert_hidden("serve", &process.log());
    assert_eq!(process.running.exit_code().await, 0);
    assert!(folder.path().join(CANARY).exists(), "as a path it is good for a snapshot");

    // The file is read at the next start.
    fs::write(folder.path().join(CANARY), "something else").unwrap();
    let mut check = with_secrets();
    check.arg("check");
    let (code, out, complaint) = run(check).await;
    assert!(code == 2 && complaint.contains("holds something else"), "{complaint}");
    assert_hidden("check", &format!("{out}{complaint}"));
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_snapshot_whole_and_serving_goes_on() {
    let stand_in = stand_in().await;
    for id in ["old", "new"] {
        stand_in.add_conversation(KEY, id);
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("links");
    let settings = |command: &mut Command| {
        command.env("NEBULINK__CACHE__SNAPSHOT_FILE", &path).env("NEBULINK__CACHE__SNAPSHOT_INTERVAL", "1s");
        command.env("NEBULINK__SERVER__DRAIN_DELAY", "0s");
    };
    let mut first = command(&stand_in);
    settings(&mut first);
    let process = LoggedProcess::start(first).await;
    assert_eq!(request(process.address, "GET", "/c/old", &[]).await.status, 302);
    ends(process).await;
    let old = fs::read_to_string(&path).unwrap();
    assert!(old.lines().count() == 1 && old.contains("\"old\""), "{old}");

    // A file may have 512 bytes: a longer write then fails as on a full disk, once the signal for it is ignored.
    let mut limited = limited("trap '' XFSZ; ulimit -f 1", &command(&stand_in));
    settings(&mut limited);
    let process = LoggedProcess::start(limited).await;
    assert_eq!(request(process.address, "GET", "/c/new", &[]).await.status, 302);
    for number in 0..10 {
        stand_in.add_conversation(KEY, &number.to_string());
        assert_eq!(request(process.address, "GET", &format!("/c/{number}"), &[]).await.status, 302);
    }
    let failure = process.logged("failed to write the snapshot").await;
    assert!(failure.contains("ERROR") && failure.contains("File too large"), "{failure}");
    assert_eq!(
        request(process.address, "GET", "/c/old", &[]).await.header("cache-status"),
        Some("nebulink; hit")
    );
    assert_eq!(request(process.management, "GET", "/readyz", &[]).await.status, 200);
    ends(process).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), old);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file stays behind");
}
