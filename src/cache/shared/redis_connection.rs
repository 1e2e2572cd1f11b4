//! The one connection to the server, made when it is needed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select_ok;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, ServerError, Value,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::reply_limit::{OwedReplies, ReplyLimit};

/// How long making a connection may take, name resolution, TLS and login included. No caller waits that long: it goes
/// on behind them, so that a server too far away to connect within a caller's patience is reached all the same.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many commands may wait to be sent. More than are ever let in at once, so that nobody waits for a place.
const QUEUE: usize = 4096;

/// How many replies logging in brings at most: to `AUTH`, `SELECT` and two `CLIENT SETINFO`, and once more without the
/// user for an old server.
const LOGIN_REPLIES: usize = 8;

/// The server, and how to log in there.
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
    /// User, password and database. Its protocol must be RESP2.
    pub(super) login: RedisConnectionInfo,
}

/// TLS to one server.
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    /// The name in the server's certificate.
    pub(super) server: ServerName<'static>,
}

/// A connection that all callers share, and that is made again when it was lost.
pub(super) struct Line {
    address: Arc<Address>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Attempt>,
    /// How many there have been.
    attempts: u64,
}

/// A connection that is being made, or was.
#[derive(Clone)]
struct Attempt {
    number: u64,
    outcome: watch::Receiver<Outcome>,
}

#[derive(Clone)]
enum Outcome {
    Pending,
    Ready(Client),
    Failed(Fault),
}

/// A Redis client on an open connection. The connection ends with its last clone.
#[derive(Clone)]
struct Client {
    multiplexed: MultiplexedConnection,
    owed: OwedReplies,
    _open: Arc<DropGuard>,
}

/// What moves bytes for a client; to be run until the client is gone.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection for one exchange.
pub(super) struct Connection {
    client: Client,
    pub(super) number: u64,
    /// Whether it was there already, so that its server had the caller's whole time to answer.
    pub(super) was_ready: bool,
}

/// Why the server gave no answer, in words for the log: nothing that the server itself wrote, which might repeat a
/// password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl Line {
    /// A line that connects when it is first used.
    pub(super) fn new(address: Address) -> Self {
        Self { address: Arc::new(address), state: Mutex::default() }
    }

    /// The connection, or the next one. It goes on being made when its caller goes away. Needs a tokio runtime.
    pub(super) async fn connection(&self) -> Result<Connection, Fault> {
        let Attempt { number, mut outcome } = self.attempt();
        let was_ready = matches!(&*outcome.borrow(), Outcome::Ready(_));
        let made = outcome.wait_for(|outcome| !matches!(outcome, Outcome::Pending)).await;
        match made.as_deref() {
            Ok(Outcome::Ready(client)) => Ok(Connection { client: client.clone(), number, was_ready }),
            Ok(Outcome::Failed(fault)) => Err(fault.clone()),
            Ok(Outcome::Pending) | Err(_) => Err(Fault("connecting was given up".to_owned())),
        }
    }

    /// Lets go of the connection with this number, unless it was replaced already. The next caller makes another.
    pub(super) fn discard(&self, number: u64) {
        let mut state = self.state();
        if state.current.as_ref().is_some_and(|attempt| attempt.number == number) {
            state.current = None;
        }
    }

    /// The attempt that is going on or has succeeded, else a new one.
    fn attempt(&self) -> Attempt {
        let mut state = self.state();
        if let Some(attempt) = state.current.as_ref().filter(|attempt| attempt.is_of_use()) {
            return attempt.clone();
        }
        let (report, outcome) = watch::channel(Outcome::Pending);
        let address = Arc::clone(&self.address);
        drop(tokio::spawn(async move {
            let made = tokio::time::timeout(CONNECT_TIMEOUT, address.connect());
            let made = made.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            let (outcome, driver) = match made {
                Ok((client, driver)) => (Outcome::Ready(client), Some(driver)),
                Err(error) => (Outcome::Failed(Fault::from(&error)), None),
            };
            report.send_replace(outcome);
            // It would keep the client, and the client the driver.
            drop(report);
            if let Some(driver) = driver {
                driver.await;
            }
        }));
        state.attempts += 1;
        let number = state.attempts;
        state.current.insert(Attempt { number, outcome }).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Sends commands in one go, and waits for the replies to all of them.
    pub(super) async fn send(&mut self, commands: &Pipeline) -> Result<Vec<Value>, Fault> {
        self.client.owed.fetch_add(commands.len(), Ordering::Relaxed);
        commands.query_async(&mut self.client.multiplexed).await.map_err(|error| Fault::from(&error))
    }
}

impl Address {
    /// Connects and logs in. Needs a tokio runtime.
    async fn connect(&self) -> Result<(Client, Driver), RedisError> {
        let addresses = lookup_host((self.host.as_str(), self.port)).await?;
        let attempts: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
        if attempts.is_empty() {
            return Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into());
        }
        // One of two address families may lead nowhere.
        let (stream, _) = select_ok(attempts).await?;
        // Commands are small and wait for nothing.
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => self.log_in(tls.connector.connect(tls.server.clone(), stream).await?).await,
            None => self.log_in(stream).await,
        }
    }

    async fn log_in<S>(&self, stream: S) -> Result<(Client, Driver), RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let owed = OwedReplies::new(AtomicUsize::new(LOGIN_REPLIES));
        let stream = ReplyLimit::new(stream, Arc::clone(&owed));
        let (multiplexed, driver) =
            MultiplexedConnection::new_with_config(&self.login, stream, options()).await?;
        let open = CancellationToken::new();
        let closed = open.clone();
        // By itself it would wait for replies that nobody waits for any more.
        let driver = async move { closed.run_until_cancelled(driver).await.unwrap_or(()) };
        Ok((Client { multiplexed, owed, _open: Arc::new(open.drop_guard()) }, Box::pin(driver)))
    }
}

impl Attempt {
    fn is_of_use(&self) -> bool {
        let is_over = self.outcome.has_changed().is_err();
        match &*self.outcome.borrow() {
            Outcome::Pending => !is_over,
            Outcome::Ready(_) => true,
            Outcome::Failed(_) => false,
        }
    }
}

impl From<&RedisError> for Fault {
    fn from(error: &RedisError) -> Self {
        match error.kind() {
            // Written by this machine: the system, or the TLS library.
            ErrorKind::Io => Self(error.to_string()),
            kind => Self(format!("{kind:?}")),
        }
    }
}

impl From<&ServerError> for Fault {
    fn from(error: &ServerError) -> Self {
        // Codes that the library knows; any other is the server's own text.
        Self(error.kind().map_or_else(|| "the server refused".to_owned(), |kind| format!("{kind:?}")))
    }
}

/// Callers bring their own time limit.
fn options() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE)
}
