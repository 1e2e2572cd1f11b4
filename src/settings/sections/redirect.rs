//! `[redirect]`: the redirect, and the behavior during an outage of Nebuly.

use std::time::Duration;

use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::{choice, duration, zero_or_more};

/// One year, the longest `max-age` of common practice.
const MAX_MAX_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The redirect, and the behavior during an outage of Nebuly.
#[derive(Debug, Clone)]
pub struct RedirectSettings {
    /// The `max-age` of a redirect, up to a year; may be zero.
    pub max_age: Duration,
    /// The longest that `wait=` may ask for; may be zero.
    pub max_wait: Duration,
    /// The answer when Nebuly cannot be asked.
    pub on_outage: OnOutage,
}

/// The answer when Nebuly cannot be asked and no cache has the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutage {
    /// The URL is built, if the ids are known.
    Construct,
    /// The request fails.
    Error,
}

impl RedirectSettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        Ok(Self {
            max_age: reader.read("redirect.max_age", duration(Duration::ZERO..=MAX_MAX_AGE))?,
            max_wait: reader.read("redirect.max_wait", zero_or_more())?,
            on_outage: reader.read(
                "redirect.on_outage",
                choice(&[("construct", OnOutage::Construct), ("error", OnOutage::Error)]),
            )?,
        })
    }
}
