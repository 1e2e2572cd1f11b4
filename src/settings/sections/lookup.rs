//! `[lookup]`: finding items by the customer's own tags.

use std::time::Duration;

use super::nebuly::NEVER_CALLED;
use super::{NebulySettings, Resolve};
use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::{Parsed, list, positive};

/// The longest name of a tag, in bytes.
const MAX_TAG_LEN: usize = 128;

/// Finding items by the customer's own tags.
#[derive(Debug, Clone)]
pub struct LookupSettings {
    /// The tags that may be searched for, each of which can be one segment of a path.
    pub tags: Vec<String>,
    /// The age of the oldest item that a search finds.
    pub window: Duration,
}

impl LookupSettings {
    pub(in crate::settings) fn read(
        reader: &mut SettingReader<'_>,
        nebuly: &NebulySettings,
    ) -> Result<Self, BrokenDefaults> {
        let settings = Self {
            tags: reader.read("lookup.tags", list(tag))?,
            window: reader.read("lookup.window", positive())?,
        };
        if !settings.tags.is_empty() && nebuly.resolve == Resolve::Construct {
            reader.warn("lookup.tags", NEVER_CALLED);
        }
        Ok(settings)
    }
}

/// Parses a tag, which is the customer's own word in any script, and has to be one segment of a path.
fn tag(text: &str) -> Parsed<String> {
    let fits = (1..=MAX_TAG_LEN).contains(&text.len()) && text != "." && text != "..";
    if fits && !text.chars().any(|character| character.is_control() || character == '/') {
        return Ok(text.to_owned());
    }
    Err(format!("not the name of a tag: 1 to {MAX_TAG_LEN} bytes without slash or control character").into())
}
