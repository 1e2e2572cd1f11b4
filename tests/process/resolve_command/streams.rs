//! `nebulink resolve -` between pipes: ids are read as they are needed, and links printed as they are known.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::ops::Range;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nebulink::demo::{Fault, StandIn};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::NamedTempFile;

use super::fake_server::{FakeServer, ndjson, resolved};
use super::{resolve, resolve_at};
use crate::support::process::Process;
use crate::support::{KEY, PATIENCE, stand_in};

/// A command that runs, with both ends of its pipes.
struct Piped {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Piped {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Has it look these ids up, and returns the most memory that it has had until then, in KiB.
    #[cfg(target_os = "linux")]
    fn answer(&mut self, ids: Range<usize>) -> usize {
        let (mut stdin, stdout) = (BufWriter::new(&mut self.stdin), &mut self.stdout);
        let len = ids.len();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in ids {
                    writeln!(stdin, "{number}").unwrap();
                }
            });
            stdout.lines().take(len).for_each(|line| drop(line.unwrap()));
        });
        self.most_memory()
    }

    /// The most memory that it has had, in KiB.
    #[cfg(target_os = "linux")]
    fn most_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn snapshot(id: &str) -> NamedTempFile {
    let line = json!({
        "v": 1, "kind": "conversation", "id": id, "url": format!("https://any.example/{id}"), "project": "default",
        "resolved_at": "2020-01-02T03:04:05.678Z",
    });
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "{line}").unwrap();
    file
}

fn server() -> FakeServer {
    FakeServer::start(|request, stream| {
        let links: Vec<_> = request.ids.iter().enumerate().map(|(index, id)| resolved(index, id)).collect();
        drop(stream.write_all(ndjson(&links).as_bytes()));
    })
}

async fn known(id: &str) -> StandIn {
    let stand_in = stand_in().await;
    stand_in.set_platform_url("http://127.0.0.1:9");
    stand_in.add_conversation(KEY, id);
    stand_in
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_source_has_each_link_as_soon_as_it_is_known() {
    let (stand_in, server, snapshot) = (known("a").await, server(), snapshot("a"));
    let file = snapshot.path().to_str().unwrap();
    for command in [
        resolve_at(&stand_in, &["conversation", "-"]),
        resolve(&["conversation", "-", "--server", &server.url()]),
        resolve(&["conversation", "-", "--from", file]),
    ] {
        let mut piped = Piped::start(command);
        for _ in 0..3 {
            writeln!(piped.stdin, "a").unwrap();
            assert!(piped.next_line().starts_with("http"));
        }
    }
}

/// As in `yes | nebulink resolve conversation - | head -1`.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_it_quietly_however_many_ids_there_are() {
    let (stand_in, server, snapshot) = (known("a").await, server(), snapshot("a"));
    let file = snapshot.path().to_str().unwrap();
    for mut command in [
        resolve_at(&stand_in, &["conversation", "-"]),
        resolve(&["conversation", "-", "--server", &server.url()]),
        resolve(&["conversation", "-", "--from", file]),
    ] {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let writing = std::thread::spawn(move || while stdin.write_all(b"a\n").is_ok() {});
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let began = Instant::now();
        let output = child.wait_with_output().unwrap();
        assert!(began.elapsed() < PATIENCE, "it went on");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        writing.join().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let snapshot = snapshot("a");
    let mut command = resolve(&["conversation", "a", "--from", snapshot.path().to_str().unwrap()]);
    let output = command.stdout(std::fs::File::create("/dev/full").unwrap()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("nebulink: standard output cannot be written to"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

/// Ctrl-C is another signal of these; whoever starts a program in the background lets it ignore that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_at_once() {
    let stand_in = known("a").await;
    stand_in.set_fault(Some(Fault::Hang));
    let mut piped = Piped::start(resolve_at(&stand_in, &["conversation", "-"]));
    writeln!(piped.stdin, "a").unwrap();
    tokio::time::timeout(PATIENCE, stand_in.wait_for_calls(1)).await.unwrap();
    kill_process(Pid::from_child(&piped.child), Signal::TERM).unwrap();
    let began = Instant::now();
    let status = piped.child.wait().unwrap();
    assert!(!status.success() && began.elapsed() < Duration::from_secs(2), "{status}");
}

/// The ids that are read ahead are bounded, and so are the links that wait to be printed. `NEBULINK_RESOLVE_IDS` is the number
/// of ids.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_memory_does_not_grow_with_the_number_of_ids() {
    let ids = std::env::var("NEBULINK_RESOLVE_IDS").map_or(10_000, |ids| ids.parse::<usize>().unwrap());
    let stand_in = stand_in().await;
    (0..ids).for_each(|number| stand_in.add_conversation(KEY, &number.to_string()));
    let limit = ids.to_string();
    let limits = [("NEBULINK__LIMITS__COLD_PER_SECOND", &*limit), ("NEBULINK__LIMITS__COLD_BURST", &limit)];
    let quiet = [("NEBULINK__LOG__ACCESS", "none")];
    let process = Process::serve(&stand_in, &[&limits[..], &quiet].concat());
    let (server, snapshot) = (format!("http://{}", process.address), snapshot("0"));
    let from = ["conversation", "-", "--from", snapshot.path().to_str().unwrap()];
    for (form, command) in [
        ("with the keys", resolve_at(&stand_in, &["conversation", "-"])),
        ("--server", resolve(&["conversation", "-", "--server", &server])),
        ("--server, links in its cache", resolve(&["conversation", "-", "--server", &server])),
        ("--from", resolve(&from)),
    ] {
        let began = Instant::now();
        let mut piped = Piped::start(command);
        let few = piped.answer(0..ids / 10);
        let many = piped.answer(ids / 10..ids);
        let time = began.elapsed();
        println!("{form}: {ids} ids in {time:.1?}, {many} KiB of memory, {few} KiB after a tenth of them");
        assert!(many < few + few / 4, "{few} KiB became {many}");
    }
    assert_eq!(stand_in.call_count(), 2 * ids);
}
