//! What is logged, and how.

use crate::settings;
use crate::telemetry::{LogFormat, LogOptions};
use crate::web::{AccessLogger, Escaping, LoggedRequests};

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

pub(super) fn access_log(settings: &settings::Log) -> AccessLogger {
    AccessLogger {
        requests: match settings.access {
            settings::AccessLog::All => LoggedRequests::All,
            settings::AccessLog::Cold => LoggedRequests::Cold,
            settings::AccessLog::Errors => LoggedRequests::Errors,
            settings::AccessLog::None => LoggedRequests::None,
        },
        escaping: match log_options(settings).format_of_stderr() {
            LogFormat::Text => Escaping::PrintableAscii,
            LogFormat::Json => Escaping::ByFormat,
        },
    }
}
