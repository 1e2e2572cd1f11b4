//! The attacks: heads that are wrong, bodies that nobody wants, requests that two servers read differently.

/// One thing that a hostile peer sends on a connection of its own.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pace: Pace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In one piece.
    AtOnce,
    /// In small pieces with pauses.
    Dripping,
}

/// How a hostile peer goes on when it has sent all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It reads until nothing comes for a while.
    Stays,
    /// It shuts down its side, and reads to the end.
    HalfCloses,
    /// It closes the connection.
    Closes,
    /// It resets the connection.
    Resets,
}

impl Ending {
    pub(crate) const ALL: [Self; 4] = [Self::Stays, Self::HalfCloses, Self::Closes, Self::Resets];
}

/// A request for the attackers' own link.
const GET: &str = "GET /c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n";

/// A whole head but for its end.
const HEAD: &str = "GET /c/hostile HTTP/1.1\r\nhost: hostile\r\n";

/// The same of a request with a method that is not allowed.
const POST: &str = "POST /c/hostile HTTP/1.1\r\nhost: hostile\r\n";

/// All of them. Each is sent with each [`Ending`].
pub(crate) fn all() -> Vec<Attack> {
    let mut all = Vec::new();
    let mut add = |name, bytes: Vec<u8>, pace| all.push(Attack { name, bytes, pace });
    for (name, bytes) in request_lines().into_iter().chain(headers()).chain(bodies()).chain(smuggled()) {
        add(name, bytes, Pace::AtOnce);
    }
    for (name, bytes) in [
        ("a head that drips in", GET.into()),
        ("a head that drips in and does not end", HEAD.into()),
        ("a body that drips in", format!("{POST}content-length: 40\r\n\r\n{}", "x".repeat(40)).into()),
        ("half a body that drips in", format!("{POST}content-length: 400\r\n\r\n{}", "x".repeat(40)).into()),
        (
            "chunks that drip in",
            format!("{POST}transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n").into(),
        ),
    ] {
        add(name, bytes, Pace::Dripping);
    }
    all
}

fn request_lines() -> Vec<(&'static str, Vec<u8>)> {
    let long = "x".repeat(70_000);
    [
        ("nothing", ""),
        ("one request", GET),
        ("half a request line", "GET /c/host"),
        ("half a head", HEAD),
        ("no HTTP", "no such thing\r\n\r\n"),
        ("HTTP/0.9", "GET /c/hostile\r\n\r\n"),
        ("HTTP/1.0", "GET /c/hostile HTTP/1.0\r\n\r\n"),
        ("HTTP/1.0, kept", "GET /c/hostile HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"),
        ("HTTP/9.9", "GET /c/hostile HTTP/9.9\r\nhost: hostile\r\n\r\n"),
        ("lower case", "get /c/hostile http/1.1\r\nhost: hostile\r\n\r\n"),
        ("two spaces", "GET  /c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("four words", "GET /c/hostile HTTP/1.1 more\r\nhost: hostile\r\n\r\n"),
        ("a tab", "GET\t/c/hostile\tHTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("empty lines before", "\r\n\r\n\r\nGET /c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("bare LF", "GET /c/hostile HTTP/1.1\nhost: hostile\n\n"),
        ("bare CR", "GET /c/hostile HTTP/1.1\rhost: hostile\r\r"),
        ("NUL in the target", "GET /c/hos\0tile HTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("an absolute target", "GET http://evil.example/c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("two slashes", "GET //evil.example/c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\nxxxx"),
        ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("a method of its own", "BREW /c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d\0\x04\0\x01\0\0\0\x02\0\0\0\0"),
        ("TLS", "\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03"),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.into()))
    .chain([
        ("bytes that are not ASCII", b"GET /c/\xff\xfe HTTP/1.1\r\nhost: hostile\r\n\r\n".to_vec()),
        ("a long target", format!("GET /c/{long} HTTP/1.1\r\nhost: hostile\r\n\r\n").into()),
        ("a long method", format!("{long} /c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n").into()),
        ("a line without end", long.clone().into()),
        ("50 requests at once", GET.repeat(50).into()),
        ("50 requests of many kinds at once", many_kinds().repeat(10).into()),
    ])
    .collect()
}

/// Five requests: hit, not found, without a body, unwanted body, wrong method.
fn many_kinds() -> String {
    format!(
        "{GET}GET /nowhere HTTP/1.1\r\nhost: hostile\r\n\r\nHEAD /c/hostile HTTP/1.1\r\nhost: hostile\r\n\r\n\
         {HEAD}content-length: 5\r\n\r\nabcde{POST}content-length: 5\r\n\r\nabcde"
    )
}

fn headers() -> Vec<(&'static str, Vec<u8>)> {
    let long = "x".repeat(70_000);
    [
        ("no host", "GET /c/hostile HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", format!("{HEAD}host: other\r\n\r\n")),
        ("no colon", format!("{HEAD}no colon\r\n\r\n")),
        ("an empty name", format!("{HEAD}: x\r\n\r\n")),
        ("a space before the colon", format!("{HEAD}x : x\r\n\r\n")),
        ("a folded line", format!("{HEAD}x: a\r\n b\r\n\r\n")),
        ("a folded length", format!("{HEAD}content-length:\r\n 5\r\n\r\nabcde")),
        ("NUL in a header", format!("{HEAD}x: a\0b\r\n\r\n")),
        ("bare CR in a header", format!("{HEAD}x: a\rcontent-length: 5\r\n\r\nabcde")),
        ("bare LF between headers", format!("{HEAD}x: a\ncontent-length: 5\r\n\r\nabcde")),
        ("200 headers", format!("{HEAD}{}\r\n", "x: x\r\n".repeat(200))),
        ("a long header", format!("{HEAD}x: {long}\r\n\r\n")),
        ("headers without end", format!("{HEAD}{}", "x: x\r\n".repeat(8_000))),
        ("an upgrade to websocket", format!("{HEAD}connection: upgrade\r\nupgrade: websocket\r\n\r\n\x01\x02\x03")),
        ("an upgrade to h2c", format!("{HEAD}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n")),
        ("connection: close", format!("{HEAD}connection: close\r\n\r\n{GET}")),
        ("connection: close, keep-alive", format!("{HEAD}connection: close, keep-alive\r\n\r\n{GET}")),
        ("an expectation without a body", format!("{HEAD}expect: 100-continue\r\n\r\n")),
        ("an expectation that nobody knows", format!("{HEAD}expect: something\r\ncontent-length: 5\r\n\r\nabcde")),
        ("two lengths", format!("{HEAD}content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef")),
        ("twice the same length", format!("{HEAD}content-length: 5\r\ncontent-length: 5\r\n\r\nabcde")),
        ("lengths in a list", format!("{HEAD}content-length: 5, 5\r\n\r\nabcde")),
        ("a negative length", format!("{HEAD}content-length: -1\r\n\r\nabcde")),
        ("a signed length", format!("{HEAD}content-length: +5\r\n\r\nabcde")),
        ("a hexadecimal length", format!("{HEAD}content-length: 0x5\r\n\r\nabcde")),
        ("a huge length", format!("{HEAD}content-length: 99999999999999999999999\r\n\r\nabcde")),
        ("a length of many terabytes", format!("{HEAD}content-length: 9223372036854775807\r\n\r\nabcde")),
        ("two encodings", format!("{HEAD}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n")),
        ("an unknown encoding", format!("{HEAD}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n")),
        ("gzip", format!("{HEAD}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        ("an encoding with a vertical tab", format!("{HEAD}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n")),
        ("a space behind the encoding's name", format!("{HEAD}transfer-encoding : chunked\r\n\r\n0\r\n\r\n")),
        ("an encoding of HTTP/1.0", "GET /c/hostile HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.into()))
    .collect()
}

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let mut bodies = Vec::new();
    let mut add = |name: &'static str, text: String| bodies.push((name, text.into_bytes()));
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "BREW"] {
        let head = format!("{method} /c/hostile HTTP/1.1\r\nhost: hostile\r\n");
        for length in [1, 20_000, 100_000] {
            let body = "x".repeat(length);
            add("a body with a length", format!("{head}content-length: {length}\r\n\r\n{body}{GET}"));
            add(
                "a body in a chunk",
                format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n{GET}"),
            );
        }
        add("half a body", format!("{head}content-length: 10\r\n\r\nabcde"));
        add("half a large body", format!("{head}content-length: 100000\r\n\r\n{}", "x".repeat(50_000)));
        add("a body that waits", format!("{head}expect: 100-continue\r\ncontent-length: 5\r\n\r\n"));
        add(
            "a body that does not wait",
            format!("{head}expect: 100-continue\r\ncontent-length: 5\r\n\r\nabcde{GET}"),
        );
    }
    let head = format!("{POST}transfer-encoding: chunked\r\n\r\n");
    for (name, chunks) in [
        ("no chunk", "no chunk\r\n".to_owned()),
        ("a huge chunk", "FFFFFFFFFFFFFFFF\r\nabcde".to_owned()),
        ("a chunk of too many digits", "10000000000000005\r\nabcde\r\n0\r\n\r\n".to_owned()),
        ("a negative chunk", "-5\r\nabcde\r\n0\r\n\r\n".to_owned()),
        ("a chunk with an extension", format!("5;a=b\r\nabcde\r\n0;c=d\r\n\r\n{GET}")),
        ("a chunk with a long extension", format!("5;{}\r\nabcde\r\n0\r\n\r\n{GET}", "x".repeat(40_000))),
        ("a bare LF in an extension", format!("5;a\nb\r\nabcde\r\n0\r\n\r\n{GET}")),
        ("a chunk that is too short", "5\r\nabc\r\n0\r\n\r\n".to_owned()),
        ("a chunk that is too long", format!("5\r\nabcdefgh\r\n0\r\n\r\n{GET}")),
        ("chunks with bare LF", format!("5\nabcde\n0\n\n{GET}")),
        ("trailers", format!("5\r\nabcde\r\n0\r\nx: y\r\ncontent-length: 5\r\n\r\n{GET}")),
        ("trailers without end", format!("5\r\nabcde\r\n0\r\n{}", "x: y\r\n".repeat(5_000))),
        ("many small chunks", format!("{}0\r\n\r\n{GET}", "1\r\nx\r\n".repeat(5_000))),
        ("no last chunk", "5\r\nabcde\r\n".to_owned()),
        ("garbage behind the last chunk", "5\r\nabcde\r\n0\r\n\r\ngarbage\r\n\r\n".to_owned()),
    ] {
        add(name, format!("{head}{chunks}"));
    }
    bodies
}

/// Requests in which one server may see the end of a request where another one sees its body.
fn smuggled() -> Vec<(&'static str, Vec<u8>)> {
    let inner = "GET /c/hostile-smuggled HTTP/1.1\r\nhost: hostile\r\nx: ";
    let chunked = format!("0\r\n\r\n{inner}");
    let sized = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    [
        ("a request as a body", format!("{HEAD}content-length: {}\r\n\r\n{GET}", GET.len())),
        ("a beginning as a body", format!("{HEAD}content-length: {}\r\n\r\n{inner}", inner.len())),
        ("a beginning behind a body", format!("{POST}content-length: 5\r\n\r\nabcde{inner}")),
        ("length before encoding", format!("{POST}content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}", chunked.len())),
        ("encoding before length", format!("{POST}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n{sized}")),
        ("a hidden encoding", format!("{POST}content-length: {}\r\ntransfer-encoding:\tchunked\r\n\r\n{chunked}", chunked.len())),
        ("an encoding behind a bare LF", format!("{POST}content-length: {}\r\nx: y\ntransfer-encoding: chunked\r\n\r\n{chunked}", chunked.len())),
        ("an encoding with a quote", format!("{POST}content-length: {}\r\ntransfer-encoding: \"chunked\"\r\n\r\n{chunked}", chunked.len())),
        ("encodings in two lines", format!("{POST}content-length: {}\r\ntransfer-encoding: x\r\ntransfer-encoding: chunked\r\n\r\n{chunked}", chunked.len())),
        ("no length at all", format!("{POST}\r\n{inner}")),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.into()))
    .collect()
}
