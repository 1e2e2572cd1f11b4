//! `[preview]`: the preview of an item before it is opened.

use super::nebuly::NEVER_CALLED;
use super::{AccessSettings, NebulySettings, Resolve};
use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::{flag, list, printable};

/// The longest name of a field, in bytes.
const MAX_FIELD_LEN: usize = 64;

const SEEN_BY_EVERYBODY: &str =
    "set without access.identity_header: everybody who can reach the port sees the details of all items";

/// The preview of an item before it is opened.
#[derive(Debug, Clone)]
pub struct PreviewSettings {
    /// True if the link page shows answers of Nebuly's detail calls.
    pub details: bool,
    /// The fields of those answers that are read and shown, in this order.
    pub fields: Vec<String>,
    /// True if link preview robots get a card.
    pub unfurl: bool,
}

impl PreviewSettings {
    pub(in crate::settings) fn read(
        reader: &mut SettingReader<'_>,
        access: &AccessSettings,
        nebuly: &NebulySettings,
    ) -> Result<Self, BrokenDefaults> {
        let settings = Self {
            details: reader.read("preview.details", flag)?,
            fields: reader.read("preview.fields", list(printable(1..=MAX_FIELD_LEN)))?,
            unfurl: reader.read("preview.unfurl", flag)?,
        };
        if settings.details && nebuly.resolve == Resolve::Construct {
            reader.warn("preview.details", NEVER_CALLED);
        } else if settings.details && access.identity_header.is_none() {
            reader.warn("preview.details", SEEN_BY_EVERYBODY);
        }
        Ok(settings)
    }
}
