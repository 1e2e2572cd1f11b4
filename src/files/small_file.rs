//! Reading small files in bounded time and memory.
//!
//! Opening a FIFO or reading from a dead network mount can take forever. So each read has a thread of its own. If it is
//! late, nobody waits for it: no worker, and not the shutdown.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::FilePath;

/// The longest time for a read: far more than a disk needs, and short for a person who waits.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// The usual longest file, in bytes. All public certificate authorities take a
/// sixteenth of it.
pub const MAX_LEN: u64 = 4 << 20;

/// More than reading takes. The usual size would count against a limit of address space.
const STACK_SIZE: usize = 128 * 1024;

/// A small file that is read whole, again and again. Clones are the same file.
///
/// Of one file there is at most one read at a time, so one that never ends costs one thread.
#[derive(Debug, Clone)]
pub struct SmallFile {
    path: FilePath,
    max_len: u64,
    may_be_pipe: bool,
    /// Held by the read that is under way, until it ends, however late.
    turn: Arc<Semaphore>,
}

/// A read that has begun.
#[derive(Debug)]
pub struct PendingRead {
    /// The error is why the read could not begin.
    content: io::Result<mpsc::Receiver<io::Result<Vec<u8>>>>,
    deadline: Instant,
}

impl SmallFile {
    /// A regular file of at most `max_len` bytes, which may be behind symbolic links. It need not exist yet.
    #[must_use]
    pub fn new(path: FilePath, max_len: u64) -> Self {
        Self { path, max_len, may_be_pipe: false, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The same, but it may also be a pipe, such as a shell makes of `<(…)`.
    #[must_use]
    pub fn or_pipe(path: FilePath, max_len: u64) -> Self {
        Self { may_be_pipe: true, ..Self::new(path, max_len) }
    }

    /// The path of the file.
    #[must_use]
    pub const fn path(&self) -> &FilePath {
        &self.path
    }

    /// Reads the file. The path is resolved anew each time. Fails after [`DEADLINE`] with `TimedOut`, also while an
    /// earlier read has not ended.
    pub async fn read(&self) -> io::Result<Vec<u8>> {
        let read = async {
            let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(io::Error::other)?;
            let (sender, content) = oneshot::channel();
            self.spawn(turn, |content| drop(sender.send(content)))?;
            content.await.map_err(io::Error::other)?
        };
        tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Begins to read the file. To be waited for outside of tasks, such as at start. Several may be begun before the
    /// first is waited for: then all of them together take no longer than [`DEADLINE`].
    #[must_use]
    pub fn begin(&self) -> PendingRead {
        let (sender, content) = mpsc::sync_channel(1);
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| timed_out());
        let begun = turn.and_then(|turn| self.spawn(turn, move |content| drop(sender.send(content))));
        PendingRead { content: begun.map(|()| content), deadline: Instant::now() + DEADLINE }
    }

    fn spawn(
        &self,
        turn: OwnedSemaphorePermit,
        deliver: impl FnOnce(io::Result<Vec<u8>>) + Send + 'static,
    ) -> io::Result<()> {
        let Self { path, max_len, may_be_pipe, .. } = self.clone();
        spawn(move || {
            let opened = if may_be_pipe { File::open(path.as_path()) } else { open_regular(path.as_path()) };
            let content = opened.and_then(|file| read_whole(file, max_len));
            drop(turn);
            deliver(content);
        })
    }
}

impl PendingRead {
    /// Returns the content of the file. Blocks until it is read, or fails with `TimedOut` at [`DEADLINE`] after the begin.
    pub fn wait(self) -> io::Result<Vec<u8>> {
        receive(&self.content?, self.deadline)?
    }
}

/// Does work on files that may block forever on a thread of its own, and waits for it. Fails after [`DEADLINE`] with
/// `TimedOut`; the work is then left to itself.
pub fn within_deadline<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, result) = mpsc::sync_channel(1);
    let deadline = Instant::now() + DEADLINE;
    spawn(move || drop(sender.send(work())))?;
    receive(&result, deadline)
}

/// Opens a regular file for reading. Anything else, such as a FIFO, is an error, and is not waited for.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("file".to_owned()).stack_size(STACK_SIZE).spawn(work).map(drop)
}

fn read_whole(file: File, max_len: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(max_len.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > max_len {
        let message = format!("longer than {max_len} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

fn receive<T>(result: &mpsc::Receiver<T>, deadline: Instant) -> io::Result<T> {
    let left = deadline.saturating_duration_since(Instant::now());
    result.recv_timeout(left).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => timed_out(),
        mpsc::RecvTimeoutError::Disconnected => io::Error::other(error),
    })
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn fifo(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    async fn kind_of(file: &SmallFile) -> ErrorKind {
        let error = file.read().await.unwrap_err();
        assert_eq!(file.begin().wait().unwrap_err().kind(), error.kind());
        error.kind()
    }

    #[tokio::test]
    async fn a_regular_file_is_read_whole_also_behind_links_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "0123456789").unwrap();
        symlink("file", &link).unwrap();
        for path in [&path, &link] {
            let file = SmallFile::new(path.into(), 10);
            assert_eq!(file.read().await.unwrap(), b"0123456789");
            assert_eq!(file.begin().wait().unwrap(), b"0123456789");
        }
        assert_eq!(kind_of(&SmallFile::new((&path).into(), 9)).await, ErrorKind::FileTooLarge);
        assert_eq!(kind_of(&SmallFile::new("/nowhere/file".into(), 9)).await, ErrorKind::NotFound);
        for other in [folder.path(), Path::new("/dev/null"), &fifo(folder.path())] {
            let error = SmallFile::new(other.into(), 10).read().await.unwrap_err();
            assert_eq!(error.to_string(), "not a regular file", "{}", other.display());
        }
    }

    #[tokio::test]
    async fn a_read_that_hangs_fails_at_the_deadline_and_no_other_begins_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (path, same) = (fifo(folder.path()), folder.path().join("same"));
        fs::hard_link(&path, &same).unwrap();
        // To open a pipe for reading hangs until somebody opens it for writing.
        let file = SmallFile::or_pipe((&path).into(), 10);
        let began = Instant::now();
        let (first, second) = (file.begin(), file.begin());
        assert_eq!(second.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() < DEADLINE, "it waited for the first one");
        assert_eq!(first.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() >= DEADLINE);

        // A read that began now would find the new file.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "new").unwrap();
        assert_eq!(file.read().await.unwrap_err().to_string(), "timed out");
        assert_eq!(file.begin().wait().unwrap_err().kind(), ErrorKind::TimedOut);
        fs::write(&same, "late").unwrap();
        assert_eq!(file.read().await.unwrap(), b"new");
    }

    #[test]
    fn several_reads_that_hang_are_waited_for_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let began = Instant::now();
        let reads: Vec<_> = (0..8).map(|_| SmallFile::or_pipe((&path).into(), 10).begin()).collect();
        for read in reads {
            assert_eq!(read.wait().unwrap_err().kind(), ErrorKind::TimedOut);
        }
        assert!(began.elapsed() < DEADLINE * 4, "they were waited for one after the other");
        // Lets the threads go.
        fs::write(&path, "").unwrap();
    }
}
