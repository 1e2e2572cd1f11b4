//! Few file descriptors, and peers that hold as many connections as they can.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::program::Program;
use crate::LOAD;
use crate::support::{raise_file_limit, request};

/// Idle connections to an address, more than may be open there.
struct Crowd(Vec<TcpStream>);

impl Crowd {
    async fn grow(&mut self, address: SocketAddr, by: usize) {
        for _ in 0..by {
            self.0.push(TcpStream::connect(address).await.unwrap());
        }
    }
}

#[tokio::test]
async fn probes_links_and_calls_go_on_when_idle_connections_take_all_descriptors_that_they_can() {
    let _turn = LOAD.write().await;
    raise_file_limit();
    for limit in [300_u32, 1024] {
        let (program, links) = Program::start(&format!("ulimit -n {limit}"), &[]).await;
        let mut crowd = Crowd(Vec::new());
        crowd.grow(program.process.address, limit as usize + 50).await;
        for (round, link) in links.iter().take(30).enumerate() {
            for path in ["/livez", "/readyz", "/metrics"] {
                assert_eq!(program.process.probe(path).await.status, 200, "{path} with {limit}");
            }
            let answer = request(program.process.address, "GET", &link.target, &[]).await;
            assert_eq!(answer.header("location"), Some(link.location.as_str()), "{answer:?}");
            // Nebuly says so, on a new connection to it or a kept one.
            let answer = request(program.process.address, "GET", &format!("/c/unknown-{round}"), &[]).await;
            assert_eq!(answer.status, 404, "{answer:?}");
            crowd.grow(program.process.address, 10).await;
        }
        let open = program.process.metric("nebulink_connections").await;
        assert!((50.0..f64::from(limit)).contains(&open), "{open} with {limit}");
    }
}

/// A large crowd on the management listener is bounded, too.
#[tokio::test]
async fn a_crowd_on_the_management_listener_takes_nothing_from_the_public_one() {
    let _turn = LOAD.write().await;
    raise_file_limit();
    let (program, links) = Program::start("ulimit -n 300", &[]).await;
    let mut crowd = Crowd(Vec::new());
    crowd.grow(program.process.management, 350).await;
    for (round, link) in links.iter().take(30).enumerate() {
        assert_eq!(program.process.probe("/livez").await.status, 200);
        let answer = request(program.process.address, "GET", &link.target, &[]).await;
        assert_eq!(answer.header("location"), Some(link.location.as_str()), "{answer:?}");
        let answer = request(program.process.address, "GET", &format!("/c/unknown-{round}"), &[]).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        crowd.grow(program.process.management, 10).await;
    }
}
