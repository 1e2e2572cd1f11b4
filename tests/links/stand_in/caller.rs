//! How the tests call the stand-in.

use std::io;
use std::time::Duration;

use nebulink::demo::{StandIn, StandInProject};
use reqwest::{Client, RequestBuilder, Response, redirect};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

/// The key of the only project in most tests.
pub(crate) const KEY: &str = "key-of-the-first-project";

/// An interaction that is there in most tests.
pub(crate) const KNOWN: Uuid = Uuid::from_u128(0x11111111_2222_4333_8444_555555555555);

/// Far longer than anything here takes on a loaded machine; a test that reaches it has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A stand-in with one project that has one interaction.
pub(crate) async fn stand_in() -> StandIn {
    let stand_in = StandIn::start().await.unwrap();
    stand_in.add_project(StandInProject::new(KEY, "project-1", "organization-1"));
    stand_in.add_interaction(KEY, KNOWN);
    stand_in
}

/// A client that follows nothing and knows no proxy.
pub(crate) fn client() -> Client {
    // A second test of the same process finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .tls_certs_only([])
        .timeout(BOUND)
        .build()
        .unwrap()
}

/// A call with the key.
pub(crate) fn get(stand_in: &StandIn, path: &str) -> RequestBuilder {
    client().get(format!("{}{path}", stand_in.api_base_url())).bearer_auth(KEY)
}

/// A call for the known interaction.
pub(crate) fn get_known(stand_in: &StandIn) -> RequestBuilder {
    get(stand_in, &format!("/deeplinks/interaction/{KNOWN}"))
}

/// A call with the key and a JSON body.
pub(crate) fn post(stand_in: &StandIn, path: &str, body: &Value) -> RequestBuilder {
    client().post(format!("{}{path}", stand_in.api_base_url())).bearer_auth(KEY).body(body.to_string())
}

/// Sends the call; the status and the body as JSON.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

/// Sends the call; the status alone.
pub(crate) async fn status(request: RequestBuilder) -> u16 {
    request.send().await.map(|response: Response| response.status().as_u16()).unwrap()
}

/// A connection of its own, after a call for the known interaction.
pub(crate) async fn connect_and_ask(stand_in: &StandIn) -> TcpStream {
    let mut socket = TcpStream::connect(stand_in.address()).await.unwrap();
    ask(&mut socket, &format!("/api/external/deeplinks/interaction/{KNOWN}")).await;
    socket
}

/// Sends a call byte for byte, with a target that no client would send.
pub(crate) async fn ask(socket: &mut TcpStream, target: &str) {
    let head = format!("GET {target} HTTP/1.1\r\nhost: nebuly\r\nauthorization: Bearer {KEY}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
}

/// Reads what comes at once on an open connection: a small answer.
pub(crate) async fn read_answer(socket: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let size = tokio::time::timeout(BOUND, socket.read(&mut bytes)).await.unwrap().unwrap();
    bytes.truncate(size);
    String::from_utf8(bytes).unwrap()
}

/// All that comes until the other side closes, and how it closed.
pub(crate) async fn read_to_end(socket: &mut TcpStream) -> (String, io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = tokio::time::timeout(BOUND, socket.read_to_end(&mut bytes)).await.unwrap();
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// Waits until a condition holds that no event announces.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(BOUND, wait).await.unwrap();
}
