//! The HTTP server over real sockets: deadlines, room, drain and what it says to heads that are no good.
//!
//! Peers are blocking sockets. Lower bounds of time are exact, because a server that lets go too early is wrong; upper
//! bounds are `PATIENCE`, because a machine under load is not.

mod harness;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use harness::{End, LARGE, NO_LIMITS, Peer, STALL, Server, eventually, get_of, status};
use nebulink::server::{ConnectionLimits, bind};

const SECOND: Duration = Duration::from_secs(1);

// Deadlines.

#[test]
fn silent_peers_and_half_heads_are_let_go_at_the_header_timeout_while_others_are_served() {
    let server = Server::start(ConnectionLimits { header_timeout: 2 * SECOND, ..NO_LIMITS });
    let mut other = server.connect();
    assert_eq!(other.get("/").status(), "200");
    let begin = Instant::now();
    let mut peers: Vec<_> = (0..300).map(|_| server.connect()).collect();
    for peer in peers.iter_mut().step_by(2) {
        peer.try_send("GET / HTTP/1.1\r\nhost: te").ok();
    }
    assert_eq!(other.get("/").status(), "200");
    for peer in &mut peers {
        let (read, _) = peer.end();
        assert!(read.is_empty());
        assert!(begin.elapsed() >= 2 * SECOND);
    }
    assert_eq!(other.get("/").status(), "200");
    eventually("only the other is open", || server.open.get() == 1);
}

#[test]
fn a_head_that_drips_in_is_let_go_at_the_header_timeout() {
    let server = Server::start(ConnectionLimits { header_timeout: SECOND, ..NO_LIMITS });
    let begin = Instant::now();
    let mut peer = server.connect();
    eventually("the server lets go", || {
        peer.try_send("x").is_err() || server.open.get() == 0 && begin.elapsed() >= SECOND
    });
    assert!(begin.elapsed() >= SECOND);
}

#[test]
fn an_idle_connection_is_kept_until_the_idle_timeout() {
    let server =
        Server::start(ConnectionLimits { idle_timeout: 3 * SECOND, header_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    peer.get("/");
    assert!(peer.hears_nothing());
    let begin = Instant::now();
    assert_eq!(peer.get("/").status(), "200");
    assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
    assert!(begin.elapsed() >= 3 * SECOND);
}

#[test]
fn a_peer_that_does_not_read_is_let_go_at_the_request_timeout() {
    let server = Server::start(ConnectionLimits { request_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    let begin = Instant::now();
    peer.send(get_of("/large"));
    assert_eq!(status(&peer.head()), "200");
    eventually("the server lets go", || server.open.get() == 0);
    assert!(begin.elapsed() >= SECOND);
    let (read, end) = peer.end();
    assert!(read.len() < LARGE);
    assert_eq!(end, End::Reset);
}

#[test]
fn a_peer_that_stalls_is_let_go_where_the_service_says_so_and_a_slow_one_gets_all() {
    let server = Server::start(NO_LIMITS);
    let mut stalled = server.connect();
    stalled.send(get_of("/impatient"));
    assert_eq!(status(&stalled.head()), "200");
    eventually("it is let go", || server.open.get() == 0);
    assert_eq!(stalled.end().1, End::Reset);

    let mut slow = server.connect();
    slow.send(get_of("/impatient"));
    let began = Instant::now();
    while began.elapsed() < 3 * STALL {
        slow.read_some();
        std::thread::sleep(STALL / 100);
    }
    assert_eq!(slow.answer().body.len(), LARGE);

    // The next request of a connection has its own limits.
    slow.send(get_of("/large"));
    let began = Instant::now();
    let waited = || began.elapsed() > 2 * STALL;
    eventually("it is not let go", || waited() || server.open.get() == 0);
    assert_eq!(slow.answer().body.len(), LARGE);
}

#[test]
fn a_body_that_drips_in_is_let_go_at_the_request_timeout() {
    let server = Server::start(ConnectionLimits { request_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    let begin = Instant::now();
    peer.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n");
    eventually("the server lets go", || peer.try_send("x").is_err());
    assert!(begin.elapsed() >= SECOND);
    eventually("nothing is open", || server.open.get() == 0);
}

#[test]
fn a_body_that_drips_in_after_its_answer_holds_nothing() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    peer.send("POST /unread HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\nx");
    assert_eq!(peer.answer().body, "not read");
    eventually("the server lets go", || peer.try_send("x").is_err());
    eventually("nothing is open", || server.open.get() == 0);
}

#[test]
fn a_peer_that_still_sends_reads_the_answer_to_a_body_that_nobody_wanted() {
    let server = Server::start(NO_LIMITS);
    for _ in 0..20 {
        let mut peer = server.connect();
        peer.send("POST /unread HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n");
        peer.send(vec![b'x'; 1_000_000]);
        assert_eq!(peer.answer().body, "not read");
    }
}

#[test]
fn a_small_body_that_nobody_wanted_is_read_and_its_connection_stays_open() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    let body = "x".repeat(60 * 1024);
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (request, status) in
        [("GET /unread", "200"), ("POST /unread", "200"), ("POST /", "405"), ("GET /", "200")]
    {
        let head = format!("{request} HTTP/1.1\r\nhost: test\r\n");
        for rest in [
            "content-length: 0\r\n\r\n".to_owned(),
            "content-length: 1\r\n\r\nx".to_owned(),
            format!("content-length: {}\r\n\r\n{body}", body.len()),
            "transfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            format!("transfer-encoding: chunked\r\n\r\n{chunks}"),
        ] {
            peer.send([head.as_str(), &rest].concat());
            let answer = peer.answer();
            assert_eq!(answer.status(), status, "{answer:?}");
            assert!(!answer.has("connection: close"), "{answer:?}");
        }
    }
    // In pieces, and with the next request behind it.
    peer.send("POST /unread HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\nx");
    assert!(peer.hears_nothing());
    peer.send(format!("x{}", get_of("/")));
    assert_eq!(peer.answer().body, "not read");
    assert_eq!(peer.answer().body, "hello");
}

#[test]
fn a_body_that_is_not_read_to_its_end_is_the_announced_end_of_its_connection() {
    let server = Server::start(NO_LIMITS);
    let chunk = format!("{:x}\r\n{}\r\n", 20_000, "x".repeat(20_000));
    for (what, body) in [
        ("large", format!("content-length: 70000\r\n\r\n{}", "x".repeat(70_000))),
        ("large, in chunks", format!("transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(4))),
        ("endless", format!("transfer-encoding: chunked\r\n\r\n{chunk}")),
        ("never sent", "content-length: 10\r\n\r\n".to_owned()),
        ("not chunked", "transfer-encoding: chunked\r\n\r\nno chunk\r\n".to_owned()),
    ] {
        for path in ["GET /", "POST /", "POST /unread"] {
            let mut peer = server.connect();
            peer.send(format!("{path} HTTP/1.1\r\nhost: test\r\n{body}"));
            let answer = peer.answer();
            assert!(answer.has("connection: close"), "{what}: {answer:?}");
            assert_eq!(peer.end(), (Vec::new(), End::Ordinary), "{what}");
        }
    }
    let mut old = server.connect();
    old.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 10\r\n\r\n");
    let answer = old.answer();
    assert!(answer.has("connection: close") && !answer.head.contains("keep-alive"), "{answer:?}");
}

#[test]
fn a_body_that_waits_for_100_is_not_asked_for_unless_it_is_wanted() {
    let server = Server::start(NO_LIMITS);
    let head = |path| {
        format!("POST {path} HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
    };
    let mut peer = server.connect();
    peer.send(head("/unread"));
    let answer = peer.answer();
    assert_eq!(answer.status(), "200");
    assert!(answer.has("connection: close"), "{answer:?}");
    assert_eq!(peer.end(), (Vec::new(), End::Ordinary));

    let mut peer = server.connect();
    for _ in 0..3 {
        peer.send(head("/echo"));
        assert_eq!(status(&peer.head()), "100");
        peer.send("abc");
        let answer = peer.answer();
        assert_eq!(answer.body, "abc");
        assert!(!answer.has("connection: close"), "{answer:?}");
    }
}

// Peers that finish or leave.

#[test]
fn a_peer_that_has_finished_sending_gets_the_answers_that_it_waits_for() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    peer.send([get_of("/gate"), get_of("/"), get_of("/gate"), get_of("/")].concat());
    peer.finish_sending();
    for passed in [1, 2] {
        server.gate.wait_for(passed);
        assert!(peer.hears_nothing());
        server.gate.let_through(1);
        assert_eq!(peer.answer().body, "through");
        assert_eq!(peer.answer().body, "hello");
    }
    assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
    eventually("nothing is open", || server.open.get() == 0);
}

#[test]
fn a_peer_that_finishes_sending_while_idle_is_let_go_at_once() {
    let server = Server::start(NO_LIMITS);
    let (mut answered, mut silent, mut half) = (server.connect(), server.connect(), server.connect());
    answered.get("/");
    half.send("GET / HT");
    for peer in [&answered, &silent, &half] {
        peer.finish_sending();
    }
    for peer in [&mut answered, &mut silent] {
        assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
    }
    half.end();
    eventually("nothing is open", || server.open.get() == 0);
}

#[test]
fn a_body_that_ends_early_ends_its_request() {
    let server = Server::start(NO_LIMITS);
    for path in ["/echo", "/unread"] {
        let mut peer = server.connect();
        peer.send(format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nx"));
        peer.finish_sending();
        let answer = peer.answer();
        assert!(answer.has("connection: close"), "{answer:?}");
        assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
    }
}

#[test]
fn a_peer_that_resets_its_connection_frees_its_place_at_once() {
    let server = Server::start(NO_LIMITS);
    for round in 1..=3 {
        let mut peer = server.connect();
        peer.send(get_of("/gate"));
        server.gate.wait_for(round);
        assert_eq!(server.open.get(), 1);
        peer.reset();
        eventually("nothing is open", || server.open.get() == 0);
    }
}

#[test]
fn a_peer_that_has_finished_sending_and_is_gone_frees_its_place_at_the_request_timeout() {
    let server = Server::start(ConnectionLimits { request_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    peer.send(get_of("/never"));
    peer.finish_sending();
    drop(peer);
    eventually("nothing is open", || server.open.get() == 0);
}

#[test]
fn an_answer_that_never_ends_is_cut_at_the_request_timeout_with_a_reset() {
    let server = Server::start(ConnectionLimits { request_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    let begin = Instant::now();
    peer.send("GET /drip HTTP/1.0\r\n\r\n");
    let (read, end) = peer.end();
    assert!(read.starts_with(b"HTTP/1.0 200"));
    assert_eq!(end, End::Reset);
    assert!(begin.elapsed() >= SECOND);
}

#[test]
fn a_slow_handler_is_cut_at_the_request_timeout() {
    let server = Server::start(ConnectionLimits { request_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    let begin = Instant::now();
    peer.send(get_of("/never"));
    assert_eq!(peer.end(), (Vec::new(), End::Reset));
    assert!(begin.elapsed() >= SECOND);
}

#[test]
fn a_request_with_an_extended_deadline_is_answered_in_its_time() {
    let server = Server::start(ConnectionLimits { request_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    let begin = Instant::now();
    assert_eq!(peer.get("/extended").body, "in time");
    assert!(begin.elapsed() >= 2 * SECOND);
}

// Room.

#[test]
fn the_connection_that_has_been_idle_longest_makes_room() {
    let server = Server::start(ConnectionLimits { max_connections: 3, ..NO_LIMITS });
    let mut peers: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for index in [0, 1, 2, 0] {
        peers[index].get("/");
    }
    let mut newcomer = server.connect();
    assert_eq!(newcomer.get("/").status(), "200");
    assert_eq!(peers[1].end(), (Vec::new(), End::Ordinary));
    assert_eq!(peers[0].get("/").status(), "200");
    assert_eq!(peers[2].get("/").status(), "200");
    assert_eq!(server.open.get(), 3);
}

#[test]
fn busy_connections_are_never_cut_and_the_newcomer_waits_until_one_turns_idle() {
    let server = Server::start(ConnectionLimits { max_connections: 2, ..NO_LIMITS });
    let mut busy = [server.connect(), server.connect()];
    for peer in &mut busy {
        peer.send(get_of("/gate"));
    }
    server.gate.wait_for(2);
    let mut newcomer = server.connect();
    newcomer.send(get_of("/"));
    assert!(newcomer.hears_nothing());
    assert_eq!(server.open.get(), 2);
    server.gate.let_through(1);
    assert_eq!(newcomer.answer().body, "hello");
    server.gate.let_through(1);
    for peer in &mut busy {
        assert_eq!(peer.answer().body, "through");
    }
}

#[test]
fn a_newcomer_is_served_when_a_busy_connection_ends() {
    let server = Server::start(ConnectionLimits { max_connections: 1, ..NO_LIMITS });
    let mut busy = server.connect();
    busy.send(get_of("/gate"));
    server.gate.wait_for(1);
    let mut newcomer = server.connect();
    newcomer.send(get_of("/"));
    assert!(newcomer.hears_nothing());
    drop(busy);
    assert_eq!(newcomer.answer().body, "hello");
}

#[test]
fn a_flood_of_silent_connections_starves_nobody() {
    let server = Server::start(ConnectionLimits { max_connections: 20, ..NO_LIMITS });
    let mut flood: Vec<_> = (0..200).map(|_| server.connect()).collect();
    let mut peer = server.connect();
    assert_eq!(peer.get("/").status(), "200");
    flood.extend((0..10).map(|_| server.connect()));
    assert_eq!(peer.get("/").status(), "200");
    assert_eq!(flood[0].end(), (Vec::new(), End::Ordinary));
    assert!(server.open.get() <= 20);
}

#[test]
fn a_panic_frees_its_place() {
    let server = Server::start(ConnectionLimits { max_connections: 1, ..NO_LIMITS });
    for _ in 0..3 {
        let mut peer = server.connect();
        peer.send(get_of("/panic"));
        assert_eq!(peer.end(), (Vec::new(), End::Reset));
    }
    assert_eq!(server.connect().get("/").status(), "200");
}

// Drain.

#[test]
fn a_server_that_leaves_still_accepts_and_asks_to_connect_anew() {
    let server = Server::start(NO_LIMITS);
    let mut before = server.connect();
    assert!(!before.get("/").has("connection: close"));
    server.drain.begin();
    for mut peer in [before, server.connect()] {
        let answer = peer.get("/");
        assert_eq!(answer.status(), "200");
        assert!(answer.has("connection: close"));
        assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
    }
    assert!(!server.has_ended());
}

#[test]
fn a_server_that_leaves_does_not_promise_http_1_0_peers_to_stay() {
    let server = Server::start(NO_LIMITS);
    server.drain.begin();
    let mut peer = server.connect();
    peer.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    let answer = peer.answer();
    assert!(answer.has("connection: close"));
    assert!(!answer.head.contains("keep-alive"));
    assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
}

#[test]
fn a_server_that_closes_lets_open_requests_finish_and_nothing_else() {
    let server = Server::start(NO_LIMITS);
    let (mut idle, mut silent, mut busy) = (server.connect(), server.connect(), server.connect());
    idle.get("/");
    busy.send(get_of("/gate"));
    server.gate.wait_for(1);
    eventually("all are accepted", || server.open.get() == 3);
    server.drain.begin();
    server.drain.close();
    assert_eq!(idle.end(), (Vec::new(), End::Ordinary));
    assert_eq!(silent.end(), (Vec::new(), End::Ordinary));
    eventually("the listener refuses", || TcpStream::connect(server.address).is_err());
    assert!(!server.has_ended());
    server.gate.let_through(1);
    let answer = busy.answer();
    assert_eq!(answer.body, "through");
    assert!(answer.has("connection: close"));
    assert_eq!(busy.end(), (Vec::new(), End::Ordinary));
    assert_eq!(server.ended(), 0);
}

#[test]
fn an_answer_that_began_before_the_drain_is_the_last_of_its_connection() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    peer.send(get_of("/large"));
    let head = peer.head();
    assert!(!head.contains("connection: close"));
    server.drain.close();
    let (body, end) = peer.end();
    assert_eq!((body.len(), end), (LARGE, End::Ordinary));
    assert_eq!(server.ended(), 0);
}

#[test]
fn what_is_open_at_the_end_of_the_drain_is_cut_and_counted() {
    let server = Server::start(NO_LIMITS);
    let mut peers = [server.connect(), server.connect()];
    for peer in &mut peers {
        peer.send(get_of("/gate"));
    }
    server.gate.wait_for(2);
    server.drain.close();
    eventually("the listener refuses", || TcpStream::connect(server.address).is_err());
    server.drain.abort();
    assert_eq!(server.ended(), 2);
    for peer in &mut peers {
        assert_eq!(peer.end(), (Vec::new(), End::Reset));
    }
}

#[test]
fn a_server_that_is_dropped_ends_its_connections() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    peer.get("/");
    server.abandon();
    assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
}

// HTTP.

#[test]
fn a_head_of_16_kib_is_served_and_a_longer_one_is_a_bare_431() {
    const MAX_HEAD: usize = 16 * 1024;
    let server = Server::start(NO_LIMITS);
    let head = |length: usize| {
        let frame = "GET / HTTP/1.1\r\nhost: test\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "x".repeat(length - frame))
    };
    let mut peer = server.connect();
    for _ in 0..3 {
        peer.send(head(MAX_HEAD));
        assert_eq!(peer.answer().status(), "200");
    }
    for length in [MAX_HEAD + 1, 20 * 1024, 70 * 1024, 1024 * 1024] {
        assert_is_refused(&server, &head(length), "431");
    }
}

#[test]
fn a_request_line_of_10_kib_is_served_and_one_above_16_kib_is_a_bare_414() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    assert_eq!(peer.get(&format!("/{}", "x".repeat(10 * 1024))).body, "10241");
    // After another request, too, and in pieces.
    peer.send(format!("GET /{}", "x".repeat(10 * 1024)));
    assert!(peer.hears_nothing());
    peer.send("x".repeat(10 * 1024));
    assert_eq!(peer.answer().status(), "414");
    for length in [16 * 1024, 17 * 1024, 70 * 1024, 1024 * 1024] {
        assert_is_refused(&server, &get_of(&format!("/{}", "x".repeat(length))), "414");
    }
}

#[test]
fn a_url_that_fits_is_not_blamed_for_its_head() {
    let server = Server::start(NO_LIMITS);
    let line = format!("GET /{} HTTP/1.1\r\n", "x".repeat(15 * 1024));
    assert_is_refused(&server, &format!("{line}x: {}\r\n\r\n", "x".repeat(15 * 1024)), "431");
}

#[test]
fn too_many_headers_are_a_431() {
    let server = Server::start(NO_LIMITS);
    assert_is_refused(&server, &format!("GET / HTTP/1.1\r\n{}\r\n", "x: x\r\n".repeat(101)), "431");
}

#[test]
fn what_is_no_http_is_a_bare_400() {
    let server = Server::start(NO_LIMITS);
    let post = "POST /echo HTTP/1.1\r\nhost: test\r\n";
    for head in [
        "no such thing\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nno header\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost : test\r\n\r\n".to_owned(),
        format!("{post}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        format!("{post}content-length: -1\r\n\r\n"),
        format!("{post}transfer-encoding: gzip\r\n\r\n"),
    ] {
        assert_is_refused(&server, &head, "400");
    }
}

#[test]
fn http_1_0_is_answered_and_closed_unless_it_asks_to_stay() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    peer.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert!(peer.answer().has("connection: keep-alive"));
    peer.send("GET / HTTP/1.0\r\n\r\n");
    let answer = peer.answer();
    assert!(answer.head.starts_with("http/1.0 200"));
    assert_eq!(answer.body, "hello");
    assert_eq!(peer.end(), (Vec::new(), End::Ordinary));
}

#[test]
fn pipelined_requests_are_all_answered_in_order() {
    let server = Server::start(NO_LIMITS);
    let mut peer = server.connect();
    let echo =
        |index: usize| format!("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\n{index:03}");
    let requests: Vec<_> = (0..100).map(|index| [echo(index), get_of("/")].concat()).collect();
    peer.send(requests.concat());
    for index in 0..100 {
        assert_eq!(peer.answer().body, format!("{index:03}"));
        assert_eq!(peer.answer().body, "hello");
    }
    assert_eq!(peer.get("/").status(), "200");
}

#[test]
fn a_connection_lives_on_after_a_head_request_and_after_an_upgrade_that_nobody_makes() {
    let server = Server::start(ConnectionLimits { request_timeout: SECOND, ..NO_LIMITS });
    let mut peer = server.connect();
    peer.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(status(&peer.head()), "200");
    peer.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n");
    assert_eq!(peer.answer().status(), "200");
    // Neither is taken for an open request.
    let begin = Instant::now();
    while begin.elapsed() < 2 * SECOND {
        assert!(peer.hears_nothing());
    }
    assert_eq!(peer.get("/").body, "hello");
}

#[test]
fn a_large_answer_arrives_whole() {
    let server = Server::start(NO_LIMITS);
    assert_eq!(server.connect().get("/large").body.len(), LARGE);
}

// Listener.

#[test]
fn both_families_reach_the_unspecified_ipv6_address() {
    let server = Server::start_on("[::]:0", NO_LIMITS);
    let families: &[&str] =
        if TcpListener::bind("[::1]:0").is_ok() { &["127.0.0.1", "[::1]"] } else { &["127.0.0.1"] };
    for ip in families {
        let address: SocketAddr = format!("{ip}:{}", server.address.port()).parse().unwrap();
        let peer = Peer::connect(address).get("/peer").body;
        assert!(peer.starts_with(&format!("{ip}:")), "{peer}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {address}: the port is taken by another program")
    );
}

#[tokio::test]
async fn a_port_is_free_again_as_soon_as_its_listener_is_dropped() {
    let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    let peer = TcpStream::connect(address).unwrap();
    drop(first);
    assert!(bind(address).is_ok());
    drop(peer);
}

#[track_caller]
fn assert_is_refused(server: &Server, request: &str, expected: &str) {
    let mut peer = server.connect();
    // The server may have said its word before it has all of that.
    peer.try_send(request).ok();
    let answer = peer.answer();
    assert_eq!(answer.status(), expected, "{answer:?}");
    assert_eq!(answer.body, "");
    assert!(answer.has("connection: close"), "{answer:?}");
    assert!(answer.head.contains("\r\ndate: "), "{answer:?}");
}
