//! `nebulink resolve --server URL`, in front of the production router and of servers that are none of ours.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use http::StatusCode;
use nebulink::demo::{Fault, Matching, StandIn, StandInItem};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::{Run, UUID, run};
use crate::support::{KEY, Nebulink, stand_in};

/// A redirect of nebulink's to this location.
fn redirect(location: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncache-status: nebulink; hit\r\ncontent-length: 0\r\n\
         connection: close\r\n\r\n"
    )
}

async fn ask(server: &str, arguments: &[&str], input: &[u8]) -> Run {
    let arguments: Vec<_> =
        ["--server", server].into_iter().chain(arguments.iter().copied()).map(str::to_owned).collect();
    let input = input.to_vec();
    let running = tokio::task::spawn_blocking(move || {
        run(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &input)
    });
    running.await.unwrap()
}

fn conversation(stand_in: &StandIn, id: &str) -> String {
    stand_in.url_of(KEY, StandInItem::from(id))
}

/// A server that answers every request with these bytes.
fn answering(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    format!("http://{}", serving(move |stream| drop(stream.write_all(&answer))))
}

/// A server that does this once a request's head has come.
fn serving(answer: impl Fn(&mut dyn Stream) + Send + 'static) -> SocketAddr {
    listening(move |mut socket| {
        read_head(&mut socket);
        answer(&mut socket);
    })
}

fn listening(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|socket| serve(socket.unwrap())));
    address
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

fn read_head(stream: &mut dyn Stream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
}

#[tokio::test]
async fn each_url_is_printed_in_the_order_of_the_ids() {
    let stand_in = stand_in().await;
    let ids = ["a", "b c", "d/e&f#g+h", "100%", "%2f", "ünï", "-d", "a"];
    for id in ids {
        stand_in.add_conversation(KEY, id);
    }
    stand_in.add_interaction(KEY, UUID.parse().unwrap());
    let nebulink = Nebulink::start(&stand_in, &[]).await;
    let server = format!("http://{}", nebulink.address);

    let mut arguments = vec!["conversation", "--"];
    arguments.extend(ids);
    let found = ask(&server, &arguments, b"").await;
    assert_eq!((found.code, found.errors.as_str()), (0, ""));
    let urls: Vec<_> = found.output.lines().map(str::to_owned).collect();
    assert_eq!(urls, ids.map(|id| conversation(&stand_in, id)));

    let interaction = ask(&server, &["interaction", &UUID.to_uppercase()], b"").await;
    let url = stand_in.url_of(KEY, StandInItem::from(UUID.parse::<Uuid>().unwrap()));
    assert_eq!((interaction.code, interaction.output), (0, format!("{url}\n")));
}

#[tokio::test]
async fn ids_may_come_from_standard_input_and_a_server_may_lie_below_a_path() {
    let stand_in = stand_in().await;
    let (mut input, mut expected) = (String::new(), String::new());
    for number in 0..60 {
        let id = format!("id {number}");
        stand_in.add_conversation(KEY, &id);
        writeln!(input, "{id}").unwrap();
        writeln!(expected, "{}", conversation(&stand_in, &id)).unwrap();
    }
    let nebulink = Nebulink::start(&stand_in, &[("server.base_path", "/tools/links")]).await;
    for slash in ["", "/"] {
        let server = format!("http://{}/tools/links{slash}", nebulink.address);
        let found = ask(&server, &["conversation", "-"], input.as_bytes()).await;
        assert_eq!((found.code, found.errors.as_str()), (0, ""));
        assert_eq!(found.output, expected);
    }
    assert_eq!(stand_in.calls().len(), 60);
}

#[tokio::test]
async fn what_has_no_url_is_named_in_the_servers_words_while_the_others_are_printed() {
    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "a");
    stand_in.set_fault_for(Matching::id("broken"), Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let nebulink = Nebulink::start(&stand_in, &[("redirect.on_outage", "error")]).await;
    let server = format!("http://{}", nebulink.address);
    let found = ask(&server, &["conversation", "gone\u{1b}", "nothing", "a", "broken", ""], b"").await;
    assert_eq!((found.code, found.output), (1, format!("{}\n", conversation(&stand_in, "a"))));
    let errors: Vec<_> = found.errors.lines().collect();
    let [control, unknown, broken, empty] = errors[..] else { panic!("{errors:?}") };
    assert!(control.starts_with(r#"nebulink: "gone\u{1b}": This request is not valid: "#), "{control}");
    assert!(unknown.starts_with(r#"nebulink: "nothing": Not in Nebuly yet: "#), "{unknown}");
    assert!(broken.starts_with(r#"nebulink: "broken": "#), "{broken}");
    assert!(empty.starts_with(r#"nebulink: "": This request is not valid: "#), "{empty}");
}

#[tokio::test]
async fn a_redirect_that_is_not_nebulinks_is_not_taken_for_the_link() {
    let login = "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlogin";
    for answer in [login, page] {
        let found = ask(&answering(answer), &["conversation", "a"], b"").await;
        assert_eq!((found.code, found.output.as_str()), (1, ""));
        assert!(found.errors.contains("does a login stand before it?"), "{}", found.errors);
    }
}

#[tokio::test]
async fn no_byte_of_a_server_moves_the_cursor() {
    let title = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n\
        {\"title\": \"\\u001b[31mred\\n\\u202e\"}";
    let found = ask(&answering(title), &["conversation", "a"], b"").await;
    assert_eq!(found.errors, "nebulink: \"a\": \\u{1b}[31mred\\n\\u{202e}\n");
    for location in
        ["https://any.example/\u{1b}[31m", "https://any.example/ü", "javascript:alert(1)", "/login"]
    {
        let found = ask(&answering(redirect(location)), &["conversation", "a"], b"").await;
        assert_eq!((found.code, found.output.as_str()), (1, ""), "{location}");
        assert!(found.errors.is_ascii() && !found.errors.contains('\u{1b}'), "{}", found.errors);
    }
    let endless =
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n\
        {\"title\": \""
            .to_owned()
            + &"x".repeat(1 << 20);
    let found = ask(&answering(endless), &["conversation", "a"], b"").await;
    assert_eq!(found.code, 1);
    assert!(found.errors.len() < 1000, "{}", found.errors.len());
}

#[tokio::test]
async fn a_server_that_does_not_answer_ends_it() {
    // Bound, so that nobody else gets the port, but not listening.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = closed.local_addr().unwrap().as_socket().unwrap();
    let ids = "id\n".repeat(1000);
    let unreachable = ask(&format!("http://{address}"), &["conversation", "-"], ids.as_bytes()).await;
    assert_eq!((unreachable.code, unreachable.output.as_str()), (1, ""));
    assert!(unreachable.errors.starts_with("nebulink: \"id\": no connection: "), "{}", unreachable.errors);
    assert!(unreachable.errors.contains("given up") && unreachable.errors.lines().count() < 50);

    let (ended, end) = std::sync::mpsc::channel::<()>();
    let silent = serving(move |_| {
        // Holds the connection until the caller has gone.
        let _ended = end.recv();
    });
    let late = ask(&format!("http://{silent}"), &["conversation", "a", "--timeout", "200ms"], b"").await;
    drop(ended);
    assert_eq!((late.code, late.errors.as_str()), (1, "nebulink: \"a\": no answer in time\n"));
}

#[tokio::test]
async fn a_servers_certificate_has_to_be_signed_by_whom_the_caller_trusts() {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let config = Arc::new(config);
    let address = listening(move |socket| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        read_head(&mut stream);
        drop(stream.write_all(redirect("https://any.example/x").as_bytes()));
        stream.conn.send_close_notify();
        drop(stream.flush());
    });
    let server = format!("https://localhost:{}", address.port());

    let unknown = ask(&server, &["conversation", "a"], b"").await;
    assert_eq!((unknown.code, unknown.output.as_str()), (1, ""));
    assert!(unknown.errors.contains("certificate"), "{}", unknown.errors);
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certificate.pem().as_bytes()).unwrap();
    let known = ask(&server, &["conversation", "a", "--ca-file", file.path().to_str().unwrap()], b"").await;
    assert_eq!((known.code, known.output.as_str()), (0, "https://any.example/x\n"), "{}", known.errors);
    let none = NamedTempFile::new().unwrap();
    let none = ask(&server, &["conversation", "a", "--ca-file", none.path().to_str().unwrap()], b"").await;
    assert!(none.code == 2 && none.errors.contains("no usable certificate"), "{}", none.errors);
}
