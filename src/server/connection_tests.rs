use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn connection(limits: ConnectionLimits) -> Connection {
    Connection::new("192.0.2.1:1000".parse().unwrap(), Times::new(&limits), Drain::default())
}

fn limits(header_timeout: Duration, idle_timeout: Duration, request_timeout: Duration) -> ConnectionLimits {
    ConnectionLimits { max_connections: 1, header_timeout, idle_timeout, request_timeout }
}

fn answer(connection: &Connection) {
    connection.begin_request();
    connection.end_answer();
    connection.flushed();
    connection.become_idle_if_flushed();
}

#[test]
fn each_phase_has_its_own_limit() {
    let connection = connection(limits(Duration::ZERO, HOUR, HOUR));
    assert_eq!(connection.time_to_sleep(), None);
    connection.begin_request();
    assert!(connection.time_to_sleep().is_some_and(|time| time <= HOUR));

    let connection = self::connection(limits(HOUR, HOUR, Duration::ZERO));
    assert!(connection.time_to_sleep().is_some());
    connection.begin_request();
    assert_eq!(connection.time_to_sleep(), None);

    let connection = self::connection(limits(HOUR, Duration::ZERO, HOUR));
    assert!(connection.time_to_sleep().is_some());
    answer(&connection);
    assert_eq!(connection.time_to_sleep(), None);
}

#[test]
fn the_deadline_of_a_request_lasts_until_its_answer_is_written() {
    let connection = connection(limits(HOUR, HOUR, Duration::ZERO));
    connection.begin_request();
    connection.end_answer();
    assert_eq!(connection.time_to_sleep(), None);
    assert!(connection.is_busy());
    assert!(connection.flushed());
    assert!(!connection.is_busy());
    assert!(connection.become_idle_if_flushed());
    assert!(connection.time_to_sleep().is_some());
}

#[test]
fn a_flush_within_an_answer_does_not_end_it() {
    let connection = connection(limits(HOUR, HOUR, HOUR));
    connection.begin_request();
    assert!(!connection.flushed());
    assert!(!connection.become_idle_if_flushed());
    assert!(connection.is_busy());
}

#[test]
fn no_sleep_is_longer_than_a_phase_that_may_begin_meanwhile() {
    let connection = connection(limits(HOUR, HOUR, Duration::from_secs(30)));
    assert_eq!(connection.time_to_sleep(), Some(Duration::from_secs(30)));
}

#[test]
fn a_limit_without_end_is_no_overflow() {
    let connection = connection(limits(Duration::MAX, Duration::MAX, Duration::MAX));
    assert_eq!(connection.time_to_sleep(), Some(LONGEST_SLEEP));
    connection.begin_request();
    connection.extend_deadline(Duration::MAX);
    assert!(connection.is_busy());
    assert_eq!(connection.time_to_sleep(), Some(LONGEST_SLEEP));
}

#[test]
fn only_an_open_request_gets_more_time() {
    let connection = connection(limits(Duration::ZERO, Duration::ZERO, Duration::ZERO));
    connection.extend_deadline(HOUR);
    assert_eq!(connection.time_to_sleep(), None);
    connection.begin_request();
    connection.extend_deadline(HOUR);
    assert!(connection.time_to_sleep().is_some());
    answer(&connection);
    connection.extend_deadline(HOUR);
    assert_eq!(connection.time_to_sleep(), None);
}

#[test]
fn an_extension_ends_with_its_request() {
    let connection = connection(limits(HOUR, HOUR, Duration::ZERO));
    connection.begin_request();
    connection.extend_deadline(HOUR);
    answer(&connection);
    connection.begin_request();
    assert_eq!(connection.time_to_sleep(), None);
}

#[test]
fn an_ipv4_peer_has_an_ipv4_address() {
    let times = Times::new(&limits(HOUR, HOUR, HOUR));
    let peer = "[::ffff:192.0.2.7]:1000".parse().unwrap();
    let connection = Connection::new(peer, times, Drain::default());
    assert_eq!(connection.peer(), "192.0.2.7:1000".parse().unwrap());
}
