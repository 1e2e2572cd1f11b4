//! The header that names a person.

use http::{HeaderMap, HeaderName};

/// The longest name of a person, in bytes.
const MAX_LEN: usize = 256;

/// The person that a proxy names: the header is there once, not empty, at most 256 printable bytes.
///
/// Whether the proxy is to be believed is decided elsewhere. Two lines are refused, not chosen from: a proxy that
/// appends its own leaves the caller's standing.
pub(super) fn identity<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).into_iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    // Printable ASCII, and tabs.
    let identity = line.to_str().ok()?;
    let fits = (1..=MAX_LEN).contains(&identity.len());
    (fits && !identity.contains('\t') && !identity.trim().is_empty()).then_some(identity)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NAME: HeaderName = HeaderName::from_static("x-auth-request-email");

    fn named(lines: &[&[u8]]) -> Option<String> {
        let value = |line: &&[u8]| HeaderValue::from_bytes(line).unwrap();
        let headers: HeaderMap = lines.iter().map(|line| (NAME, value(line))).collect();
        identity(&headers, &NAME).map(str::to_owned)
    }

    #[test]
    fn a_person_is_named_once_in_at_most_256_printable_bytes() {
        for name in ["ada@example.com", "Ada Lovelace", "~", &"x".repeat(256)] {
            assert_eq!(named(&[name.as_bytes()]).as_deref(), Some(name));
        }
        let (accented, long) = ("ünï".as_bytes(), "x".repeat(257));
        let refused: [&[&[u8]]; 9] = [
            &[],
            &[b""],
            &[b" "],
            &[b"a\tb"],
            &[accented],
            &[b"\xff"],
            &[b"ada@example.com", b"ada@example.com"],
            &[b"ada@example.com", b""],
            &[long.as_bytes()],
        ];
        for lines in refused {
            assert_eq!(named(lines), None, "{lines:?}");
        }
    }
}
