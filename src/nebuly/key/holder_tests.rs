//! Keys from files that change, over a clock that the tests move.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use secrecy::SecretString;

use super::*;

struct Bench {
    folder: tempfile::TempDir,
    holder: Arc<KeyHolder>,
    seconds: Arc<AtomicU64>,
}

impl Bench {
    fn with_file(content: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        Self::new(folder, ApiKeySource::File(path.into()))
    }

    fn new(folder: tempfile::TempDir, source: ApiKeySource) -> Self {
        let project = ProjectName::try_from("default").unwrap();
        let seconds = Arc::new(AtomicU64::new(0));
        let (start, passed) = (Instant::now(), Arc::clone(&seconds));
        let clock = Arc::new(move || start + Duration::from_secs(passed.load(Ordering::SeqCst)));
        let metrics = KeyMetrics::new(&project);
        let holder = Arc::new(KeyHolder::new(project, source, clock, metrics));
        let bench = Self { folder, holder, seconds };
        bench.read();
        bench
    }

    /// Reads the file, as the start does.
    fn read(&self) {
        if let Some(load) = self.holder.begin_load() {
            load();
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn write(&self, content: &str) {
        std::fs::write(self.path(), content).unwrap();
        self.read();
    }

    fn uses(&self, key: &str) -> bool {
        self.holder.key() == Some(api_key(key))
    }
}

fn api_key(text: &str) -> ApiKey {
    ApiKey::new(&SecretString::from(text)).unwrap()
}

#[test]
fn a_changed_file_is_taken_over_and_the_previous_key_is_remembered() {
    let bench = Bench::with_file(Some("first-key\n"));
    assert!(bench.uses("first-key"));
    bench.write("second-key");
    assert!(bench.uses("second-key"));
    assert!(bench.holder.is_in("x second-key y") && bench.holder.is_in("first-key"));
    bench.write("third-key");
    assert!(!bench.holder.is_in("first-key"));
}

#[test]
fn a_file_that_becomes_invalid_keeps_the_key_and_is_complained_of_until_it_is_valid() {
    let bench = Bench::with_file(Some("first-key"));
    for bad in ["", "\n", "two words", "ümlaut"] {
        bench.write(bad);
        assert!(bench.uses("first-key") && bench.holder.last_file_error().is_some(), "{bad:?}");
    }
    std::fs::remove_file(bench.path()).unwrap();
    bench.read();
    assert!(bench.uses("first-key"));
    bench.write("second-key");
    assert!(bench.uses("second-key") && bench.holder.last_file_error().is_none());
}

#[test]
fn without_a_key_at_the_start_calls_fail_until_the_file_has_one() {
    let bench = Bench::with_file(None);
    assert_eq!((bench.holder.check(), bench.holder.lease().err()), (Err(NO_KEY), Some(NO_KEY)));
    bench.write("late-key");
    assert_eq!(bench.holder.check(), Ok(()));
    assert_eq!(bench.holder.lease().unwrap().key(), &api_key("late-key"));
}

#[cfg(unix)]
#[test]
fn a_mounted_secret_that_is_exchanged_by_a_symbolic_link_is_seen() {
    use std::os::unix::fs::symlink;

    fn publish(folder: &Path, version: &str, key: &str) {
        std::fs::create_dir(folder.join(version)).unwrap();
        std::fs::write(folder.join(version).join("key"), key).unwrap();
        symlink(version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }

    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), "..2026_11_20", "first-key");
    symlink("..data/key", folder.path().join("key")).unwrap();
    let path = folder.path().join("key");
    let bench = Bench::new(folder, ApiKeySource::File(path.into()));
    assert!(bench.uses("first-key"));
    publish(bench.folder.path(), "..2026_11_21", "second-key");
    std::fs::remove_dir_all(bench.folder.path().join("..2026_11_20")).unwrap();
    bench.read();
    assert!(bench.uses("second-key"));
}

#[tokio::test]
async fn a_401_finds_the_key_that_the_file_has_now() {
    let bench = Bench::with_file(Some("first-key"));
    let lease = bench.holder.lease().unwrap();
    std::fs::write(bench.path(), "second-key").unwrap();
    let again = lease.rejected_unless_changed().await.unwrap();
    assert_eq!(again.key(), &api_key("second-key"));
    again.accepted();
    assert_eq!(bench.holder.check(), Ok(()));
}

#[tokio::test]
async fn after_a_401_without_another_key_calls_fail_for_ten_seconds() {
    for source in [None, Some(ApiKeySource::Inline(api_key("first-key")))] {
        let bench = match source {
            None => Bench::with_file(Some("first-key")),
            Some(inline) => Bench::new(tempfile::tempdir().unwrap(), inline),
        };
        let lease = bench.holder.lease().unwrap();
        assert!(lease.rejected_unless_changed().await.is_none());
        assert_eq!((bench.holder.check(), bench.holder.lease().err()), (Err(REJECTED), Some(REJECTED)));
        bench.seconds.store(10, Ordering::SeqCst);
        let trial = bench.holder.lease().unwrap();
        assert_eq!(bench.holder.check(), Err(REJECTED));
        drop(trial);
        let trial = bench.holder.lease().unwrap();
        trial.accepted();
        assert_eq!(bench.holder.check(), Ok(()));
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_looks_for_another_key_still_marks_its_own_as_rejected() {
    let bench = Bench::with_file(Some("first-key"));
    let looking = bench.holder.lease().unwrap().rejected_unless_changed();
    assert!(tokio::time::timeout(REREAD_DELAY / 10, looking).await.is_err());
    assert_eq!((bench.holder.check(), bench.holder.lease().err()), (Err(REJECTED), Some(REJECTED)));
}

#[tokio::test]
async fn a_rejected_key_is_forgotten_as_soon_as_the_file_has_another() {
    let bench = Bench::with_file(Some("first-key"));
    assert!(bench.holder.lease().unwrap().rejected_unless_changed().await.is_none());
    bench.write("second-key");
    bench.holder.lease().unwrap().accepted();
    assert_eq!(bench.holder.check(), Ok(()));
}

#[tokio::test]
async fn of_many_calls_that_are_rejected_at_once_one_reads_the_file() {
    let bench = Bench::with_file(Some("first-key"));
    let leases: Vec<_> = (0..100).map(|_| bench.holder.lease().unwrap()).collect();
    let began = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for lease in leases {
        calls.spawn(async move { lease.rejected_unless_changed().await.is_none() });
    }
    assert!(calls.join_all().await.into_iter().all(|rejected| rejected));
    assert!(began.elapsed() < REREAD_DELAY * 20, "each of them has looked");
}

#[tokio::test]
async fn while_nebuly_rejects_the_new_key_the_previous_one_is_used() {
    let bench = Bench::with_file(Some("first-key"));
    bench.write("second-key");
    let lease = bench.holder.lease().unwrap();
    let again = lease.rejected_unless_changed().await.unwrap();
    assert_eq!(again.key(), &api_key("first-key"));
    again.accepted();
    for _ in 0..3 {
        assert_eq!(bench.holder.check(), Ok(()));
        assert_eq!(bench.holder.lease().unwrap().key(), &api_key("first-key"));
    }
    // Once in ten seconds the new one is tried.
    bench.seconds.store(10, Ordering::SeqCst);
    let trial = bench.holder.lease().unwrap();
    assert_eq!(trial.key(), &api_key("second-key"));
    trial.accepted();
    assert_eq!(bench.holder.lease().unwrap().key(), &api_key("second-key"));
}

#[tokio::test]
async fn a_call_whose_previous_key_is_rejected_is_made_once_more_with_the_new_one() {
    let bench = Bench::with_file(Some("first-key"));
    bench.write("second-key");
    bench.holder.lease().unwrap().rejected_unless_changed().await.unwrap().accepted();
    let under_way = [(); 3].map(|()| bench.holder.lease().unwrap());
    for lease in under_way {
        assert_eq!(lease.key(), &api_key("first-key"));
        let again = lease.rejected_unless_changed().await.unwrap();
        assert_eq!(again.key(), &api_key("second-key"));
        again.accepted();
    }
    assert_eq!(bench.holder.lease().unwrap().key(), &api_key("second-key"));
}

#[tokio::test]
async fn when_nebuly_rejects_both_keys_no_call_is_made() {
    let bench = Bench::with_file(Some("first-key"));
    bench.write("second-key");
    let again = bench.holder.lease().unwrap().rejected_unless_changed().await.unwrap();
    again.rejected();
    assert_eq!((bench.holder.check(), bench.holder.lease().err()), (Err(REJECTED), Some(REJECTED)));
}
