//! The ids in a text that a person pasted: an id, a column of ids, a log, JSON, or anything else that contains some.
//!
//! The text is read line by line, in time that grows with its length, whatever it contains.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::BuildHasher as _;

use url::Url;
use uuid::{Uuid, Variant};

use super::id_candidates::NebulyPageUrl;
use super::{AllowedHosts, IdCandidates, IdText, InvalidId};

/// The longest address that is read, in bytes: longer than any link.
const MAX_ADDRESS_LEN: usize = 4096;

/// The bytes of a UUID with its hyphens.
const HYPHENATED_LEN: usize = 36;

/// The bytes of a UUID without hyphens.
const SIMPLE_LEN: usize = 32;

/// The spellings of characters in JSON and HTML that would hide where an address or a UUID begins or ends.
const ESCAPES: [(&str, &str); 8] = [
    ("&amp;", "&"),
    ("\\u0026", "&"),
    ("\\u003c", "<"),
    ("\\u003e", ">"),
    ("\\/", "/"),
    ("\\n", " "),
    ("\\r", " "),
    ("\\t", " "),
];

/// The ids that a pasted text contains.
#[derive(Debug)]
pub struct PastedText {
    /// The first [`Self::MAX_IDS`] of them, each once, in the order of the text.
    pub ids: Vec<PastedId>,
    /// How many there are.
    pub total: usize,
}

/// An id that was pasted.
#[derive(Debug)]
pub struct PastedId {
    /// The part of the text that it was read from.
    pub text: String,
    /// The items that it may mean, or the reason why it can be no id.
    pub candidates: Result<IdCandidates<'static>, InvalidId>,
    /// The name of the project that a link of ours named.
    pub project: Option<String>,
}

/// Reads a link of this installation: an absolute address, with its URL, or a path. It returns `None` for any other text.
pub type ReadOwnLink<'a> = dyn Fn(&str, Option<&Url>) -> Option<PastedId> + 'a;

/// Collects the ids of a text.
struct PastedTextReader<'a> {
    hosts: &'a AllowedHosts,
    read_own_link: &'a ReadOwnLink<'a>,
    /// Hashes of what tells one id from another: the first item that it may mean, or its text if it can be no id; and its
    /// project. The ids themselves would be many times as long as the text.
    seen: HashSet<u64>,
    ids: Vec<PastedId>,
}

impl PastedText {
    /// The most ids that are looked up at once.
    pub const MAX_IDS: usize = 100;

    /// Finds the ids of a text. From each line these are the UUIDs, the addresses of pages of Nebuly's (of an allowed host),
    /// and the links of this installation. A line without any of them is an id itself if it has a letter or digit and no
    /// white space, or is the only line.
    #[must_use]
    pub fn read(text: &str, hosts: &AllowedHosts, read_own_link: &ReadOwnLink<'_>) -> Self {
        let mut reader = PastedTextReader { hosts, read_own_link, seen: HashSet::new(), ids: Vec::new() };
        // Some programs write a byte order mark.
        let lines = text.trim_start_matches('\u{FEFF}').split(['\n', '\r']).map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty());
        match (lines.next(), lines.next()) {
            (Some(line), None) => reader.read_only_line(line),
            (first, second) => {
                first.into_iter().chain(second).chain(lines).for_each(|line| reader.read_line(line));
            }
        }
        Self { ids: reader.ids, total: reader.seen.len() }
    }
}

impl PastedTextReader<'_> {
    fn read_only_line(&mut self, line: &str) {
        // Nothing else can follow the address here, so that all of the line belongs to it.
        let is_one_word = !line.contains(char::is_whitespace);
        let exact = is_one_word.then(|| self.own_link_or_page(line, url_of(line))).flatten();
        if let Some(id) = exact.filter(|id| id.candidates.is_ok()) {
            self.add(id);
        } else if !self.find_ids(line) {
            self.add_text(line);
        }
    }

    fn read_line(&mut self, line: &str) {
        if self.find_ids(line) {
            return;
        }
        let id = unquoted(line);
        if id.contains(char::is_alphanumeric) && !id.contains(char::is_whitespace) {
            self.add_text(id);
        }
    }

    /// Adds the links, addresses and UUIDs of a line. Returns false if there are none.
    fn find_ids(&mut self, line: &str) -> bool {
        // In other texts a path is no link: `/c/` is a drive, and `/go/` is a folder.
        if line.starts_with('/')
            && !line.contains(char::is_whitespace)
            && let Some(id) = (self.read_own_link)(line, None)
        {
            self.add(id);
            return true;
        }
        let line = unescaped(line);
        let mut found = false;
        let mut rest = &*line;
        while let Some((before, from_address)) = split_at_address(rest) {
            found |= self.find_uuids(before);
            let (address, behind) = split_behind_address(from_address);
            rest = behind;
            let url = url_of(address);
            let is_nebulys = url.as_ref().is_some_and(|url| self.hosts.allows(url));
            if let Some(id) = self.own_link_or_page(address, url) {
                self.add(id);
                found = true;
            } else if !is_nebulys {
                // Those in an address of Nebuly's are of its project and organization.
                found |= self.find_uuids(address);
            }
        }
        self.find_uuids(rest) || found
    }

    /// Reads a link of this installation, or the address of a page of Nebuly's that shows an item.
    fn own_link_or_page(&self, address: &str, url: Option<Url>) -> Option<PastedId> {
        if let Some(id) = (self.read_own_link)(address, url.as_ref()) {
            return Some(id);
        }
        match NebulyPageUrl::of(url?)?.candidates(self.hosts) {
            Err(InvalidId::ForeignUrl) => None,
            candidates => Some(PastedId { text: address.to_owned(), candidates, project: None }),
        }
    }

    /// Adds the UUIDs of a text. Returns false if there are none.
    fn find_uuids(&mut self, text: &str) -> bool {
        let mut found = false;
        let mut is_behind_percent = false;
        for word in text.split_inclusive(|char| !is_of_word(char)) {
            let run = word.trim_end_matches(|char| !is_of_word(char));
            // The first two digits are those of an escape, as in `%3D`.
            let run = if is_behind_percent { run.get(2..).unwrap_or_default() } else { run };
            is_behind_percent = word.ends_with('%');
            let run = run.trim_matches('-');
            if is_uuid(run) {
                self.add_text(run);
                found = true;
            }
        }
        found
    }

    fn add_text(&mut self, text: &str) {
        let candidates = IdCandidates::of_any_kind(IdText::from(text), self.hosts);
        let candidates = candidates.map(IdCandidates::into_owned);
        self.add(PastedId { text: text.to_owned(), candidates, project: None });
    }

    fn add(&mut self, id: PastedId) {
        let meaning = match &id.candidates {
            Ok(candidates) => Ok(candidates.first()),
            Err(_) => Err(&id.text),
        };
        let mark = self.seen.hasher().hash_one((meaning, &id.project));
        if self.seen.insert(mark) && self.ids.len() < PastedText::MAX_IDS {
            self.ids.push(id);
        }
    }
}

/// The line with the escapes of JSON and HTML replaced that matter here.
fn unescaped(line: &str) -> Cow<'_, str> {
    let mut line = Cow::Borrowed(line);
    for (escape, char) in ESCAPES {
        if line.contains(escape) {
            line = Cow::Owned(line.replace(escape, char));
        }
    }
    line
}

/// Splits a text where its first address begins.
fn split_at_address(text: &str) -> Option<(&str, &str)> {
    let parts = text.match_indices("http").map(|(start, _)| text.split_at(start));
    parts.into_iter().find(|(_, rest)| is_address(rest))
}

/// Returns true if a text begins with an address.
fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The URL of an address that is not too long for a link; `None` for any other text.
fn url_of(address: &str) -> Option<Url> {
    let is_short = address.len() <= MAX_ADDRESS_LEN;
    if is_short && is_address(address) { Url::parse(address).ok() } else { None }
}

/// Splits a text that begins with an address behind it, without the punctuation of the sentence or list around it.
fn split_behind_address(text: &str) -> (&str, &str) {
    let ends_it = |char: char| {
        char.is_whitespace()
            || char.is_control()
            || matches!(char, '"' | '\'' | '`' | '<' | '>' | '|' | '\\' | ',' | ';')
            || matches!(char, '\u{2018}'..='\u{201F}' | '\u{AB}' | '\u{BB}' | '\u{200B}')
    };
    let address = text.split(ends_it).next().unwrap_or_default();
    let has = ['(', '[', '{'].map(|bracket| address.contains(bracket));
    let address = address.trim_end_matches(|char| match char {
        '.' | ':' | '!' | '?' | '*' => true,
        // A bracket that was not opened in the address closes one before it.
        ')' => !has[0],
        ']' => !has[1],
        '}' => !has[2],
        _ => false,
    });
    text.split_at(address.len())
}

/// Returns true if a character belongs to a word: a UUID within a longer word is none.
fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_')
}

/// Returns true if a word is a UUID. Without hyphens it must have the version and variant of one: logs are full of trace
/// ids and digests of that length.
fn is_uuid(word: &str) -> bool {
    let uuid = match word.len() {
        HYPHENATED_LEN | SIMPLE_LEN => Uuid::try_parse(word).ok(),
        _ => None,
    };
    uuid.is_some_and(|uuid| {
        word.len() == HYPHENATED_LEN
            || (uuid.get_variant() == Variant::RFC4122 && (1..=8).contains(&uuid.get_version_num()))
    })
}

/// The text of a line of a CSV column or a JSON array, without its quotation marks and the comma behind it.
fn unquoted(line: &str) -> &str {
    let value = line.strip_suffix(',').unwrap_or(line);
    let inside = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inside.filter(|inside| !inside.is_empty()).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::domain::Kind;

    const UUID: &str = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
    const OTHER: &str = "3f0e1c52-9b1d-4a83-8a3b-0d6c1f4e7a21";
    const PAGE: &str = "https://v2.platform.eu.nebuly.com/live-activity";

    /// Reads with links of this installation of the form `https://go.example/c/{id}[@{project}]` and `/c/{id}[@{project}]`.
    fn read(text: &str) -> PastedText {
        let mut hosts = AllowedHosts::default();
        hosts.allow("*.nebuly.com").unwrap();
        PastedText::read(text, &hosts, &|address, _| {
            let id = address.strip_prefix("https://go.example").unwrap_or(address).strip_prefix("/c/")?;
            let (id, project) = id.split_once('@').map_or((id, None), |(id, project)| (id, Some(project)));
            let candidates = IdCandidates::of_kind(Kind::Conversation, IdText::from(id));
            Some(PastedId {
                text: address.to_owned(),
                candidates: candidates.map(IdCandidates::into_owned),
                project: project.map(str::to_owned),
            })
        })
    }

    /// `i`, `c` or `?`, for a named interaction, a named conversation and an unknown kind; the id; and its project.
    fn found(text: &str) -> Vec<String> {
        let name = |id: &PastedId| {
            let name = match &id.candidates {
                Ok(candidates) => {
                    let kind = match candidates.first().kind() {
                        _ if !candidates.kind_was_named() => '?',
                        Kind::Interaction => 'i',
                        Kind::Conversation => 'c',
                    };
                    format!("{kind} {}", candidates.first().id())
                }
                Err(invalid) => format!("{invalid:?} {}", id.text),
            };
            id.project.iter().fold(name, |name, project| format!("{name} @{project}"))
        };
        read(text).ids.iter().map(name).collect()
    }

    fn any_kind(id: &str) -> String {
        format!("? {id}")
    }

    #[test]
    fn uuids_are_found_in_any_text() {
        for text in [
            UUID.to_owned(),
            UUID.to_uppercase(),
            UUID.replace('-', ""),
            format!("2026-11-20T10:00:00Z ERROR chat failed interaction_id={UUID} after=3ms"),
            format!("{{\"interaction_id\":\"{UUID}\",\"n\":1}}"),
            format!("{{\"msg\":\"failed\\n{UUID}\\nagain\"}}"),
            format!("{{\\\"id\\\":\\\"{UUID}\\\"}}"),
            format!("a;{UUID};b"),
            format!("7,{UUID},2026-11-20"),
            format!("<b>{UUID}</b>"),
            format!("<td>{UUID}<td>"),
            format!("[{UUID}](text)"),
            format!("- {UUID}."),
            format!("-{UUID}"),
            format!("urn:uuid:{UUID}, and more"),
            format!("GET /chats/{UUID}/messages 200"),
            format!("GET https://api.example/chats/{UUID}?x=1 200"),
            format!("GET /go?id%3D{UUID}%26x HTTP/1.1"),
            format!("id=%22{UUID}%22"),
            format!("\u{FEFF}{UUID}"),
            format!("\u{1b}[0m {UUID}\0"),
            format!("interaction {} failed", UUID.replace('-', "")),
            format!("\u{201C}{UUID}\u{201D}"),
        ] {
            assert_eq!(found(&text), [any_kind(UUID)], "{text:?}");
        }
    }

    #[test]
    fn a_uuid_within_a_longer_word_is_none() {
        for text in [
            format!("x {UUID}0 x"),
            format!("x 0{UUID} x"),
            format!("x {UUID}-2f1c x"),
            format!("x abcd-{UUID} x"),
            format!("x {}00 x", UUID.replace('-', "")),
            format!("x {UUID}ü x"),
            // A trace id, a digest.
            "x 4bf92f3577b34da6a3ce929d0e0e4736 x".replace("34da6", "3fda6"),
            "x d41d8cd98f00b204e9800998ecf8427e x".to_owned(),
        ] {
            assert_eq!(found(&format!("{text}\n{text}")), [""; 0], "{text:?}");
        }
        // Such a word is an id of its own if it stands alone.
        let named = format!("session-{UUID}");
        assert_eq!(found(&named), [any_kind(&named)]);
        assert_eq!(found(&format!("{named}\nabc")), [any_kind(&named), any_kind("abc")]);
    }

    #[test]
    fn an_address_of_nebulys_gives_its_kind_and_id_and_nothing_else() {
        let page = format!("{PAGE}?projectId={OTHER}&organizationId={OTHER}");
        let interaction = format!("{page}&interactionId={UUID}&liveActivityPageTab=interactions");
        for text in [
            interaction.clone(),
            format!("see {interaction}."),
            format!("({interaction})"),
            format!("[the chat]({interaction}), please"),
            format!("<a href=\"{}\">x</a>", interaction.replace('&', "&amp;")),
            format!("{{\"url\":\"{}\"}}", interaction.replace('&', "\\u0026").replace('/', "\\/")),
            format!("\"{interaction}\",abc,7"),
            format!("{interaction},abc,7"),
            format!("<{interaction}|Open>"),
        ] {
            assert_eq!(found(&text), [format!("i {UUID}")], "{text}");
            assert_eq!(found(&format!("{text}\n{text}")), [format!("i {UUID}")], "{text}");
        }
        let conversation = format!("{page}&conversationId=a%2Fb+c");
        assert_eq!(found(&format!("{conversation} and {interaction}")), ["c a/b c", &format!("i {UUID}")]);
        // As the only line, it is all of the line.
        assert_eq!(found(&format!("{PAGE}?conversationId=a,b.")), ["c a,b."]);
        assert_eq!(found(&format!("{PAGE}?conversationId=a,b.\nx y")), ["c a"]);
        // The page of a project has no id.
        assert_eq!(found(&format!("see {page} x\nx y")), [""; 0]);
        assert_eq!(
            found(&format!("{PAGE}?interactionId=abc x\nx y")),
            [format!("NotAUuid {PAGE}?interactionId=abc")]
        );
        // Of another host, only UUIDs are taken.
        let foreign = format!("https://evil.example/?interactionId={UUID}&conversationId=abc");
        assert_eq!(found(&format!("see {foreign}")), [any_kind(UUID)]);
    }

    #[test]
    fn a_link_of_this_installation_keeps_its_kind_and_project() {
        for (text, expected) in [
            ("https://go.example/c/abc", "c abc"),
            ("see https://go.example/c/abc.", "c abc"),
            ("https://go.example/c/abc@sales", "c abc @sales"),
            ("/c/abc", "c abc"),
            ("/c/abc@sales", "c abc @sales"),
            ("https://go.example/c/../x", "DotPart https://go.example/c/../x"),
        ] {
            assert_eq!(found(&format!("{text}\nx y")), [expected], "{text}");
        }
        assert_eq!(found("https://go.example/c/a,b"), ["c a,b"]);
        // Within a text, a path is not a link.
        assert_eq!(found("cd /c/abc\nx y"), [""; 0]);
        assert_eq!(found(&format!("https://go.example/c/{UUID}\n/c/abc@a\n/c/abc@b\n/c/abc")).len(), 4);
    }

    #[test]
    fn a_line_without_any_of_these_is_an_id_unless_it_is_prose() {
        for (text, expected) in [
            ("order-1\n  order-2  \r\norder/3\n", vec!["order-1", "order-2", "order/3"]),
            ("[\n\"order-1\",\n\"order-2\"\n]\n", vec!["order-1", "order-2"]),
            ("'a'\n\"\"\n--\n{\n", vec!["a"]),
            ("orders\nof today\n7\n", vec!["orders", "7"]),
            ("<b>\nü\n", vec!["<b>", "ü"]),
            ("only one line", vec!["only one line"]),
            ("\n\n ?? \n", vec!["??"]),
            ("\"quoted\"", vec!["\"quoted\""]),
            (" \n\t\n", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(any_kind).collect();
            assert_eq!(found(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_can_be_no_id_is_invalid() {
        let long = "x".repeat(513);
        assert_eq!(
            found(&format!("a\0b\n..x/../y\n{long}\na b\0")),
            ["ControlCharacter a\0b".to_owned(), "DotPart ..x/../y".to_owned(), format!("TooLong {long}")]
        );
        assert_eq!(found("a\tb"), ["ControlCharacter a\tb"]);
        let foreign = "https://evil.example/?conversationId=abc";
        assert_eq!(found(foreign), [format!("ForeignUrl {foreign}")]);
    }

    #[test]
    fn duplicates_count_once_and_ids_beyond_the_limit_are_left_out() {
        let text =
            format!("{UUID}\n{}\n{}\nabc\nabc\na\0\na\0\n", UUID.to_uppercase(), UUID.replace('-', ""));
        assert_eq!(found(&text), [any_kind(UUID), any_kind("abc"), "ControlCharacter a\0".to_owned()]);
        let lines: Vec<_> = (0..480).map(|line| format!("id-{}", line % 240)).collect();
        let pasted = read(&lines.join("\n"));
        assert_eq!((pasted.ids.len(), pasted.total), (100, 240));
        assert_eq!(pasted.ids[99].text, "id-99");
    }

    /// Texts whose parts could be read again and again, with an id each.
    #[test]
    fn the_time_grows_with_the_length_of_the_text_whatever_it_contains() {
        let part = format!("{PAGE}?interactionId=x");
        for hostile in [
            "http://",
            "http",
            "https://a(",
            "https://a)",
            "https://a.b/?c=d&",
            "https://xn--a",
            "https://go.example/c/",
            part.as_str(),
            "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e-",
            "0191b7c4",
            "&amp;\\u0026\\/\\n",
            "%3D",
            "-",
            ")",
            "\"",
            "a\n",
            "a\0\n",
            "ü http://ü ",
        ] {
            let fastest = |len: usize| {
                let text = format!("https://a{}", hostile.repeat(len / hostile.len()));
                // In nanoseconds of the processor: a machine under load takes longer.
                let now = || {
                    let time = clock_gettime(ClockId::ThreadCPUTime);
                    time.tv_sec * 1_000_000_000 + time.tv_nsec
                };
                let time = |_| {
                    let started = now();
                    let _read = read(&text);
                    now() - started
                };
                (0..3).map(time).min().unwrap()
            };
            let (short, long) = (fastest(1 << 13), fastest(1 << 17));
            // 16 times as long; were each part read for each other, it would take 256 times as long.
            assert!(long < 64 * short.max(100_000), "{hostile:?}: {short} ns, {long} ns");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(
            text in "(\\PC|[\n\r\t\0 \"'<>&%\\\\,;./:-]|http|https://|go\\.example|/c/|%2F|nebuly\\.com|Id=|\\?){0,60}",
        ) {
            let pasted = read(&text);
            prop_assert!(pasted.ids.len() <= PastedText::MAX_IDS.min(pasted.total));
            let mut places = pasted.ids.iter().map(|id| id.text.as_str()).collect::<Vec<_>>();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), pasted.ids.len());
        }

        #[test]
        fn every_uuid_of_a_log_is_found_once_and_in_its_order(
            lines in prop::collection::vec(
                (any::<u128>(), "[a-z]{0,8}( |=|: |=\"|\\{\"id\":\"|/|%3D|\\[|\\()", "( |\"|,|;|\\.|\\)|\\]|\\}|/|%26|\\?|<)[a-z ]{0,8}"),
                1..60,
            ),
            repeats in 1..3_usize,
        ) {
            let line = |(id, before, behind): &(u128, String, String)| {
                format!("{before}{}{behind}\n", Uuid::from_u128(*id))
            };
            let text = lines.iter().map(line).collect::<Vec<_>>().concat();
            let expected: Vec<_> = lines.iter().map(|(id, ..)| any_kind(&Uuid::from_u128(*id).to_string())).collect();
            prop_assert_eq!(found(&text.repeat(repeats)), expected);
        }
    }
}
