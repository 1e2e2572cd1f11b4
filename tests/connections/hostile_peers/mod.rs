//! Peers that do what no good client does, over real sockets, and what others notice of it: nothing.
//!
//! The attacks are made on nebulink itself, and through proxies that keep their connections to it, because there one
//! client's request follows another's on the same connection.

mod attacks;
mod few_descriptors;
mod hostile;
mod others;
mod program;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::LOAD;
use crate::support::PATIENCE;
use crate::support::proxy::Proxy;
use attacks::Ending;
use others::Others;
use program::{Link, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Hostile peers at once.
const ATTACKERS: usize = 12;

/// Requests of others while two clients send bodies that nobody wants.
const REQUESTS_OF_OTHERS: usize = 20_000;

/// A command of the shell that limits nothing.
const NO_LIMITS: &str = ":";

/// Long for a head, and short for a test.
const SETTINGS: [(&str, &str); 2] =
    [("NEBULINK__SERVER__HEADER_TIMEOUT", "2s"), ("NEBULINK__LOG__ACCESS", "errors")];

/// Makes every attack on this address, each with every ending, while others open links there.
async fn attack_everything(address: SocketAddr, program: &Program, links: &[Link]) {
    let others = Others::start(address, links, usize::MAX);
    let attacks = Arc::new(attacks::all());
    let next = Arc::new(AtomicUsize::new(0));
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        let (attacks, next) = (Arc::clone(&attacks), Arc::clone(&next));
        attackers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(attack) = attacks.get(number / Ending::ALL.len()) else { return };
                let ending = Ending::ALL[number % Ending::ALL.len()];
                let answered = hostile::attack(address, attack, ending).await;
                let answered = String::from_utf8_lossy(&answered);
                assert!(!answered.contains("others-"), "{}: the answer to another: {answered}", attack.name);
            }
        });
    }
    while let Some(attacker) = attackers.join_next().await {
        attacker.unwrap();
    }
    let requests = others.stopped().await;
    println!("{} attacks, {requests} requests of others", attacks.len() * Ending::ALL.len());
    assert!(requests > attacks.len(), "the others were held up");
    assert_eq!(program.process.probe("/livez").await.status, 200);
}

/// Waits until no more than so many connections are open.
async fn settled(program: &Program, connections: f64) {
    let start = Instant::now();
    while program.process.metric("nebulink_connections").await > connections {
        assert!(start.elapsed() < PATIENCE, "connections are left over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_get_their_own_answers_whatever_hostile_peers_send() {
    let _turn = LOAD.write().await;
    let (program, links) = Program::start(NO_LIMITS, &SETTINGS).await;
    attack_everything(program.process.address, &program, &links).await;
    settled(&program, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_get_their_own_answers_through_nginx_whatever_hostile_peers_send() {
    let _turn = LOAD.write().await;
    let (program, links) = Program::start(NO_LIMITS, &SETTINGS).await;
    let Some(nginx) = Proxy::nginx(program.process.address).await else { return };
    attack_everything(nginx.address, &program, &links).await;
    settled(&program, 16.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs haproxy, and nginx stands for it on every change; .ci/weekly runs it"]
async fn others_get_their_own_answers_through_haproxy_whatever_hostile_peers_send() {
    let _turn = LOAD.write().await;
    let (program, links) = Program::start(NO_LIMITS, &SETTINGS).await;
    let Some(haproxy) = Proxy::haproxy(program.process.address).await else { return };
    attack_everything(haproxy.address, &program, &links).await;
    unwanted_bodies(haproxy.address, &links).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_nobody_wants_cost_no_other_request_through_nginx() {
    let _turn = LOAD.write().await;
    let (program, links) = Program::start(NO_LIMITS, &SETTINGS).await;
    let Some(nginx) = Proxy::nginx(program.process.address).await else { return };
    unwanted_bodies(nginx.address, &links).await;
}

/// Two clients send bodies with `GET` on connections that they keep, while others open links.
async fn unwanted_bodies(address: SocketAddr, links: &[Link]) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for sender in 0..2 {
        senders.spawn(send_bodies(address, sender, Arc::clone(&stop)));
    }
    assert_eq!(Others::start(address, links, REQUESTS_OF_OTHERS).finished().await, REQUESTS_OF_OTHERS);
    stop.store(true, Ordering::Relaxed);
    while let Some(sent) = senders.join_next().await {
        println!("{} bodies sent", sent.unwrap());
    }
}

/// Sends bodies of many sizes until it is told to stop, and returns how many.
async fn send_bodies(address: SocketAddr, sender: usize, stop: Arc<AtomicBool>) -> usize {
    let mut sent = 0;
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let body = "x".repeat([1, 500, 20_000, 100_000][(sent + sender) % 4]);
        let head = "GET /c/hostile HTTP/1.1\r\nhost: hostile\r\n";
        let request = match sent % 3 {
            0 => format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            _ => format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
        };
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => TcpStream::connect(address).await.unwrap(),
        };
        let mut answer = Vec::new();
        let exchange = async {
            // The answer may come before the body has been sent.
            let (mut reader, mut writer) = stream.split();
            let _written = tokio::join!(writer.write_all(request.as_bytes()), reader.read_buf(&mut answer));
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("others-"), "the answer to another: {answer}");
        if answer.ends_with("\r\n\r\n") && !answer.to_ascii_lowercase().contains("connection: close") {
            kept = Some(stream);
        }
        sent += 1;
    }
    sent
}
