//! The properties of the parsers of untrusted bytes, for any bytes.
//!
//! Each of these functions panics if its property does not hold. They are compiled for tests, which replay `fuzz/corpus`,
//! and for cargo-fuzz, which looks for new inputs.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "that a property does not hold is said by a panic"
)]

use percent_encoding::percent_decode_str;
use url::Url;

pub use crate::cache::fuzzing::{shared_entry, snapshot};
use crate::domain::{AllowedHosts, Construction, Item, Kind, ProjectIds, fuzzing_back_end};
use crate::nebuly::Endpoint;
pub use crate::web::fuzzing::headers;
use crate::web::fuzzing::meanings;

/// Whatever a text may mean is an id that stays one path segment of the call, whoever decodes it again, and one value of
/// a constructed URL.
pub fn ids(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let url = |url| Url::parse(url).unwrap();
    let endpoint = Endpoint::new(&url("https://nebuly.example/api/external"));
    let mut hosts = AllowedHosts::default();
    hosts.allow("*.nebuly.com").unwrap();
    let construction = Construction::new(&url("https://v2.platform.eu.nebuly.com"), hosts);
    let project = ProjectIds { project_id: "p-1".to_owned(), organization_id: "o/1".to_owned() };
    // Which escapes the first back end decodes: any choice that depends on all of the input.
    let choices = input.iter().fold(0, |choices: u64, byte| choices.rotate_left(7) ^ u64::from(*byte));
    for item in meanings(text) {
        let id = item.id();
        assert!((1..=512).contains(&id.len()) && !id.chars().any(char::is_control), "{item:?}");
        let again = match item.kind() {
            Kind::Interaction => Item::interaction(&id),
            Kind::Conversation => Item::conversation(&*id),
        };
        assert_eq!(again.as_ref(), Ok(&item));

        let call = endpoint.deep_link(&item).unwrap();
        let segment = call.as_str().strip_prefix("https://nebuly.example/api/external/deeplinks/");
        let segment =
            segment.and_then(|rest| rest.strip_prefix(item.kind().as_str())?.strip_prefix('/')).unwrap();
        assert!(!segment.contains(['/', '\\', '?', '#', ';']), "{call}");
        assert_eq!(percent_decode_str(segment).decode_utf8().as_deref(), Ok(&*id));
        assert_eq!(fuzzing_back_end::leaves_its_segment(&id, choices), None);

        let built = construction.build(&project, &item).unwrap();
        assert_eq!(construction.learn(&built, &item).as_ref(), Some(&project));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    type Property = fn(&[u8]);

    const TARGETS: [(&str, Property); 4] =
        [("headers", headers), ("ids", ids), ("shared_entry", shared_entry), ("snapshot", snapshot)];

    fn files(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn every_input_of_a_corpus_keeps_its_property() {
        for (target, property) in TARGETS {
            let inputs = files(&format!("corpus/{target}"));
            assert!(!inputs.is_empty(), "{target}");
            for input in inputs {
                // Shown if it fails.
                println!("{}", input.display());
                property(&fs::read(input).unwrap());
            }
        }
    }

    #[test]
    fn every_fuzz_target_is_replayed() {
        let targets = files("fuzz_targets");
        let targets: BTreeSet<_> =
            targets.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(targets, TARGETS.map(|(target, _)| target).into());
    }
}
