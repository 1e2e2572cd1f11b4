//! `[log]`: level, format and access log.

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::{Parsed, choice, of_text};

const NOT_A_LEVEL: &str =
    "not off, error, warn, info, debug or trace, or target=level for one part, separated by commas";

/// Level, format and access log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// The format of a line.
    pub format: LogFormatSetting,
    /// The filter for events.
    pub level: Targets,
    /// The answered requests that get a line.
    pub access: AccessLogSetting,
}

/// The format of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormatSetting {
    /// Text on a terminal, else JSON.
    Auto,
    /// Lines for people.
    Text,
    /// JSON for programs.
    Json,
}

/// The answered requests that get a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogSetting {
    /// All.
    All,
    /// Those that cost a call to Nebuly.
    Cold,
    /// Those that failed.
    Errors,
    /// None.
    None,
}

impl LogSettings {
    pub(in crate::settings) fn read(reader: &mut SettingReader<'_>) -> Result<Self, BrokenDefaults> {
        Ok(Self {
            format: reader.read(
                "log.format",
                choice(&[
                    ("auto", LogFormatSetting::Auto),
                    ("text", LogFormatSetting::Text),
                    ("json", LogFormatSetting::Json),
                ]),
            )?,
            level: reader.read("log.level", of_text(level))?,
            access: reader.read(
                "log.access",
                choice(&[
                    ("all", AccessLogSetting::All),
                    ("cold", AccessLogSetting::Cold),
                    ("errors", AccessLogSetting::Errors),
                    ("none", AccessLogSetting::None),
                ]),
            )?,
        })
    }
}

/// Parses a filter. Its own parser takes a misspelt level for a target, which would silence everything else.
fn level(text: &str) -> Parsed<Targets> {
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    let is_target = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:".contains(&byte);
    let is_directive = |directive: &&str| match directive.split_once('=') {
        Some((target, level)) => !target.is_empty() && target.bytes().all(is_target) && is_level(level),
        None => is_level(directive),
    };
    if !directives.iter().all(is_directive) {
        return Err(NOT_A_LEVEL.into());
    }
    directives.join(",").parse().map_err(|_| NOT_A_LEVEL.into())
}
