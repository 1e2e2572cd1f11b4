//! The limits of connections that follow from the limit of open files.

use crate::nebuly::POOL_MAX_IDLE;
use crate::settings::Settings;

/// Descriptors of the program itself: standard streams, listeners, the runtime, files, the shared cache, traces.
const OWN: usize = 64;

/// Descriptors of one call to Nebuly: it may connect to an IPv6 and an IPv4 address at once.
const PER_CALL: usize = 2;

/// Connections of the management listener: probes and a scraper or two need a handful.
const MANAGEMENT_CONNECTIONS: usize = 256;

/// How the file descriptors of the process are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// For everything but the connections of the two listeners.
    reserved: usize,
    /// The most connections of the public listener.
    pub(super) public: usize,
    /// The most connections of the management listener.
    pub(super) management: usize,
}

impl Descriptors {
    /// The division that the settings ask for.
    pub(super) fn unbounded(settings: &Settings) -> Self {
        let calls = settings.nebuly.max_in_flight.saturating_mul(PER_CALL);
        // A project never has more connections than there may be calls.
        let idle = POOL_MAX_IDLE.min(settings.nebuly.max_in_flight).saturating_mul(settings.projects.len());
        Self {
            reserved: OWN.saturating_add(calls).saturating_add(idle),
            public: settings.server.max_connections,
            management: MANAGEMENT_CONNECTIONS,
        }
    }

    /// All of them.
    pub(super) fn total(self) -> usize {
        self.reserved.saturating_add(self.public).saturating_add(self.management)
    }

    /// The same with as few connections as a lower limit of descriptors demands. At least a quarter of it is for public
    /// connections, even if everything else could then need more than the rest.
    pub(super) fn within(self, limit: usize) -> Self {
        let management = (limit / 8).clamp(1, self.management);
        let left = limit.saturating_sub(self.reserved).saturating_sub(management);
        Self { public: left.max(limit / 4).clamp(1, self.public.max(1)), management, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_idle_connections_to_nebuly_are_counted_in() {
        let environment = vec![("NEBULY_API_KEY".into(), "nk".into())];
        let sources = crate::settings::SettingSources { environment, ..Default::default() };
        let settings = Settings::load(&sources).unwrap().settings;
        // docs/operations.md says so, too.
        assert_eq!(Descriptors::unbounded(&settings).total(), 10_480);
    }

    #[test]
    fn few_descriptors_bound_the_connections_and_leave_enough_for_the_rest() {
        let all = Descriptors { reserved: 224, public: 10_000, management: 256 };
        for (limit, public, management) in [
            (usize::MAX, 10_000, 256),
            (all.total(), 10_000, 256),
            (4096, 3616, 256),
            (1024, 672, 128),
            (512, 224, 64),
            (300, 75, 37),
            (0, 1, 1),
        ] {
            assert_eq!(all.within(limit), Descriptors { public, management, ..all }, "{limit}");
        }
    }
}
