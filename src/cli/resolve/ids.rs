//! The ids to resolve as they are read, and the URLs and complaints that are printed for them.

use std::io::{self, BufRead};

use clap::ValueEnum;
use url::Url;

use crate::cache::snapshot::{Line, Lines};
use crate::cli::output::complain;
use crate::domain::{AllowedHosts, Kind, TargetUrl};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum KindArgument {
    Interaction,
    Conversation,
}

impl KindArgument {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Interaction => Kind::Interaction,
            Self::Conversation => Kind::Conversation,
        }
    }
}

/// Prints on standard error why an id has no URL.
pub(super) fn complain_of(id: &str, why: &str) {
    complain(&format!("{id:?}: {why}"));
}

/// Reads ids, one a line; empty lines are skipped.
pub(super) fn read_ids(source: impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Lines::new(source);
    let mut ids = Vec::new();
    while let Some(line) = lines.read()? {
        let Line::Whole(line) = line else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is far too long for an id"));
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            // An id that is not UTF-8 is never found, and is shown in the complaint.
            ids.push(String::from_utf8_lossy(line).into_owned());
        }
    }
    Ok(ids)
}

/// Checks a URL as everywhere, except that any host is allowed.
pub(super) fn well_formed(text: &str) -> Option<TargetUrl> {
    let mut hosts = AllowedHosts::default();
    hosts.allow_host_of(&Url::parse(text).ok()?).ok()?;
    TargetUrl::accept(text, &hosts, |_| false).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_one_a_line() {
        assert_eq!(read_ids(&b"a\n\nb c\r\n\xff\nlast"[..]).unwrap(), ["a", "b c", "\u{fffd}", "last"]);
        assert!(read_ids(vec![b'x'; 1 << 20].as_slice()).is_err());
    }

    #[test]
    fn only_a_well_formed_url_is_printed() {
        assert!(well_formed("https://any.example/x").is_some());
        for text in [
            "http://any.example/x",
            "javascript:alert(1)",
            "https://a@any.example/",
            "https://any.example/\u{1b}[0m",
            "",
        ] {
            assert_eq!(well_formed(text), None, "{text:?}");
        }
    }
}
