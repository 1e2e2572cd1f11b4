//! The client of Redis: asks it within bounds, and not at all while its circuit breaker is open.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Pipeline, Value};
use tokio::sync::Semaphore;

use super::entry::MAX_SIZE;
use super::redis_breaker::{FailureEffect, RedisBreaker, RedisPermit};
use super::redis_connection::{RedisAddress, RedisConnection, RedisConnector, RedisFault};

/// The most keys that are read at once, over all callers. Each may bring [`MAX_SIZE`] bytes and the connection lets no more
/// through, so this bounds the memory that a server can make us use: 16 MiB.
const KEYS_IN_FLIGHT: usize = 2048;

/// The timeout of writing a batch of entries. Nobody waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The error code for a key that holds no string.
const WRONG_TYPE: &str = "WRONGTYPE";

/// The one server of the shared cache, Redis or Valkey, over one connection.
pub(super) struct RedisClient {
    connector: RedisConnector,
    breaker: Mutex<RedisBreaker>,
    keys_in_flight: Semaphore,
    read_timeout: Duration,
}

/// The value of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RedisValue {
    /// There is none.
    Empty,
    /// Fewer than [`MAX_SIZE`] bytes.
    Bytes(Vec<u8>),
    /// Something too large, or of another type.
    Unusable,
}

/// An entry to be written.
pub(super) struct PendingWrite {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// Not zero.
    pub(super) time_to_live: Duration,
}

/// The reason why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The server was not asked.
    Skipped,
    /// It did not answer in time.
    Timeout,
    /// It could not be reached, or answered with an error.
    Failed(RedisFault),
}

/// An exchange that failed.
struct Unanswered {
    why: NoAnswer,
    /// The connection that was silent until the timeout, if one was.
    silent: Option<u64>,
}

impl RedisClient {
    pub(super) fn new(address: RedisAddress, read_timeout: Duration) -> Self {
        Self {
            connector: RedisConnector::new(address),
            breaker: Mutex::default(),
            keys_in_flight: Semaphore::new(KEYS_IN_FLIGHT),
            read_timeout,
        }
    }

    /// Reads the value of each key, within the timeout, whatever the server does.
    pub(super) async fn read(&self, keys: &[String]) -> Result<Vec<RedisValue>, NoAnswer> {
        let wanted = u32::try_from(keys.len()).map_err(|_| NoAnswer::Skipped)?;
        // Before the circuit breaker, so that its one probe after a pause is not lost here.
        let _permits = self.keys_in_flight.try_acquire_many(wanted).map_err(|_| NoAnswer::Skipped)?;
        let permit = self.breaker.lock().admit(Instant::now()).ok_or(NoAnswer::Skipped)?;
        let mut reads = Pipeline::with_capacity(keys.len());
        for key in keys {
            // One byte more than a valid entry has: the server sends no more than that.
            reads.cmd("GETRANGE").arg(key).arg(0).arg(MAX_SIZE - 1);
        }
        let answer = self.exchange(&mut reads, self.read_timeout).await.and_then(|values| {
            let contents: Result<_, RedisFault> = values.into_iter().map(RedisValue::of).collect();
            contents.map_err(|fault| Unanswered { why: NoAnswer::Failed(fault), silent: None })
        });
        match answer {
            Ok(contents) => {
                if self.breaker.lock().succeeded(permit) {
                    tracing::info!("Redis recovered");
                }
                Ok(contents)
            }
            Err(unanswered) => {
                self.unanswered(permit, &unanswered);
                Err(unanswered.why)
            }
        }
    }

    /// Writes entries, and returns the result of each. Failed writes do not count for the circuit breaker: a read-only
    /// server is still useful.
    pub(super) async fn write(
        &self,
        entries: &[PendingWrite],
    ) -> Result<Vec<Result<(), RedisFault>>, NoAnswer> {
        if self.breaker.lock().is_open() {
            return Err(NoAnswer::Skipped);
        }
        let mut writes = Pipeline::with_capacity(entries.len());
        for PendingWrite { key, value, time_to_live } in entries {
            let millis = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
            writes.cmd("SET").arg(key).arg(value).arg("PX").arg(millis);
        }
        match self.exchange(&mut writes, WRITE_TIMEOUT).await {
            Ok(values) => Ok(values.iter().map(written).collect()),
            Err(unanswered) => {
                if let Some(number) = unanswered.silent {
                    self.connector.discard(number);
                }
                Err(unanswered.why)
            }
        }
    }

    /// Sends commands in one pipeline, within a timeout. An error in reply to one command does not affect the others.
    async fn exchange(&self, commands: &mut Pipeline, timeout: Duration) -> Result<Vec<Value>, Unanswered> {
        commands.ignore_errors();
        let mut silent = None;
        let exchange = async {
            let first = self.connector.connection().await?;
            // A connection made just now had less time to answer, and is kept for the next caller.
            silent = first.was_ready.then_some(first.number);
            let was_ready = first.was_ready;
            match self.attempt(commands, first).await {
                // Servers close connections that are idle for long, which is noticed only when one is used again.
                Err(_) if was_ready => {
                    silent = None;
                    self.attempt(commands, self.connector.connection().await?).await
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

    /// Sends commands on a connection, and discards it if that fails.
    async fn attempt(
        &self,
        commands: &Pipeline,
        mut connection: RedisConnection,
    ) -> Result<Vec<Value>, RedisFault> {
        connection.send(commands).await.inspect_err(|_| self.connector.discard(connection.number))
    }

    fn unanswered(&self, permit: RedisPermit, unanswered: &Unanswered) {
        let failed = self.breaker.lock().failed(permit, Instant::now());
        // A single late answer is no reason to connect again.
        if let Some(number) = unanswered.silent.filter(|_| failed != FailureEffect::Tolerated) {
            self.connector.discard(number);
        }
        if failed == FailureEffect::Opened {
            let cause = match &unanswered.why {
                NoAnswer::Failed(RedisFault(cause)) => cause,
                NoAnswer::Timeout | NoAnswer::Skipped => "timeout",
            };
            tracing::warn!(cause, "Redis is unreachable");
        }
    }
}

impl RedisValue {
    /// Reads the reply for one key. An error about the key alone is no failure of the server.
    fn of(answer: Value) -> Result<Self, RedisFault> {
        match answer {
            Value::BulkString(bytes) if bytes.is_empty() => Ok(Self::Empty),
            Value::BulkString(bytes) if bytes.len() < MAX_SIZE => Ok(Self::Bytes(bytes)),
            Value::ServerError(error) if error.code() != WRONG_TYPE => Err(RedisFault::from(&error)),
            _ => Ok(Self::Unusable),
        }
    }
}

/// Returns the error, if the reply to a write is one.
fn written(answer: &Value) -> Result<(), RedisFault> {
    match answer {
        Value::ServerError(error) => Err(RedisFault::from(error)),
        _ => Ok(()),
    }
}
