//! The one connection to Redis, made lazily and made again when it was lost.
//!
//! We do not use redis' own `ConnectionManager`: it opens its sockets itself, so no [`ReplyLimit`] fits beneath it, and a
//! server could fill our memory with one reply. Nor does it replace a connection that no longer answers, or log in again
//! after a refused login; [`RedisConnector`] does both.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::select_ok;
use parking_lot::Mutex;
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

/// The timeout of connecting, with name resolution, TLS and login. No caller waits that long: connecting goes on in the
/// background, so that a server too far away to connect within a caller's timeout is reached all the same.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most commands that may wait to be sent: more than are ever in flight, so that nobody waits to enter the queue.
const QUEUE: usize = 4096;

/// The most replies that logging in brings: to `AUTH`, `SELECT` and two `CLIENT SETINFO`, and once more without the
/// user for an old server.
const LOGIN_REPLIES: usize = 8;

/// The address of the server, and the login.
pub(super) struct RedisAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<RedisTls>,
    /// User, password and database. Its protocol must be RESP2.
    pub(super) login: RedisConnectionInfo,
}

/// TLS to one server.
pub(super) struct RedisTls {
    pub(super) connector: TlsConnector,
    /// The name in the server's certificate.
    pub(super) server: ServerName<'static>,
}

/// Connects, for all callers together: they share one connection, and one attempt to make it.
pub(super) struct RedisConnector {
    address: Arc<RedisAddress>,
    state: Mutex<ConnectorState>,
}

#[derive(Default)]
struct ConnectorState {
    current: Option<ConnectAttempt>,
    /// The number of attempts so far.
    attempts: u64,
}

/// An attempt to connect, which may have ended.
#[derive(Clone)]
struct ConnectAttempt {
    number: u64,
    outcome: watch::Receiver<ConnectOutcome>,
}

#[derive(Clone)]
enum ConnectOutcome {
    Pending,
    Ready(OpenConnection),
    Failed(RedisFault),
}

/// A connection that is open until its last clone is dropped.
#[derive(Clone)]
struct OpenConnection {
    multiplexed: MultiplexedConnection,
    owed: OwedReplies,
    _open: Arc<DropGuard>,
}

/// Moves the bytes of a connection; to be run until the connection is dropped.
type ConnectionDriver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The shared connection, for one exchange.
pub(super) struct RedisConnection {
    connection: OpenConnection,
    pub(super) number: u64,
    /// True if it was open already, so that the server had the caller's whole timeout to answer.
    pub(super) was_ready: bool,
}

/// The cause of a failure, for the log. It holds nothing that the server wrote, which might repeat a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RedisFault(pub(super) String);

impl RedisConnector {
    /// A connector that connects when it is first used.
    pub(super) fn new(address: RedisAddress) -> Self {
        Self { address: Arc::new(address), state: Mutex::default() }
    }

    /// Returns the open connection, or waits for the next one. Connecting goes on when the caller goes away. Needs a tokio
    /// runtime.
    pub(super) async fn connection(&self) -> Result<RedisConnection, RedisFault> {
        let ConnectAttempt { number, mut outcome } = self.attempt();
        let was_ready = matches!(&*outcome.borrow(), ConnectOutcome::Ready(_));
        let made = outcome.wait_for(|outcome| !matches!(outcome, ConnectOutcome::Pending)).await;
        match made.as_deref() {
            Ok(ConnectOutcome::Ready(connection)) => {
                Ok(RedisConnection { connection: connection.clone(), number, was_ready })
            }
            Ok(ConnectOutcome::Failed(fault)) => Err(fault.clone()),
            Ok(ConnectOutcome::Pending) | Err(_) => Err(RedisFault("connecting was aborted".to_owned())),
        }
    }

    /// Discards the connection with this number, unless it was replaced already. The next caller makes another.
    pub(super) fn discard(&self, number: u64) {
        let mut state = self.state.lock();
        if state.current.as_ref().is_some_and(|attempt| attempt.number == number) {
            state.current = None;
        }
    }

    /// Returns the attempt that is running or has succeeded, else starts a new one.
    fn attempt(&self) -> ConnectAttempt {
        let mut state = self.state.lock();
        if let Some(attempt) = state.current.as_ref().filter(|attempt| attempt.is_usable()) {
            return attempt.clone();
        }
        let (report, outcome) = watch::channel(ConnectOutcome::Pending);
        let address = Arc::clone(&self.address);
        drop(tokio::spawn(async move {
            let made = tokio::time::timeout(CONNECT_TIMEOUT, address.connect());
            let made = made.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            let (outcome, driver) = match made {
                Ok((connection, driver)) => (ConnectOutcome::Ready(connection), Some(driver)),
                Err(error) => (ConnectOutcome::Failed(RedisFault::from(&error)), None),
            };
            report.send_replace(outcome);
            // It would keep the connection open, and the connection would keep the driver.
            drop(report);
            if let Some(driver) = driver {
                driver.await;
            }
        }));
        state.attempts += 1;
        let number = state.attempts;
        state.current.insert(ConnectAttempt { number, outcome }).clone()
    }
}

impl RedisConnection {
    /// Sends commands in one go, and waits for the replies to all of them.
    pub(super) async fn send(&mut self, commands: &Pipeline) -> Result<Vec<Value>, RedisFault> {
        self.connection.owed.fetch_add(commands.len(), Ordering::Relaxed);
        commands.query_async(&mut self.connection.multiplexed).await.map_err(|error| RedisFault::from(&error))
    }
}

impl RedisAddress {
    /// Connects and logs in. Needs a tokio runtime.
    async fn connect(&self) -> Result<(OpenConnection, ConnectionDriver), RedisError> {
        let addresses = lookup_host((self.host.as_str(), self.port)).await?;
        let attempts: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
        if attempts.is_empty() {
            return Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into());
        }
        // One of two address families may lead nowhere.
        let (stream, _) = select_ok(attempts).await?;
        // Commands are small and must not wait for more.
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => self.log_in(tls.connector.connect(tls.server.clone(), stream).await?).await,
            None => self.log_in(stream).await,
        }
    }

    async fn log_in<S>(&self, stream: S) -> Result<(OpenConnection, ConnectionDriver), RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let owed = OwedReplies::new(AtomicUsize::new(LOGIN_REPLIES));
        let stream = ReplyLimit::new(stream, Arc::clone(&owed));
        let (multiplexed, driver) =
            MultiplexedConnection::new_with_config(&self.login, stream, options()).await?;
        let open = CancellationToken::new();
        let closed = open.clone();
        // By itself the driver would wait for replies that nobody waits for any more.
        let driver = async move { closed.run_until_cancelled(driver).await.unwrap_or(()) };
        Ok((OpenConnection { multiplexed, owed, _open: Arc::new(open.drop_guard()) }, Box::pin(driver)))
    }
}

impl ConnectAttempt {
    fn is_usable(&self) -> bool {
        let is_over = self.outcome.has_changed().is_err();
        match &*self.outcome.borrow() {
            ConnectOutcome::Pending => !is_over,
            ConnectOutcome::Ready(_) => true,
            ConnectOutcome::Failed(_) => false,
        }
    }
}

impl From<&RedisError> for RedisFault {
    fn from(error: &RedisError) -> Self {
        match error.kind() {
            // Written by this machine: the system, or the TLS library.
            ErrorKind::Io => Self(error.to_string()),
            kind => Self(format!("{kind:?}")),
        }
    }
}

impl From<&ServerError> for RedisFault {
    fn from(error: &ServerError) -> Self {
        // Only codes that the library knows: any other is the server's own text.
        Self(error.kind().map_or_else(|| "the server refused".to_owned(), |kind| format!("{kind:?}")))
    }
}

/// Without a timeout of the library: callers have their own.
fn options() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE)
}
