//! The callers that are remembered: a bounded number, none of whom can lose its debts.

use std::sync::Arc;

use indexmap::IndexMap;

use super::caller_key::Key;
use super::rate_limiter::Account;

/// How many callers are looked at to make room for a new one: that is all that a newcomer to a full table costs.
///
/// Nearly all callers are full again a few seconds after their last call, so the first look usually finds one. Each
/// newcomer goes on where the one before stopped, so that all are looked at in turn, however many owe.
const LOOKS: usize = 8;

/// Accounts by key.
#[derive(Debug)]
pub(super) struct Table {
    accounts: IndexMap<Key<Box<str>>, Arc<Account>>,
    capacity: usize,
    /// Where the next look for room begins.
    hand: usize,
}

impl Table {
    /// At once as large as it may become, so that nobody waits while it grows. What is not used of it is only addresses,
    /// and no memory.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { accounts: IndexMap::with_capacity(capacity), capacity, hand: 0 }
    }

    pub(super) fn get(&self, key: &Key<&str>) -> Option<Arc<Account>> {
        self.accounts.get(key).cloned()
    }

    /// Whether another account may be added now; makes room for it if there is none.
    pub(super) fn has_room(&mut self, now: u64) -> bool {
        self.accounts.len() < self.capacity || self.make_room(now)
    }

    /// Adds an account. The caller has asked for room.
    pub(super) fn insert(&mut self, key: Key<Box<str>>, account: Arc<Account>) {
        self.accounts.insert(key, account);
    }

    /// Drops an account that is as good as a new one: nothing is owed, and no request holds it that may still spend.
    fn make_room(&mut self, now: u64) -> bool {
        for _ in 0..LOOKS {
            if self.hand >= self.accounts.len() {
                self.hand = 0;
            }
            let Some((_, account)) = self.accounts.get_index(self.hand) else { return false };
            if Arc::strong_count(account) == 1 && account.is_full(now) {
                // The last one takes its place, and is looked at next.
                self.accounts.swap_remove_index(self.hand);
                return true;
            }
            self.hand += 1;
        }
        false
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }
}
