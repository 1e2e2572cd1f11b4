//! Keys that change, go bad, are refused, or are not there yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::client::{Client, Setup};
use crate::support::{KEY, PATIENCE, stand_in};
use http::StatusCode;
use nebulink::app::{App, StartError};
use nebulink::demo::{Fault, Matching, StandIn};
use nebulink::domain::{CallFailure, Cause};
use nebulink::nebuly::ApiKeySource;
use nebulink::settings;
use tempfile::TempDir;
use tokio::task::JoinHandle;

const REFUSED: CallFailure = CallFailure { cause: Cause::KeyRejected, status: Some(401) };
const NO_KEY: CallFailure = CallFailure { cause: Cause::KeyRejected, status: None };

/// A folder with a key file, and a client that reads it.
async fn with_file(content: &str) -> (StandIn, TempDir, PathBuf, Client) {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "c0");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, content).unwrap();
    let client = Setup { key: ApiKeySource::File((&path).into()), ..Setup::default() }.client(&stand_in);
    (stand_in, folder, path, client)
}

/// Replaces a file in one step.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// Callers without a pause, until they are stopped; each returns the first failure and how many calls went well.
struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<(Option<CallFailure>, usize)>>,
}

impl Load {
    fn begin(client: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let callers = (0..16).map(|_| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut went_well = 0;
                while !stop.load(Ordering::SeqCst) {
                    match client.ask("c0").await {
                        Ok(_) => went_well += 1,
                        Err(failure) => return (Some(failure), went_well),
                    }
                }
                (None, went_well)
            })
        });
        Self { callers: callers.collect(), stop }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for caller in self.callers {
            let (failure, went_well) = tokio::time::timeout(PATIENCE, caller).await.unwrap().unwrap();
            assert_eq!(failure, None, "after {went_well}");
            assert!(went_well > 0);
        }
    }
}

/// Lets some more calls be made.
async fn some_calls(stand_in: &StandIn) {
    let calls = stand_in.call_count() + 100;
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(calls)).await.expect("no calls are made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_fails_no_call_in_whichever_order_it_is_made() {
    let (stand_in, _folder, path, client) = with_file(KEY).await;
    let load = Load::begin(&client);
    let keys: Vec<_> = (0..6).map(|n| format!("nk-rotated-{n}")).collect();
    let mut old = KEY;
    for (n, new) in keys.iter().enumerate() {
        some_calls(&stand_in).await;
        match n % 3 {
            // The file is seen only through a 401.
            0 => replace(&path, new),
            // The file is seen before Nebuly takes its key.
            1 => {
                replace(&path, new);
                client.shared.keys().poll().await;
                some_calls(&stand_in).await;
            }
            // Nebuly is a moment earlier.
            _ => {}
        }
        stand_in.replace_key(old, new);
        if n % 3 == 2 {
            replace(&path, new);
        }
        some_calls(&stand_in).await;
        // In the end the new key is the one that is used.
        client.pass(10);
        old = new;
    }
    load.end().await;
    assert_eq!(stand_in.calls().last().unwrap().key.as_deref(), Some(old));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mounted_secret_is_exchanged_under_load_without_a_failed_call() {
    use std::os::unix::fs::symlink;

    let publish = |folder: &Path, version: &str, key: &str| {
        std::fs::create_dir(folder.join(version)).unwrap();
        std::fs::write(folder.join(version).join("key"), key).unwrap();
        symlink(version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "c0");
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), "..1", KEY);
    symlink("..data/key", folder.path().join("key")).unwrap();
    let key = ApiKeySource::File(folder.path().join("key").into());
    let client = Setup { key, ..Setup::default() }.client(&stand_in);
    let load = Load::begin(&client);
    some_calls(&stand_in).await;
    publish(folder.path(), "..2", "nk-second");
    std::fs::remove_dir_all(folder.path().join("..1")).unwrap();
    stand_in.replace_key(KEY, "nk-second");
    some_calls(&stand_in).await;
    load.end().await;
}

#[tokio::test]
async fn a_call_that_finds_another_key_in_the_file_is_made_once_more_and_paid_for_twice() {
    let (stand_in, _folder, path, client) = with_file(KEY).await;
    replace(&path, "nk-second");
    stand_in.replace_key(KEY, "nk-second");
    assert!(client.finds("c0").await);
    assert_eq!((stand_in.call_count(), client.spent()), (2, 2));
    assert!(client.finds("c0").await);
    assert_eq!(stand_in.call_count(), 3);
}

#[tokio::test]
async fn a_file_that_is_bad_or_gone_keeps_the_old_key() {
    let (_stand_in, _folder, path, client) = with_file(KEY).await;
    for content in ["", "\n", "two words"] {
        replace(&path, content);
        client.shared.keys().poll().await;
        assert!(client.finds("c0").await, "{content:?}");
        assert_eq!(client.shared.keys().last_file_errors().len(), 1);
    }
    std::fs::remove_file(&path).unwrap();
    client.shared.keys().poll().await;
    assert!(client.finds("c0").await);
    let complaint = client.shared.keys().last_file_errors().remove(0);
    assert!(complaint.contains("default") && complaint.contains(path.to_str().unwrap()), "{complaint}");
    replace(&path, KEY);
    client.shared.keys().poll().await;
    assert!(client.shared.keys().last_file_errors().is_empty());
}

#[tokio::test]
async fn without_a_key_no_call_is_made_until_the_file_has_one() {
    let (stand_in, _folder, path, client) = with_file("").await;
    assert!(!client.shared.keys().any());
    assert_eq!(client.ask("c0").await, Err(NO_KEY));
    assert_eq!((stand_in.call_count(), client.spent()), (0, 0));
    replace(&path, KEY);
    client.shared.keys().poll().await;
    assert!(client.finds("c0").await);
}

#[tokio::test]
async fn a_rejected_key_is_tried_again_once_in_ten_seconds_and_not_for_every_caller() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "c0");
    let client = Setup::default().client(&stand_in);
    stand_in.set_fault(Some(Fault::status(StatusCode::UNAUTHORIZED)));
    for _ in 0..50 {
        assert_eq!(client.ask("c0").await, Err(REFUSED));
    }
    assert_eq!((stand_in.call_count(), client.spent()), (1, 1));
    client.pass(10);
    for _ in 0..50 {
        assert_eq!(client.ask("c0").await, Err(REFUSED));
    }
    assert_eq!(stand_in.call_count(), 2);
    stand_in.set_fault(None);
    assert_eq!(client.ask("c0").await, Err(REFUSED));
    client.pass(10);
    assert!(client.finds("c0").await && client.finds("c0").await);
    assert_eq!(stand_in.call_count(), 4);
}

#[tokio::test]
async fn a_rejected_key_is_tried_again_as_soon_as_its_file_changes() {
    let (stand_in, _folder, path, client) = with_file("nk-wrong").await;
    assert_eq!(client.ask("c0").await, Err(REFUSED));
    replace(&path, KEY);
    client.shared.keys().poll().await;
    assert!(client.finds("c0").await);
    assert_eq!(stand_in.call_count(), 2);
}

#[tokio::test]
async fn rejections_never_open_the_circuit() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "c0");
    let client = Setup::default().client(&stand_in);
    for n in 0..20 {
        stand_in.set_fault_for(Matching::any().times(1), Fault::status(StatusCode::UNAUTHORIZED));
        assert_eq!(client.ask(&format!("unknown{n}")).await, Err(REFUSED));
        client.pass(10);
    }
    assert!(client.finds("c0").await);
}

#[tokio::test]
async fn a_url_with_the_key_of_another_project_or_the_one_before_is_refused() {
    let (stand_in, _folder, path, client) = with_file("nk-before").await;
    replace(&path, KEY);
    client.shared.keys().poll().await;
    for key in [KEY, "nk-before"] {
        stand_in.set_fault(Some(Fault::Url(format!("{}/{key}", stand_in.platform_url()))));
        assert_eq!(client.ask("c0").await.unwrap_err().cause, Cause::BadAnswer, "{key}");
    }
    assert!(client.shared.keys().are_in("a nk-before b") && !client.shared.keys().are_in("nk-other"));
}

#[tokio::test]
async fn the_start_fails_only_if_no_project_has_a_key() {
    let stand_in = stand_in().await;
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let mut settings = crate::support::settings(&stand_in, &[]);
    let mut second = settings.projects[0].clone();
    second.name = "second".try_into().unwrap();
    settings.projects[0].key = settings::ApiKeySetting::File((&missing).into());
    let error = App::build(&settings).err().unwrap();
    assert!(matches!(&error, StartError::NoKey(_)), "{error}");
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    settings.projects.push(second);
    assert!(App::build(&settings).is_ok());
}

/// The program, with a key file whose key Nebuly rejects.
async fn running_with_a_wrong_key(stand_in: &StandIn) -> (TempDir, PathBuf, crate::support::Nebulink) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "nk-wrong").unwrap();
    let mut settings = crate::support::settings(stand_in, &[]);
    settings.projects.first_mut().unwrap().key = settings::ApiKeySetting::File((&path).into());
    let nebulink = crate::support::Nebulink::start_with(&settings).await;
    (folder, path, nebulink)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_program_sees_a_changed_file_by_itself() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "c0");
    let (_folder, path, nebulink) = running_with_a_wrong_key(&stand_in).await;
    assert_eq!(nebulink.get("/c/c0").await.status, 502);
    replace(&path, KEY);
    let well = async {
        while nebulink.get("/c/c0").await.status != 302 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, well).await.expect("the new key is not used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_alarm_of_a_rejected_key_ends_with_the_key_although_nobody_asks() {
    let stand_in = stand_in().await;
    let (_folder, path, nebulink) = running_with_a_wrong_key(&stand_in).await;
    let rejected = async || {
        let scrape = crate::support::request(nebulink.management, "GET", "/metrics", &[]).await.body;
        scrape.contains("nebulink_nebuly_key_rejected{project=\"default\"} 1")
    };
    assert_eq!(nebulink.get("/c/c0").await.status, 502);
    assert!(rejected().await);
    replace(&path, KEY);
    let ended = async {
        while rejected().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the alarm goes on");
}
