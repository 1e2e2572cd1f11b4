//! `[preview]`: the preview of an item before it is opened.

use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::{flag, list, printable};

/// The longest name of a field, in bytes.
const MAX_FIELD_LEN: usize = 64;

/// The preview of an item before it is opened.
#[derive(Debug, Clone)]
pub struct PreviewSettings {
    /// True if the link page shows answers of Nebuly's detail calls.
    pub details: bool,
    /// The fields of those answers that may be shown.
    pub fields: Vec<String>,
    /// True if link preview robots get a card.
    pub unfurl: bool,
}

impl PreviewSettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        Ok(Self {
            details: reader.read("preview.details", flag)?,
            fields: reader.read("preview.fields", list(printable(1..=MAX_FIELD_LEN)))?,
            unfurl: reader.read("preview.unfurl", flag)?,
        })
    }
}
