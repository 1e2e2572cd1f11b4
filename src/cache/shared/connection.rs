//! The one connection to the server, made when it is needed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerError};
use tokio::sync::watch;

/// How long making a connection may take, name resolution, TLS and login included. No caller waits that long: it goes
/// on behind them, so that a server too far away to connect within a caller's patience is reached all the same.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many commands may wait to be sent. More than are ever let in at once, so that nobody waits for a place.
const QUEUE: usize = 4096;

/// A connection that all callers share, and that is made again when it was lost.
pub(super) struct Line {
    client: Client,
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
    Ready(MultiplexedConnection),
    Failed(Fault),
}

/// A connection for one exchange.
pub(super) struct Connection {
    pub(super) multiplexed: MultiplexedConnection,
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
    pub(super) fn new(client: Client) -> Self {
        Self { client, state: Mutex::default() }
    }

    /// The connection, or the next one. It goes on being made when its caller goes away. Needs a tokio runtime.
    pub(super) async fn connection(&self) -> Result<Connection, Fault> {
        let Attempt { number, mut outcome } = self.attempt();
        let was_ready = matches!(&*outcome.borrow(), Outcome::Ready(_));
        let made = outcome.wait_for(|outcome| !matches!(outcome, Outcome::Pending)).await;
        match made.as_deref() {
            Ok(Outcome::Ready(connection)) => {
                Ok(Connection { multiplexed: connection.clone(), number, was_ready })
            }
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
        let client = self.client.clone();
        drop(tokio::spawn(async move {
            let made = client.get_multiplexed_async_connection_with_config(&options()).await;
            report.send_replace(match made {
                Ok(connection) => Outcome::Ready(connection),
                Err(error) => Outcome::Failed(Fault::from(&error)),
            });
        }));
        state.attempts += 1;
        let number = state.attempts;
        state.current.insert(Attempt { number, outcome }).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE)
}
