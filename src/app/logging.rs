//! What is logged, and how.

use crate::settings;
use crate::telemetry::{LogFormat, LogOptions};
use crate::web::{AccessLog, Escaping, Requests};

/// What the log is made from.
#[must_use]
pub fn log_options(settings: &settings::Log) -> LogOptions {
    let format = match settings.format {
        settings::LogFormat::Auto => None,
        settings::LogFormat::Text => Some(LogFormat::Text),
        settings::LogFormat::Json => Some(LogFormat::Json),
    };
    LogOptions { format, level: settings.level.clone() }
}

pub(super) fn access_log(settings: &settings::Log) -> AccessLog {
    AccessLog {
        requests: match settings.access {
            settings::AccessLog::All => Requests::All,
            settings::AccessLog::Cold => Requests::Cold,
            settings::AccessLog::Errors => Requests::Errors,
            settings::AccessLog::None => Requests::None,
        },
        escaping: match log_options(settings).format_of_stderr() {
            LogFormat::Text => Escaping::PrintableAscii,
            LogFormat::Json => Escaping::ByFormat,
        },
    }
}
