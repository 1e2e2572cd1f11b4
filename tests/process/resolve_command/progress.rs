//! `nebulink resolve -` on a terminal: the progress, and what is printed beside it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use super::resolve;

/// A terminal, with everything that is written to it.
struct Terminal {
    end_of_program: File,
    keyboard: File,
    reading: JoinHandle<String>,
}

impl Terminal {
    fn open() -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let end_of_program =
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(name).unwrap();
        let mut screen = File::from(terminal);
        let keyboard = screen.try_clone().unwrap();
        let reading = thread::spawn(move || {
            let mut shown = Vec::new();
            let mut part = [0; 4096];
            // The last one to close it makes reading fail.
            while let Ok(len @ 1..) = screen.read(&mut part) {
                shown.extend(&part[..len]);
            }
            String::from_utf8(shown).unwrap()
        });
        Self { end_of_program, keyboard, reading }
    }

    fn stdio(&self) -> Stdio {
        self.end_of_program.try_clone().unwrap().into()
    }

    fn type_keys(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    fn shown(self) -> String {
        drop(self.end_of_program);
        self.reading.join().unwrap()
    }
}

fn file(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

fn snapshot(id: &str) -> tempfile::NamedTempFile {
    let line = json!({
        "v": 1, "kind": "conversation", "id": id, "url": "https://any.example/x", "project": "default",
        "resolved_at": "2020-01-02T03:04:05.678Z",
    });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{line}").unwrap();
    file
}

/// The lines that stay on a screen: those that are not cleared.
fn kept_lines(shown: &str) -> Vec<String> {
    let lines = shown.split("\r\n").map(|line| line.rsplit(['\r']).next().unwrap_or_default());
    let cleared = lines.map(|line| line.rsplit("\u{1b}[2K").next().unwrap_or_default().to_owned());
    cleared.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_progress_counts_the_ids_and_garbles_no_complaint() {
    let snapshot = snapshot("a");
    let input = "a\nb\n".repeat(500);
    for input in [Stdio::from(file(&input)), piped(&input)] {
        let terminal = Terminal::open();
        let mut command = resolve(&["conversation", "-", "--from", snapshot.path().to_str().unwrap()]);
        command.env("TERM", "xterm").stdin(input).stdout(Stdio::piped()).stderr(terminal.stdio());
        let output = command.output().unwrap();
        drop(command);
        assert_eq!(output.stdout, "https://any.example/x\n\n".repeat(500).as_bytes());
        let shown = terminal.shown();
        assert!(shown.contains("1000 ids, 500 without a URL"), "{shown}");
        let lines = kept_lines(&shown);
        assert_eq!(lines.len(), 500, "{lines:?}");
        assert!(
            lines.iter().all(|line| line.starts_with("nebulink: \"b\": Not in the snapshot: ")),
            "{lines:?}"
        );
    }
}

#[test]
fn links_on_the_same_terminal_are_whole_lines() {
    let snapshot = snapshot("a");
    let terminal = Terminal::open();
    let mut command = resolve(&["conversation", "-", "--from", snapshot.path().to_str().unwrap()]);
    command
        .env("TERM", "xterm")
        .stdin(file(&"a\n".repeat(100)))
        .stdout(terminal.stdio())
        .stderr(terminal.stdio());
    assert!(command.status().unwrap().success());
    drop(command);
    let shown = terminal.shown();
    assert!(shown.contains("100 ids, 0 without a URL"), "{shown}");
    assert_eq!(kept_lines(&shown), vec!["https://any.example/x"; 100], "{shown}");
}

#[test]
fn no_progress_is_shown_for_arguments_and_outside_of_terminals() {
    let snapshot = snapshot("a");
    let from = ["--from", snapshot.path().to_str().unwrap()];
    let terminal = Terminal::open();
    let mut command = resolve(&["conversation", "a", from[0], from[1]]);
    command.env("TERM", "xterm").stderr(terminal.stdio());
    assert!(command.output().unwrap().status.success());
    drop(command);
    assert_eq!(terminal.shown(), "");
    let mut command = resolve(&["conversation", "-", from[0], from[1]]);
    let output = command.env("TERM", "xterm").stdin(file("a\n")).output().unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"https://any.example/x\n"[..], &b""[..])
    );
}

#[test]
fn no_progress_is_shown_where_ids_are_typed() {
    let snapshot = snapshot("a");
    let (keyboard, terminal) = (Terminal::open(), Terminal::open());
    let mut command = resolve(&["conversation", "-", "--from", snapshot.path().to_str().unwrap()]);
    command.env("TERM", "xterm").stdin(keyboard.stdio()).stdout(Stdio::piped()).stderr(terminal.stdio());
    let child = command.spawn().unwrap();
    drop(command);
    // Ctrl-D at the beginning of a line ends what is typed.
    keyboard.type_keys("a\n\u{4}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"https://any.example/x\n");
    assert_eq!(terminal.shown(), "");
}

/// A pipe with this text.
fn piped(text: &str) -> Stdio {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let text = text.to_owned();
    thread::spawn(move || writer.write_all(text.as_bytes()));
    reader.into()
}
