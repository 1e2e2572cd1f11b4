//! The allocations of a cached redirect: exactly, so that no more come in unseen.

use std::net::TcpStream;
use std::time::Duration;

use allocation_counter::measure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Builder;

use crate::support::{KEY, Nebulink, stand_in};

/// The URL in `location`, and the new `x-request-id`.
const ALLOCATIONS: u64 = 2;

/// Enough for the buffers of connection and cache, which are made anew now and then, to be the exception.
const REQUESTS: usize = 201;

#[test]
fn a_cached_redirect_on_a_kept_connection_makes_exactly_two_allocations() {
    // Server and client have this thread, and share it with nobody.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (_stand_in, nebulink) = runtime.block_on(async {
        let stand_in = stand_in().await;
        // The second link is the first to be kept as its pattern and its id, as nearly all are.
        for id in ["first", "abc"] {
            stand_in.add_conversation(KEY, id);
        }
        let settings = [("server.workers", "1"), ("log.access", "none")];
        let nebulink = Nebulink::start(&stand_in, &settings).await;
        for target in ["/c/first", "/c/abc"] {
            assert_eq!(nebulink.get(target).await.status, 302);
        }
        (stand_in, nebulink)
    });
    let mut connection = runtime.block_on(async {
        let stream = TcpStream::connect_timeout(&nebulink.address, Duration::from_secs(20)).unwrap();
        stream.set_nonblocking(true).unwrap();
        tokio::net::TcpStream::from_std(stream).unwrap()
    });
    let request =
        b"GET /c/abc HTTP/1.1\r\nhost: go.example.com\r\nuser-agent: a browser\r\naccept: text/html\r\n\r\n";
    let mut answer = [0; 4096];
    let mut counts = Vec::new();
    for _ in 0..REQUESTS {
        let mut length = 0;
        let allocated = measure(|| {
            runtime.block_on(async {
                connection.write_all(request).await.unwrap();
                while !answer[..length].ends_with(b"\r\n\r\n") {
                    length += connection.read(&mut answer[length..]).await.unwrap();
                }
            });
        });
        assert!(answer.starts_with(b"HTTP/1.1 302 Found\r\n"));
        counts.push(allocated.count_total);
    }
    counts.sort_unstable();
    assert_eq!(counts[REQUESTS / 2], ALLOCATIONS, "{counts:?}");
}
