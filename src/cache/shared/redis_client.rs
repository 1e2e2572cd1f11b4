//! The server as this process sees it: asked within bounds, and left alone while it does not answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Pipeline, Value};
use tokio::sync::Semaphore;

use super::entry::MAX_SIZE;
use super::redis_breaker::{Admission, Breaker, Failed};
use super::redis_connection::{Address, Connection, Fault, Line};

/// How many keys are read at once, over all callers. Each may bring [`MAX_SIZE`] bytes and the connection lets no more
/// through, so that this bounds the memory that a server can take: 16 MiB.
const KEYS_IN_FLIGHT: usize = 2048;

/// How long writing some entries may take. Nobody waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the server says of a key that holds no text.
const WRONG_TYPE: &str = "WRONGTYPE";

/// Redis or Valkey.
pub(super) struct Server {
    line: Line,
    breaker: Mutex<Breaker>,
    room: Semaphore,
    read_timeout: Duration,
}

/// What stands under a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing.
    Empty,
    /// Fewer than [`MAX_SIZE`] bytes.
    Bytes(Vec<u8>),
    /// Something too large, or of another type.
    Unusable,
}

/// An entry to be written.
pub(super) struct Write {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// Not zero.
    pub(super) time_to_live: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The server was not asked.
    Skipped,
    /// It did not answer in time.
    Timeout,
    /// It could not be reached, or refused.
    Failed(Fault),
}

/// An exchange that did not end well.
struct Unanswered {
    why: NoAnswer,
    /// The connection that stayed silent all the time, if one did.
    silent: Option<u64>,
}

impl Server {
    pub(super) fn new(address: Address, read_timeout: Duration) -> Self {
        Self {
            line: Line::new(address),
            breaker: Mutex::default(),
            room: Semaphore::new(KEYS_IN_FLIGHT),
            read_timeout,
        }
    }

    /// What stands under each key, within the time limit, whatever the server does.
    pub(super) async fn read(&self, keys: &[String]) -> Result<Vec<Content>, NoAnswer> {
        let wanted = u32::try_from(keys.len()).map_err(|_| NoAnswer::Skipped)?;
        // Before the breaker, lest its one question after a pause be lost here.
        let _room = self.room.try_acquire_many(wanted).map_err(|_| NoAnswer::Skipped)?;
        let admission = self.breaker().admit(Instant::now()).ok_or(NoAnswer::Skipped)?;
        let mut questions = Pipeline::with_capacity(keys.len());
        for key in keys {
            // One byte more than counts, and not a byte more than that is sent.
            questions.cmd("GETRANGE").arg(key).arg(0).arg(MAX_SIZE - 1);
        }
        let answer = self.exchange(&mut questions, self.read_timeout).await.and_then(|values| {
            let contents: Result<_, Fault> = values.into_iter().map(Content::of).collect();
            contents.map_err(|fault| Unanswered { why: NoAnswer::Failed(fault), silent: None })
        });
        match answer {
            Ok(contents) => {
                self.answered(admission);
                Ok(contents)
            }
            Err(unanswered) => {
                self.unanswered(admission, &unanswered);
                Err(unanswered.why)
            }
        }
    }

    /// Writes entries; says of each whether it was written. What becomes of writing says nothing of the server's
    /// health: one that only lets itself be read is still of use.
    pub(super) async fn write(&self, entries: &[Write]) -> Result<Vec<Result<(), Fault>>, NoAnswer> {
        if self.breaker().is_open() {
            return Err(NoAnswer::Skipped);
        }
        let mut orders = Pipeline::with_capacity(entries.len());
        for Write { key, value, time_to_live } in entries {
            let millis = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
            orders.cmd("SET").arg(key).arg(value).arg("PX").arg(millis);
        }
        match self.exchange(&mut orders, WRITE_TIMEOUT).await {
            Ok(values) => Ok(values.iter().map(written).collect()),
            Err(unanswered) => {
                if let Some(number) = unanswered.silent {
                    self.line.discard(number);
                }
                Err(unanswered.why)
            }
        }
    }

    /// Sends commands in one go; the answer to one may be an error and does not spoil the others.
    async fn exchange(&self, commands: &mut Pipeline, timeout: Duration) -> Result<Vec<Value>, Unanswered> {
        commands.ignore_errors();
        let mut silent = None;
        let exchange = async {
            let first = self.line.connection().await?;
            // One that was made only just now had less time to answer, and is kept for the next caller.
            silent = first.was_ready.then_some(first.number);
            let was_ready = first.was_ready;
            match self.attempt(commands, first).await {
                // Servers close connections that are idle for long, which shows only when one is used again.
                Err(_) if was_ready => {
                    silent = None;
                    self.attempt(commands, self.line.connection().await?).await
                }
                answered => answered,
            }
        };
        let answered = tokio::time::timeout(timeout, exchange).await;
        match answered {
            Ok(Ok(values)) => Ok(values),
            Ok(Err(fault)) => Err(Unanswered { why: NoAnswer::Failed(fault), silent: None }),
            Err(_elapsed) => Err(Unanswered { why: NoAnswer::Timeout, silent }),
        }
    }

    /// Sends commands on a connection, and lets go of it when it breaks off.
    async fn attempt(&self, commands: &Pipeline, mut connection: Connection) -> Result<Vec<Value>, Fault> {
        connection.send(commands).await.inspect_err(|_| self.line.discard(connection.number))
    }

    fn answered(&self, admission: Admission) {
        if self.breaker().succeeded(admission) {
            tracing::info!("the shared cache is well again");
        }
    }

    fn unanswered(&self, admission: Admission, unanswered: &Unanswered) {
        let failed = self.breaker().failed(admission, Instant::now());
        // A single late answer is no reason to connect again.
        if let Some(number) = unanswered.silent.filter(|_| failed != Failed::Borne) {
            self.line.discard(number);
        }
        if failed == Failed::Opened {
            let cause = match &unanswered.why {
                NoAnswer::Failed(Fault(cause)) => cause,
                NoAnswer::Timeout | NoAnswer::Skipped => "no answer in time",
            };
            tracing::warn!(cause, "the shared cache is unwell, going on without it");
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// The server's answer for one key. One about the key alone is no failure of the server.
    fn of(answer: Value) -> Result<Self, Fault> {
        match answer {
            Value::BulkString(bytes) if bytes.is_empty() => Ok(Self::Empty),
            Value::BulkString(bytes) if bytes.len() < MAX_SIZE => Ok(Self::Bytes(bytes)),
            Value::ServerError(error) if error.code() != WRONG_TYPE => Err(Fault::from(&error)),
            _ => Ok(Self::Unusable),
        }
    }
}

/// Whether the server's answer says that an entry was written.
fn written(answer: &Value) -> Result<(), Fault> {
    match answer {
        Value::ServerError(error) => Err(Fault::from(error)),
        _ => Ok(()),
    }
}
