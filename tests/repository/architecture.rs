//! The layers: who may import whom, and that nothing imports itself in a circle. And names: each type has its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::files;
use crate::source::Source;

/// The libraries that the domain may use: texts, URLs and ids, and nothing that knows HTTP, JSON or a runtime.
const LIBRARIES_OF_THE_DOMAIN: [&str; 7] =
    ["bs58", "bytes", "percent_encoding", "std", "thiserror", "url", "uuid"];

/// The places outside `server` and `resolver` that spawn a task: the supervisor of background tasks; the accept loops,
/// whose end ends the program; an attempt to connect, whose callers learn when it is gone; and the record of a request
/// whose caller may have left, which ends with its connection.
const SPAWNS: [&str; 4] =
    ["app/background.rs", "app/listeners.rs", "cache/shared/redis_connection.rs", "web/handler.rs"];

/// Each module, and what else of the crate it may import: the table in `src/lib.rs`.
fn layers() -> BTreeMap<String, BTreeSet<String>> {
    let mut layers = BTreeMap::<String, BTreeSet<String>>::new();
    let names_in =
        |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<String>>();
    for row in root().lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |")) {
        let [module, _job, may_import] = row.split(" | ").collect::<Vec<_>>()[..] else { panic!("{row}") };
        let Some(module) = names_in(module).pop_first() else { continue };
        let above = layers.keys().cloned().collect::<BTreeSet<_>>();
        let allowed = match may_import {
            "everything" => modules(),
            "nothing of the crate" => BTreeSet::new(),
            _ if may_import.starts_with("all above but `") => &above - &names_in(may_import),
            _ if may_import.starts_with('`') => names_in(may_import),
            _ => panic!("{row}"),
        };
        layers.insert(module, allowed);
    }
    layers
}

/// The modules that `src/lib.rs` declares.
fn modules() -> BTreeSet<String> {
    let root = root();
    let declared = root
        .lines()
        .filter_map(|line| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';'));
    declared.map(str::to_owned).collect()
}

fn root() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap()
}

#[test]
fn each_module_imports_only_what_its_layer_may() {
    let source = Source::of_this_crate();
    // It is compiled in tests alone.
    for (module, allowed) in layers().iter().filter(|(module, _)| *module != "fuzzing") {
        for (file, import) in source.modules_named_in(module) {
            assert!(
                import == module || allowed.contains(import),
                "{file} imports {import}, but {module} may only import {allowed:?}"
            );
        }
    }
}

#[test]
fn the_domain_knows_no_http_and_no_library_of_the_other_layers() {
    for (file, library) in Source::of_this_crate().libraries_of("domain") {
        assert!(LIBRARIES_OF_THE_DOMAIN.contains(&library), "{file} uses {library}");
    }
}

#[test]
fn every_module_has_its_layer() {
    assert_eq!(layers().into_keys().collect::<BTreeSet<_>>(), modules());
}

/// The panic of a task is lost, unless a supervisor waits for the task.
#[test]
fn only_the_supervisor_spawns_background_tasks() {
    let source = Source::of_this_crate();
    let mut spawning = BTreeSet::new();
    for module in ["app", "nebuly", "cache", "limits", "web"] {
        for (file, spawns) in source.calls_in(module, "spawn") {
            assert_eq!(spawns, 1, "{file} spawns {spawns} tasks");
            spawning.insert(file.to_owned());
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
