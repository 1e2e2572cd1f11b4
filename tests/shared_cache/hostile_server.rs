//! A server that sends what no Redis sends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// The answer to the client's two `CLIENT SETINFO` before an attack.
const LOGIN: &[u8] = b"+OK\r\n+OK\r\n";

/// How much is sent on a connection at most, so that a client without a bound ends a test instead of the machine.
const MOST: usize = 500_000_000;

/// How many bytes are sent at once.
const PIECE: usize = 64 * 1024;

/// A way to take a client's memory or time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attack {
    /// A value of 500 MB.
    HugeValue,
    /// The same in answer to the login.
    HugeLogin,
    /// A text without an end.
    EndlessLine,
    /// An array with as many numbers as fit into 500 MB.
    EndlessArray,
    /// An array in an array in an array.
    Nesting,
    /// Messages of a channel that nobody subscribed to.
    Pushes,
    /// Good answers to nothing.
    Unasked,
    /// A byte of a value now and then.
    Trickle,
}

impl Attack {
    pub(crate) const ALL: [Self; 8] = [
        Self::HugeValue,
        Self::HugeLogin,
        Self::EndlessLine,
        Self::EndlessArray,
        Self::Nesting,
        Self::Pushes,
        Self::Unasked,
        Self::Trickle,
    ];

    /// How it begins, and what is repeated then.
    const fn bytes(self) -> (&'static str, &'static str) {
        match self {
            Self::HugeValue | Self::HugeLogin => ("$500000000\r\n", "x"),
            Self::EndlessLine => ("+", "x"),
            Self::EndlessArray => ("*500000000\r\n", ":1\r\n"),
            Self::Nesting => ("", "*1\r\n"),
            Self::Pushes => ("", ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n"),
            Self::Unasked => ("", "+OK\r\n"),
            Self::Trickle => ("$8000\r\n", "x"),
        }
    }

    /// Runs until the client has closed the connection.
    async fn run(self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut received = [0; 4096];
        let (beginning, repeated) = self.bytes();
        // The client's login, and then its first question; that something came is enough.
        let _some = stream.read(&mut received).await?;
        if !matches!(self, Self::HugeLogin) {
            stream.write_all(LOGIN).await?;
            let _some = stream.read(&mut received).await?;
        }
        stream.write_all(beginning.as_bytes()).await?;
        if matches!(self, Self::Trickle) {
            loop {
                stream.write_all(repeated.as_bytes()).await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let piece = repeated.repeat(PIECE / repeated.len());
        for _ in 0..MOST / piece.len() {
            stream.write_all(piece.as_bytes()).await?;
        }
        while stream.read(&mut received).await? > 0 {}
        Ok(())
    }
}

/// Attacks each connection, until it is told to pass them on to a real server.
pub(crate) struct HostileServer {
    url: String,
    state: Arc<State>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct State {
    attack: Mutex<Option<Attack>>,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl HostileServer {
    /// One before an honest server on this port of loopback. It is honest at first.
    pub(crate) async fn before(honest: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let attack = *state.attack.lock().unwrap();
                    if let Some(attack) = attack {
                        state.begun.fetch_add(1, Ordering::SeqCst);
                        drop(attack.run(&mut stream).await);
                        state.ended.fetch_add(1, Ordering::SeqCst);
                    } else {
                        let mut honest = TcpStream::connect(("127.0.0.1", honest)).await.unwrap();
                        drop(tokio::io::copy_bidirectional(&mut stream, &mut honest).await);
                    }
                });
            }
        });
        Self { url, state, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// The URL of the shared cache.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Attacks every client that connects from now on.
    pub(crate) fn attack_by(&self, attack: Attack) {
        *self.state.attack.lock().unwrap() = Some(attack);
        self.state.begun.store(0, Ordering::SeqCst);
        self.state.ended.store(0, Ordering::SeqCst);
    }

    /// From now on, new connections are those of the honest server.
    pub(crate) fn be_honest(&self) {
        *self.state.attack.lock().unwrap() = None;
    }

    /// How many connections were attacked in this way.
    pub(crate) fn attacks(&self) -> usize {
        self.state.begun.load(Ordering::SeqCst)
    }

    /// How many of them are still open.
    pub(crate) fn running(&self) -> usize {
        self.attacks() - self.state.ended.load(Ordering::SeqCst)
    }
}
