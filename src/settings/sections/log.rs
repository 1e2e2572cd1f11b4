//! `[log]`: what is logged, and how.

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::settings::reader::SettingReader;
use crate::settings::schema::BrokenDefaults;
use crate::settings::value::{Parsed, choice, of_text};

const NOT_A_LEVEL: &str =
    "not off, error, warn, info, debug or trace, or target=level for one part, separated by commas";

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// How a line is written.
    pub format: LogFormatSetting,
    /// Which events are logged.
    pub level: Targets,
    /// Which answered requests get a line.
    pub access: AccessLogSetting,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormatSetting {
    /// As text on a terminal, else as JSON.
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Which answered requests get a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogSetting {
    /// Every one.
    All,
    /// Those that cost a call to Nebuly.
    Cold,
    /// Those that failed.
    Errors,
    /// Not one.
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

/// A filter. Its own parser takes a misspelt level for a target, which would silence all the rest.
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
