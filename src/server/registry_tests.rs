use std::time::Duration;

use super::super::connection::{ConnectionLimits, Times};
use super::super::drain::Drain;
use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

struct Listener {
    registry: Arc<Registry>,
    times: Times,
}

impl Listener {
    fn new(max_connections: usize) -> Self {
        let limits = ConnectionLimits {
            max_connections,
            header_timeout: HOUR,
            idle_timeout: 2 * HOUR,
            request_timeout: HOUR,
        };
        let registry = Arc::new(Registry::new(max_connections, OpenConnections::default()));
        Self { registry, times: Times::new(&limits) }
    }

    /// A connection that is younger than all before, by the server's clock.
    fn connect(&self) -> Slot {
        let peer = "192.0.2.1:1000".parse().unwrap();
        let earlier = Connection::new(peer, self.times, Drain::default()).idle_since();
        loop {
            let connection = Connection::new(peer, self.times, Drain::default());
            if connection.idle_since() != earlier {
                return self.registry.enter(connection);
            }
        }
    }
}

fn answer(slot: &Slot) {
    slot.connection().begin_request();
    slot.connection().end_answer();
    slot.connection().flushed();
    slot.connection().become_idle_if_flushed();
}

fn has_ended(slot: &Slot) -> bool {
    !slot.connection().is_busy() && slot.connection().idle_since().is_none()
}

#[test]
fn the_longest_idle_is_evicted_first_however_many_there_are() {
    let listener = Listener::new(1000);
    let slots: Vec<_> = (0..=3 * MAX_CANDIDATES).map(|_| listener.connect()).collect();
    for slot in &slots {
        assert!(!has_ended(slot));
        assert!(listener.registry.evict());
        assert!(has_ended(slot));
    }
    assert!(!listener.registry.evict());
}

#[test]
fn a_silent_new_connection_is_younger_than_one_that_was_answered_before_it_came() {
    let listener = Listener::new(10);
    let answered = listener.connect();
    answer(&answered);
    let silent = listener.connect();
    assert!(listener.registry.evict());
    assert!(has_ended(&answered));
    assert!(!has_ended(&silent));
}

#[test]
fn a_connection_that_was_answered_since_the_search_is_not_mistaken_for_the_longest_idle() {
    let listener = Listener::new(10);
    let slots: Vec<_> = (0..3).map(|_| listener.connect()).collect();
    assert!(listener.registry.evict());
    answer(&slots[1]);
    assert!(listener.registry.evict());
    assert!(!has_ended(&slots[1]));
    assert!(has_ended(&slots[2]));
}

#[test]
fn a_busy_connection_is_never_evicted() {
    let listener = Listener::new(10);
    let slots: Vec<_> = (0..3).map(|_| listener.connect()).collect();
    assert!(listener.registry.evict());
    // Found idle by the search, busy since.
    slots[1].connection().begin_request();
    slots[2].connection().begin_request();
    slots[2].connection().end_answer();
    assert!(!listener.registry.evict());
    listener.registry.close_idle();
    assert!(slots[1].connection().is_busy());
    assert!(slots[2].connection().is_busy());
}

#[test]
fn closing_ends_whatever_is_idle() {
    let listener = Listener::new(10);
    let (silent, answered, busy) = (listener.connect(), listener.connect(), listener.connect());
    answer(&answered);
    busy.connection().begin_request();
    listener.registry.close_idle();
    assert!(has_ended(&silent));
    assert!(has_ended(&answered));
    assert!(!has_ended(&busy));
}

#[test]
fn only_requests_in_flight_are_counted_as_aborted() {
    let listener = Listener::new(10);
    let (_silent, answered, busy) = (listener.connect(), listener.connect(), listener.connect());
    answer(&answered);
    busy.connection().begin_request();
    assert_eq!(listener.registry.abort_all(), 1);
}

#[test]
fn a_place_is_free_when_its_slot_is_dropped() {
    let listener = Listener::new(10);
    let slots = [listener.connect(), listener.connect()];
    let open = listener.registry.open.clone();
    assert_eq!((listener.registry.len(), open.get()), (2, 2));
    drop(slots);
    assert_eq!((listener.registry.len(), open.get()), (0, 0));
    assert!(!listener.registry.evict());
}

#[test]
fn a_half_closed_connection_is_evicted_only_if_none_is_idle() {
    let listener = Listener::new(10);
    let (half_closed, busy, idle) = (listener.connect(), listener.connect(), listener.connect());
    half_closed.connection().begin_request();
    half_closed.connection().peer_half_closed();
    busy.connection().begin_request();
    listener.registry.close_idle();
    assert!(has_ended(&idle) && !has_ended(&half_closed));
    let idle = listener.connect();
    assert!(listener.registry.evict());
    assert!(has_ended(&idle) && !has_ended(&half_closed));
    assert!(listener.registry.evict());
    assert!(has_ended(&half_closed));
    assert!(!listener.registry.evict());
    assert!(busy.connection().is_busy());
}

#[test]
fn a_listener_does_not_evict_its_only_connection_for_a_descriptor() {
    let listener = Listener::new(10);
    let first = listener.connect();
    listener.registry.free_descriptor();
    assert!(!has_ended(&first));
    let second = listener.connect();
    listener.registry.free_descriptor();
    assert!(has_ended(&first) && !has_ended(&second));
}

#[tokio::test]
async fn another_listener_frees_the_descriptor_for_one_that_is_spared() {
    let (public, mut management) = (Listener::new(10), Listener::new(10));
    management.registry = Arc::new(Registry::new(10, public.registry.open.spared()));
    let public_slots = [public.connect(), public.connect()];
    let management_slots = [management.connect(), management.connect()];
    management.registry.free_descriptor();
    tokio::select! {
        biased;
        never = public.registry.free_descriptors_for_others() => match never {},
        () = std::future::ready(()) => {}
    }
    assert_eq!(public_slots.each_ref().map(has_ended), [true, false]);
    assert_eq!(management_slots.each_ref().map(has_ended), [false, false]);
    assert_eq!((public.registry.open.get(), management.registry.open.get()), (2, 2));
}
