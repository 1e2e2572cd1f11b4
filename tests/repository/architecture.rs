//! The layers: who may import whom, and that nothing imports itself in a circle. And names: each type has its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::files;
use crate::source::Source;

/// Each module, and what else of the crate it may use.
const LAYERS: [(&str, &[&str]); 15] = [
    ("text", &[]),
    ("sync", &[]),
    ("http_client", &[]),
    ("domain", &["text"]),
    ("files", &["text"]),
    ("nebuly", &["domain", "files", "http_client", "sync", "text"]),
    ("cache", &["domain", "files"]),
    ("limits", &["domain"]),
    ("resolver", &["domain", "sync"]),
    ("web", &["domain", "files", "resolver", "text"]),
    ("server", &[]),
    ("settings", &["domain", "files", "text"]),
    ("telemetry", &["http_client"]),
    ("demo", &["text"]),
    (
        "app",
        &[
            "cache",
            "domain",
            "files",
            "limits",
            "nebuly",
            "resolver",
            "server",
            "settings",
            "telemetry",
            "web",
        ],
    ),
];

/// The libraries that the domain may use: texts, URLs and ids, and nothing that knows HTTP, JSON or a runtime.
const LIBRARIES_OF_THE_DOMAIN: [&str; 6] = ["bytes", "percent_encoding", "std", "thiserror", "url", "uuid"];

/// The places outside `server` and `resolver` that spawn a task: the supervisor of background tasks; the accept loops,
/// whose end ends the program; an attempt to connect, whose callers learn when it is gone; and the record of a request
/// whose caller may have left, which ends with its connection.
const SPAWNS: [&str; 4] =
    ["app/background.rs", "app/listeners.rs", "cache/shared/redis_connection.rs", "web/handler.rs"];

fn sources(module: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = root.join(format!("{module}.rs"));
    let mut found = files(&root.join(module), "rs");
    found.extend(file.is_file().then_some(file));
    assert!(!found.is_empty(), "there is no module {module}");
    found
}

/// The code without comments and without the tests, at its end or in a file of their own.
fn code(path: &Path) -> String {
    if path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("_tests")) {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules of the crate that a code names.
fn imported(code: &str) -> BTreeSet<String> {
    let names = code.split("crate::").skip(1);
    names
        .map(|rest| rest.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_').collect())
        .collect()
}

#[test]
fn each_module_imports_only_what_its_layer_may() {
    for (module, allowed) in LAYERS {
        for path in sources(module) {
            for import in imported(&code(&path)) {
                assert!(
                    import == module || allowed.contains(&import.as_str()),
                    "{} imports {import}, but {module} may only import {allowed:?}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_domain_knows_no_http_and_no_library_of_the_other_layers() {
    for path in sources("domain") {
        for line in code(&path).lines().filter_map(|line| line.trim().strip_prefix("use ")) {
            let library = line.split("::").next().unwrap();
            assert!(
                LIBRARIES_OF_THE_DOMAIN.contains(&library) || ["crate", "super", "self"].contains(&library),
                "{} uses {library}",
                path.display()
            );
        }
    }
}

#[test]
fn every_module_has_its_layer() {
    let root = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules = root.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let outermost = ["cli", "fuzzing"];
    for module in modules {
        assert!(
            outermost.contains(&module) || LAYERS.iter().any(|(name, _)| *name == module),
            "{module} has no layer"
        );
    }
}

/// The panic of a task is lost, unless a supervisor waits for the task.
#[test]
fn only_the_supervisor_spawns_background_tasks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut spawning = BTreeSet::new();
    for path in ["app", "nebuly", "cache", "limits", "web"].into_iter().flat_map(sources) {
        let spawns = code(&path).matches("spawn(").count();
        assert!(spawns <= 1, "{} spawns {spawns} tasks", path.display());
        if spawns > 0 {
            spawning.insert(path.strip_prefix(&root).unwrap().display().to_string());
        }
    }
    assert_eq!(spawning, SPAWNS.map(str::to_owned).into());
}

/// The names that more than one type may have, each with the reason.
const HOMONYMS: [(&str, &str); 0] = [];

#[test]
fn no_files_and_no_folders_import_each_other_in_a_circle() {
    let circles = Source::of_this_crate().circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn no_two_types_have_one_name() {
    let source = Source::of_this_crate();
    let mut types = source.types_of_one_name();
    types.retain(|name, _| !HOMONYMS.iter().any(|(allowed, _)| allowed == name));
    assert!(types.is_empty(), "{types:#?}");
}

/// A noun or a verb says it sooner: "Returns true if …", "The address that …".
#[test]
fn no_line_of_a_doc_comment_begins_with_what_or_whether() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz/fuzz_targets"] {
        for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for (index, line) in text.lines().enumerate() {
                let line = line.trim_start();
                let doc = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! ")).unwrap_or_default();
                let first = doc.split(|char: char| !char.is_alphanumeric()).next();
                if matches!(first, Some("What" | "Whether")) {
                    found.push(format!("{}:{}: {doc}", path.display(), index + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
