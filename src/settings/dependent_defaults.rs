//! Defaults that depend on other settings. Some settings have to fit together: a default is adapted to a setting that
//! is set, and only two that are both set can contradict each other.

use std::net::SocketAddr;
use std::time::Duration;

use figment::Figment;
use humantime::format_duration;

use super::layer::Layer;
use super::problem::SettingSource;
use super::reader::SettingReader;
use super::sections::collide;
use super::value::{MAX_DURATION, Parsed, of_text, parsed, positive};

/// Nested durations: each of them must not be longer than the next.
const DURATIONS: [&str; 4] = ["nebuly.connect_timeout", "nebuly.attempt_timeout", "nebuly.deadline", LONGEST];

/// The last of them, which has to be longer, so that there is time to write the response after the last attempt.
const LONGEST: &str = "server.request_timeout";

/// The two listeners: the default of one depends on the other.
pub(super) const LISTENERS: [&str; 2] = ["server.listen", "server.management_listen"];

/// Adapts the defaults that do not fit to the settings that are set.
pub(super) fn adapt_defaults(layers: Figment) -> Figment {
    let durations = durations(&layers);
    let adapted = durations.iter().filter_map(NestedDuration::adapted).chain(listener(&layers));
    adapted.fold(layers, Figment::merge)
}

/// Adds a problem for each two durations that are both set and do not fit. One that cannot be read has a problem
/// already.
pub(super) fn check(reader: &mut SettingReader<'_>) {
    let mut inner: Option<NestedDuration> = None;
    for key in DURATIONS {
        let Some(duration) = reader.peek(key, positive()).filter(|_| reader.source(key).is_set()) else {
            continue;
        };
        let outer = NestedDuration { key, duration, is_set: true, follows: None };
        if let Some(inner) = inner.replace(outer)
            && !inner.fits_into(&outer)
        {
            let must = if key == LONGEST { "must be shorter than" } else { "must not be longer than" };
            let [short, long] = [inner.duration, duration].map(format_duration);
            let message = format!("{} ({short}) {must} {key} ({long})", inner.key);
            reader.refuse(&[inner.key, key], message);
        }
    }
}

/// One of [`DURATIONS`].
#[derive(Clone, Copy)]
struct NestedDuration {
    key: &'static str,
    duration: Duration,
    is_set: bool,
    /// The setting that this default was adapted to.
    follows: Option<&'static str>,
}

/// Returns all durations that can be read. Each of them fits into the next unless both are set.
fn durations(layers: &Figment) -> Vec<NestedDuration> {
    let read = |key| {
        let (duration, is_set) = find(layers, key, positive())?;
        Some(NestedDuration { key, duration, is_set, follows: None })
    };
    let mut durations: Vec<_> = DURATIONS.into_iter().filter_map(read).collect();
    // Outwards: a default that is shorter than a setting within it is raised.
    let mut inner: Option<NestedDuration> = None;
    for duration in &mut durations {
        match inner {
            _ if duration.is_set => inner = Some(*duration),
            Some(inner) if !inner.fits_into(duration) => {
                // Leaves a quarter of the result for writing.
                let room = if duration.key == LONGEST { inner.duration / 3 } else { Duration::ZERO };
                duration.follow(&inner, inner.duration.saturating_add(room));
            }
            _ => {}
        }
    }
    // Inwards: a default that is longer than the duration around it is lowered.
    let mut outer: Option<NestedDuration> = None;
    for duration in durations.iter_mut().rev() {
        if let Some(outer) = outer
            && !duration.is_set
            && !duration.fits_into(&outer)
        {
            let room = if outer.key == LONGEST { outer.duration / 4 } else { Duration::ZERO };
            duration.follow(&outer, outer.duration.saturating_sub(room));
        }
        outer = Some(*duration);
    }
    durations
}

/// Moves the listener that is not set to the next port, if the other one is set to its default port.
fn listener(layers: &Figment) -> Option<Layer> {
    let address = |key| find(layers, key, of_text(parsed::<SocketAddr>("")));
    let [public, management] = LISTENERS;
    [(public, management), (management, public)].into_iter().find_map(|(key, other)| {
        let ((mut own, false), (others, true)) = (address(key)?, address(other)?) else { return None };
        if !collide(own, others) {
            return None;
        }
        own.set_port(own.port().checked_add(1)?);
        Some(Layer::of_text(SettingSource::Follows(other.to_owned()), key, &own.to_string()))
    })
}

impl NestedDuration {
    fn fits_into(&self, outer: &Self) -> bool {
        self.duration < outer.duration || (self.duration == outer.duration && outer.key != LONGEST)
    }

    fn follow(&mut self, other: &Self, duration: Duration) {
        self.duration = duration.clamp(Duration::from_nanos(1), MAX_DURATION);
        self.follows = Some(other.follows.unwrap_or(other.key));
    }

    fn adapted(&self) -> Option<Layer> {
        // The text is exact, and no longer than the parser accepts.
        let text = match self.duration.subsec_nanos() {
            0 => format!("{}s", self.duration.as_secs()),
            nanos if nanos.is_multiple_of(1_000_000) => format!("{}ms", self.duration.as_millis()),
            _ => format!("{}ns", self.duration.as_nanos()),
        };
        Some(Layer::of_text(SettingSource::Follows(self.follows?.to_owned()), self.key, &text))
    }
}

/// Reads a setting, and returns it with `true` if it is set.
fn find<T>(
    layers: &Figment,
    key: &str,
    parse: impl Fn(&figment::value::Value) -> Parsed<T>,
) -> Option<(T, bool)> {
    let value = layers.find_value(key).ok()?;
    let source =
        layers.get_metadata(value.tag()).map_or(SettingSource::Default, SettingSource::from_metadata);
    Some((parse(&value).ok()?, source.is_set()))
}
