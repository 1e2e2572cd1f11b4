//! A connection that is kept, as browsers and proxies keep theirs.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Answer, PATIENCE, parse};

/// One connection, for one request after the other. It is opened anew only where the answer before said so.
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Connection {
    /// A connection to this address, opened with its first request.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends `GET` with this target and these headers, byte for byte, and reads exactly its answer.
    pub async fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> Answer {
        let lines: String = headers.iter().flat_map(|&(name, value)| [name, ": ", value, "\r\n"]).collect();
        let head = format!("GET {target} HTTP/1.1\r\nhost: go.example.com\r\n{lines}\r\n");
        tokio::time::timeout(PATIENCE, self.exchange(&head)).await.expect("no answer in time")
    }

    async fn exchange(&mut self, head: &str) -> Answer {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.unwrap(),
        };
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        let answer = loop {
            assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "closed within an answer: {head}");
            let text = std::str::from_utf8(&received).unwrap();
            if !text.contains("\r\n\r\n") {
                continue;
            }
            let answer = parse(text);
            let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            if answer.body.len() >= length {
                assert_eq!(answer.body.len(), length, "{answer:?}");
                break answer;
            }
        };
        if answer.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        answer
    }
}
