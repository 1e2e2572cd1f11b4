//! The file of the tokens while it changes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::telemetry::{LogFormat, subscriber};

const ONE: &str = "canary-0123456789-one";
const OTHER: &str = "canary-0123456789-other";

/// The text of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn lines(&self, level: &str) -> usize {
        self.text().lines().filter(|line| line.contains(level)).count()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn file(content: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokens");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn knows(tokens: &ApiTokens, token: &str) -> bool {
    tokens.0.load().name_of(token).is_some()
}

#[tokio::test]
async fn a_changed_file_is_read_again_and_a_bad_one_leaves_the_last_good_set_with_one_alarm() {
    let log = Log::default();
    let everything = Targets::new().with_default(tracing::Level::TRACE);
    let _guard =
        tracing::subscriber::set_default(subscriber(LogFormat::Text, everything, false, log.clone()));
    let (_folder, path) = file(&format!("one = {ONE}"));
    let file = ApiTokensFile::open((&path).into()).unwrap();
    let tokens = file.tokens();
    file.poll().await;
    assert_eq!(log.text(), "");
    assert!(knows(&tokens, ONE));

    fs::write(&path, format!("other = {OTHER}")).unwrap();
    file.poll().await;
    assert!(!knows(&tokens, ONE) && knows(&tokens, OTHER));
    assert_eq!((log.lines("INFO"), log.lines("ERROR")), (1, 0));

    for (change, alarms) in [(Some("one: canary-0123456789"), 1), (None, 2), (Some("x = canary"), 3)] {
        match change {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for _ in 0..3 {
            file.poll().await;
        }
        assert!(knows(&tokens, OTHER));
        assert_eq!(log.lines("ERROR"), alarms, "{}", log.text());
    }

    fs::write(&path, "# nobody any more").unwrap();
    file.poll().await;
    assert!(!knows(&tokens, OTHER));
    fs::write(&path, format!("one = {ONE}")).unwrap();
    file.poll().await;
    assert!(knows(&tokens, ONE));
    assert!(!log.text().contains("canary"), "{}", log.text());
}

#[test]
fn a_file_that_is_not_valid_is_an_error_at_the_start() {
    let (folder, path) = file("one = canary");
    let error = ApiTokensFile::open((&path).into()).unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
    fs::write(&path, b"one = \xff\xff").unwrap();
    assert!(matches!(
        ApiTokensFile::open((&path).into()).unwrap_err(),
        ApiTokensError::Invalid(InvalidApiTokens::NotText)
    ));
    fs::write(&path, "#".repeat(1_100_000)).unwrap();
    let error = anyhow::Error::new(ApiTokensFile::open((&path).into()).unwrap_err());
    assert_eq!(format!("{error:#}"), "it cannot be read: longer than 1048576 bytes");
    for unreadable in [folder.path().to_owned(), folder.path().join("nothing")] {
        assert!(matches!(ApiTokensFile::open(unreadable.into()).unwrap_err(), ApiTokensError::Unreadable(_)));
    }
}

#[tokio::test]
async fn a_watched_file_is_read_again_and_again() {
    let (_folder, path) = file(&format!("one = {ONE}"));
    let file = ApiTokensFile::open((&path).into()).unwrap();
    let tokens = file.tokens();
    let watch = tokio::spawn(Arc::new(file).watch(Duration::from_millis(5)));
    for (content, token) in [(format!("other = {OTHER}"), OTHER), (format!("one = {ONE}"), ONE)] {
        fs::write(&path, content).unwrap();
        let known = async {
            while !knows(&tokens, token) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), known).await.expect("the file is not read again");
    }
    watch.abort();
}
