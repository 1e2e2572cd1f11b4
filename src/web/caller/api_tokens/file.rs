//! The file that the tokens come from, read again when its content changes.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::ApiTokens;
use super::set::{InvalidApiTokens, TokenSet};
use crate::files::{FilePath, SmallFile};

/// The longest file, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// `access.api_tokens_file`, and what it held when it was last looked at.
///
/// The content is compared, not the time of the change: a mounted Secret changes by another link under the same name.
pub struct ApiTokensFile {
    file: SmallFile,
    tokens: Arc<ApiTokens>,
    last: Seen,
}

/// What a look at the file showed. The content itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Unreadable,
    Content([u8; 32]),
}

/// There are no tokens to be had from the file. It says nothing of what it holds.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokensError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is not of its form.
    #[error(transparent)]
    Invalid(#[from] InvalidApiTokens),
}

impl ApiTokensFile {
    /// Reads the tokens for the first time. Without them nothing may be served. Blocks no longer than a read may take.
    pub fn open(path: FilePath) -> Result<Self, ApiTokensError> {
        let file = SmallFile::new(path, MAX_LEN);
        let content = file.begin().wait()?;
        let tokens = ApiTokens::default();
        tokens.replace(parse(&content)?);
        Ok(Self { file, tokens: Arc::new(tokens), last: Seen::of(&content) })
    }

    /// The tokens as they are now, whenever they are asked for.
    #[must_use]
    pub fn tokens(&self) -> Arc<ApiTokens> {
        Arc::clone(&self.tokens)
    }

    /// Looks at the file again and again, once in `period`, and never ends.
    pub async fn watch(&mut self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.poll().await;
        }
    }

    /// Looks at the file once. What cannot be used leaves the last good tokens in place, and is logged once.
    pub async fn poll(&mut self) {
        let content = self.file.read().await;
        self.take(content);
    }

    fn take(&mut self, content: io::Result<Vec<u8>>) {
        let seen = content.as_ref().map_or(Seen::Unreadable, |content| Seen::of(content));
        if seen == self.last {
            return;
        }
        self.last = seen;
        let tokens = content.map_err(ApiTokensError::from).and_then(|content| Ok(parse(&content)?));
        match tokens {
            Ok(tokens) => {
                tracing::info!(
                    tokens = tokens.len(),
                    "access.api_tokens_file has changed and was read again"
                );
                self.tokens.replace(tokens);
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::error!(
                    error = format!("{error:#}"),
                    "access.api_tokens_file has changed and cannot be used: the tokens before it stay good"
                );
            }
        }
    }
}

impl fmt::Debug for ApiTokensFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ApiTokensFile").field("path", self.file.path()).finish_non_exhaustive()
    }
}

impl Seen {
    fn of(content: &[u8]) -> Self {
        Self::Content(Sha256::digest(content).into())
    }
}

fn parse(content: &[u8]) -> Result<TokenSet, InvalidApiTokens> {
    TokenSet::parse(std::str::from_utf8(content).map_err(|_| InvalidApiTokens::NotText)?)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
