//! A collector whose answers the test chooses, and one that is not there.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Reads one request; its head is returned in lower case.
pub(crate) async fn read_one(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    let head = loop {
        let read = stream.read_buf(&mut request).await.unwrap();
        let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let whole = head.split_once("\r\n\r\n").and_then(|(head, _)| {
            let length = head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
            Some((head.len() + 4 + length, head.to_owned()))
        });
        match whole {
            Some((length, head)) if request.len() >= length => break head,
            _ => assert_ne!(read, 0, "{head}"),
        }
    };
    (stream, head)
}

/// Answers a request with this status, and further headers behind it.
pub(crate) async fn answer(mut stream: TcpStream, status: &str) {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Takes all that comes.
pub(crate) async fn take_all(listener: TcpListener) {
    loop {
        let (stream, _) = read_one(&listener).await;
        answer(stream, "200 OK").await;
    }
}

/// An address of loopback where nobody listens, and where nobody else can as long as the socket is there.
pub(crate) fn closed_address() -> (Socket, SocketAddr) {
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = closed.local_addr().unwrap().as_socket().unwrap();
    (closed, address)
}
