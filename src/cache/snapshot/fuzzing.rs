//! The properties of a snapshot, for any bytes.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "that a property does not hold is said by a panic"
)]

use std::sync::Arc;
use std::time::Duration;

use super::link_filter::LoadedLink;
use super::reader::VERSION;
use super::{LinkFilter, LinkRecord, SnapshotError, SnapshotReader};
use crate::domain::{AllowedHosts, ProjectName, Timestamp};
use crate::files::FilePath;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A link that is loaded leads to an allowed host, and is the same once it is written and read again. A file of a newer
/// version is detected before anything is loaded from it.
pub fn snapshot(input: &[u8]) {
    let filter = filter();
    let is_newer = reader(input).check_versions().is_err();
    let mut reader = reader(input);
    loop {
        let link = match reader.read() {
            Ok(Some(Ok(link))) => link,
            Ok(Some(Err(_))) => continue,
            Ok(None) => return assert!(!is_newer),
            Err(error) => return assert!(is_newer && matches!(error, SnapshotError::NewerVersion { .. })),
        };
        let Ok(loaded) = filter.accept(link, NOW) else { continue };
        let (_, _, known) = &loaded;
        let url = known.url.as_str();
        let host = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
        assert!(
            host.is_some_and(|host| host.ends_with(".nebuly.com")) && !url.contains("canary-key"),
            "{url}"
        );
        assert_eq!(read_back(&filter, &loaded), loaded);
    }
}

fn filter() -> LinkFilter {
    let mut hosts = AllowedHosts::default();
    hosts.allow("*.nebuly.com").unwrap();
    let projects = ["first", "second"].map(|name| ProjectName::try_from(name).unwrap());
    LinkFilter::new(projects.into(), hosts, Arc::new(|text: &str| text.contains("canary-key")), DAY)
}

fn reader(bytes: &[u8]) -> SnapshotReader<&[u8]> {
    SnapshotReader::new(bytes, &FilePath::new("links"))
}

/// The link that is read once this one is written.
fn read_back(filter: &LinkFilter, (scope, item, link): &LoadedLink) -> LoadedLink {
    let project = filter.name(link.project).unwrap();
    let record = LinkRecord::new(VERSION, *scope, item, project, &link.url, link.resolved_at).unwrap();
    let written = serde_json::to_vec(&record).unwrap();
    filter.accept(reader(&written).read().unwrap().unwrap().unwrap(), NOW).unwrap()
}
