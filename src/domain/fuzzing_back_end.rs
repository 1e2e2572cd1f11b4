//! A model of servers in front of Nebuly, for fuzzing: they decode a path again, and resolve its dot parts.

use percent_encoding::percent_decode;
use url::Url;

/// The path of a call in front of its id.
const BASE: &[u8] = b"/api/external/deeplinks/conversation/";

/// The path on which an id leaves its segment, as some back end reads it; `None` if it stays there.
///
/// The back end decodes in many passes. In the first, it decodes those escapes whose bit in `choices` is set, as a proxy
/// does that decodes letters and dots but no slashes; in the others, all of them. If the highest bit is set, it drops tabs
/// and line ends after each, as URL parsers do.
pub(crate) fn leaves_its_segment(id: &str, choices: u64) -> Option<String> {
    let mut path = BASE.to_vec();
    path.extend(decode_some(id.as_bytes(), choices));
    loop {
        if choices >> 63 == 1 {
            path.retain(|byte| !matches!(byte, b'\t' | b'\n' | b'\r'));
        }
        if has_left(&path) {
            return Some(String::from_utf8_lossy(&path).into_owned());
        }
        let decoded: Vec<u8> = percent_decode(&path).collect();
        if decoded == path {
            return None;
        }
        path = decoded;
    }
}

fn decode_some(text: &[u8], choices: u64) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    let mut choices = choices;
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let chosen = choices & 1 == 1;
            choices = choices.rotate_right(1);
            let escape = rest.get(..3).filter(|_| chosen);
            let byte = escape.map(|escape| percent_decode(escape).collect::<Vec<_>>());
            if let Some([byte]) = byte.as_deref() {
                decoded.push(*byte);
                rest = rest.get(3..).unwrap_or_default();
                continue;
            }
        }
        decoded.push(*first);
        rest = after;
    }
    decoded
}

/// Returns true if a path has a dot part, for servers that know parameters, queries and fragments in each part, or
/// leads elsewhere than below [`BASE`], for URL parsers.
fn has_left(path: &[u8]) -> bool {
    let mut parts = path.split(|byte| matches!(byte, b'/' | b'\\'));
    let has_dot_part = parts.any(|part| {
        let name = part.split(|byte| matches!(byte, b';' | b'?' | b'#')).next();
        matches!(name, Some(b"." | b".."))
    });
    // With a query, because a parser would drop white space at the end.
    let url = std::str::from_utf8(path)
        .ok()
        .and_then(|path| Url::parse(&format!("https://nebuly.example{path}?")).ok());
    has_dot_part || url.is_some_and(|url| !url.path().as_bytes().starts_with(BASE))
}
