//! The file of the API tokens, read again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use super::ApiTokens;
use super::set::{InvalidApiTokens, TokenSet};
use crate::files::{FilePath, WatchedFile, WatchedFileError};

/// The longest file, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// `access.api_tokens_file`, and the tokens that it held when it was last valid.
#[derive(Debug)]
pub struct ApiTokensFile {
    /// Locked while the file is read, so that readings take effect in their order.
    file: Mutex<WatchedFile<TokenSet, InvalidApiTokens>>,
    tokens: Arc<ApiTokens>,
}

/// Why the file gives no tokens. It says nothing of the content.
pub type ApiTokensError = WatchedFileError<InvalidApiTokens>;

impl ApiTokensFile {
    /// Reads the tokens for the first time. Without them nothing may be served. Blocks no longer than a read may take.
    pub fn open(path: FilePath) -> Result<Self, ApiTokensError> {
        let mut file = WatchedFile::new(path, MAX_LEN, parse);
        let read = file.begin();
        let tokens = ApiTokens::default();
        // The first reading has a value or an error.
        tokens.replace(file.finish(read).value?.unwrap_or_default());
        Ok(Self { file: Mutex::new(file), tokens: Arc::new(tokens) })
    }

    /// The tokens, which change with the file.
    #[must_use]
    pub fn tokens(&self) -> Arc<ApiTokens> {
        Arc::clone(&self.tokens)
    }

    /// Reads the file again at once, and then once in `period`, forever.
    pub async fn watch(self: Arc<Self>, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.poll().await;
        }
    }

    /// Reads the file again. If it is not valid, the last valid tokens stay in use, and each such change is logged once.
    pub async fn poll(&self) {
        let mut file = self.file.lock().await;
        let reload = file.reload().await;
        if !reload.is_changed {
            return;
        }
        match reload.value {
            Ok(None) => {}
            Ok(Some(tokens)) => {
                tracing::info!(tokens = tokens.len(), "reloaded access.api_tokens_file");
                self.tokens.replace(tokens);
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "failed to reload access.api_tokens_file: the last valid tokens stay in use"
                );
            }
        }
    }
}

fn parse(content: Vec<u8>) -> Result<TokenSet, InvalidApiTokens> {
    TokenSet::parse(&String::from_utf8(content).map_err(|_| InvalidApiTokens::NotText)?)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
