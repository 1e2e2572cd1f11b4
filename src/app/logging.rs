//! What is logged, and how.

use crate::settings;
use crate::telemetry::{LogFormat, LogOptions};
use crate::web::{AccessLog, Escaping, Requests};

/// What the log is made from.
#[must_use]
pub fn log_options(settings: &settings::LogSettings) -> LogOptions {
    let format = match settings.format {
        settings::LogFormatSetting::Auto => None,
        settings::LogFormatSetting::Text => Some(LogFormat::Text),
        settings::LogFormatSetting::Json => Some(LogFormat::Json),
    };
    LogOptions { format, level: settings.level.clone() }
}

pub(super) fn access_log(settings: &settings::LogSettings) -> AccessLog {
    AccessLog {
        requests: match settings.access {
            settings::AccessLogSetting::All => Requests::All,
            settings::AccessLogSetting::Cold => Requests::Cold,
            settings::AccessLogSetting::Errors => Requests::Errors,
            settings::AccessLogSetting::None => Requests::None,
        },
        escaping: match log_options(settings).format_of_stderr() {
            LogFormat::Text => Escaping::PrintableAscii,
            LogFormat::Json => Escaping::ByFormat,
        },
    }
}
