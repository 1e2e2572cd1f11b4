//! The circuit of one project: whether Nebuly is asked at all. A rule over given moments.
//!
//! It opens when, within the last [`WINDOW`], at least [`ENOUGH_LINKS`] links failed and they were at least half of those
//! that were asked for; and at once when Nebuly asks us to slow down. After a pause one call goes through to see, the
//! probe; any answer to it closes the circuit, and another failure opens it again, for longer.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::nebuly::retry_after;

/// What is older says nothing of now.
const WINDOW: Duration = Duration::from_secs(10);

/// Fewer links may fail together by chance.
const ENOUGH_LINKS: usize = 10;

/// More links than this are not looked at, which bounds the memory: the newest say enough.
const MAX_LINKS: usize = 4096;

/// The first pause after failures, and the one after a 429 that names none.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause after failures: so late at most is it seen that Nebuly is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The shortest pause that a `Retry-After` can ask for: at 0 every call would go through to a Nebuly that is throttling.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Whether calls are let through.
pub(in crate::nebuly) struct Circuit {
    state: State,
    /// Changes with the state, so that what comes of a call is known to belong to an earlier one.
    era: u64,
    failed_probes: u32,
    links: Links,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// The probe is on its way.
    Probing,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nebuly) struct Ticket {
    era: u64,
}

/// What a call says of Nebuly's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nebuly) enum Evidence {
    /// An answer that is no outage: also a 404, and a 500, which may be the id's fault.
    Answered,
    /// No connection, a reset, a timeout, 502, 503 or 504.
    Outage,
    /// 429, with the pause that it asks for, if it does.
    Throttled(Option<Duration>),
}

/// What became of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nebuly) enum Change {
    /// It was closed, and is open for so long.
    Opened(Duration),
    /// The probe failed; it is open again, for so long.
    Reopened(Duration),
    /// It is closed again.
    Closed,
}

/// The latest outcome of each link in the window.
#[derive(Default)]
struct Links {
    /// By link: the number of its entry, and whether it failed.
    outcomes: HashMap<u64, (u64, bool)>,
    /// By number, so the oldest first: when, and which link.
    entries: BTreeMap<u64, (Instant, u64)>,
    failed: usize,
    next_number: u64,
}

impl Circuit {
    pub(in crate::nebuly) fn new() -> Self {
        Self { state: State::Closed, era: 0, failed_probes: 0, links: Links::default() }
    }

    /// Whether a call would be let through now, or how long the pause still is. Nothing is claimed by asking: a call that
    /// waits for its turn after this is no probe yet.
    pub(in crate::nebuly) fn look(&self, now: Instant) -> Result<Ticket, Duration> {
        match self.state {
            State::Open { until } if now < until => Err(until.duration_since(now)),
            State::Probing => Err(Duration::ZERO),
            State::Closed | State::Open { .. } => Ok(Ticket { era: self.era }),
        }
    }

    /// Lets a call through, or says how long the pause still is. Each call that was let through is to end with
    /// [`Self::settle`] or [`Self::abandon`].
    pub(in crate::nebuly) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        match self.state {
            State::Closed => {}
            State::Open { until } if now >= until => self.turn(State::Probing),
            State::Open { until } => return Err(until.duration_since(now)),
            State::Probing => return Err(Duration::ZERO),
        }
        Ok(Ticket { era: self.era })
    }

    /// The rest of the pause, if a call that was let through would not be any more.
    pub(in crate::nebuly) fn refusal(&self, ticket: Ticket, now: Instant) -> Option<Duration> {
        match self.state {
            _ if self.is_current(ticket) => None,
            State::Closed => None,
            State::Open { until } => until.checked_duration_since(now).filter(|left| !left.is_zero()),
            State::Probing => Some(Duration::ZERO),
        }
    }

    /// Whether nothing has changed since a call was let through.
    pub(in crate::nebuly) const fn is_current(&self, ticket: Ticket) -> bool {
        self.era == ticket.era
    }

    /// Whether calls are refused, but for a probe.
    pub(in crate::nebuly) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// The rest of the pause; zero if it is over, or there is none.
    pub(in crate::nebuly) fn pause_left(&self, now: Instant) -> Duration {
        match self.state {
            State::Open { until } => until.saturating_duration_since(now),
            State::Closed | State::Probing => Duration::ZERO,
        }
    }

    /// Learns from a call that ended. What comes late, from before the circuit opened or closed, says nothing of now,
    /// unless it asks us to slow down.
    pub(in crate::nebuly) fn settle(
        &mut self,
        ticket: Ticket,
        link: u64,
        evidence: Evidence,
        now: Instant,
    ) -> Option<Change> {
        match (evidence, self.state) {
            (Evidence::Throttled(pause), _) => self.throttled(ticket, pause, now),
            _ if !self.is_current(ticket) => None,
            (Evidence::Answered, State::Probing) => {
                self.failed_probes = 0;
                self.turn(State::Closed);
                Some(Change::Closed)
            }
            (Evidence::Outage, State::Probing) => {
                self.failed_probes += 1;
                let pause = self.next_pause();
                self.turn(State::Open { until: now + pause });
                Some(Change::Reopened(pause))
            }
            (Evidence::Answered | Evidence::Outage, State::Closed) => {
                self.links.record(link, evidence == Evidence::Outage, now);
                if !self.links.mostly_failed() {
                    return None;
                }
                let pause = self.next_pause();
                self.turn(State::Open { until: now + pause });
                Some(Change::Opened(pause))
            }
            (Evidence::Answered | Evidence::Outage, State::Open { .. }) => None,
        }
    }

    /// Forgets a call that came to nothing: its caller left, or it was never made. If it was the probe, the next call is.
    pub(in crate::nebuly) fn abandon(&mut self, ticket: Ticket, now: Instant) {
        if self.is_current(ticket) && self.state == State::Probing {
            self.turn(State::Open { until: now });
        }
    }

    fn throttled(&mut self, ticket: Ticket, pause: Option<Duration>, now: Instant) -> Option<Change> {
        let was = self.state;
        if was == State::Probing && self.is_current(ticket) {
            self.failed_probes += 1;
        }
        let pause = pause
            .map_or_else(|| self.next_pause(), |pause| pause.clamp(SHORTEST_PAUSE, retry_after::LONGEST));
        let until = now + pause;
        match was {
            State::Closed => {
                self.turn(State::Open { until });
                Some(Change::Opened(pause))
            }
            State::Probing => {
                self.turn(State::Open { until });
                Some(Change::Reopened(pause))
            }
            State::Open { until: known } => {
                self.turn(State::Open { until: until.max(known) });
                None
            }
        }
    }

    fn next_pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.failed_probes.min(10)).min(LONGEST_PAUSE)
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.era += 1;
        self.links = Links::default();
    }
}

impl Links {
    fn record(&mut self, link: u64, failed: bool, now: Instant) {
        self.forget(link);
        while let Some((_, (at, oldest))) = self.entries.first_key_value()
            && (self.entries.len() >= MAX_LINKS || now.saturating_duration_since(*at) >= WINDOW)
        {
            self.forget(*oldest);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.outcomes.insert(link, (number, failed));
        self.entries.insert(number, (now, link));
        self.failed += usize::from(failed);
    }

    fn forget(&mut self, link: u64) {
        if let Some((number, failed)) = self.outcomes.remove(&link) {
            self.entries.remove(&number);
            self.failed -= usize::from(failed);
        }
    }

    fn mostly_failed(&self) -> bool {
        self.failed >= ENOUGH_LINKS && self.failed * 2 >= self.outcomes.len()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
