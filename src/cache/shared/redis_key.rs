//! The keys of shared links.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::domain::{Item, ProjectName, Scope};

/// Names the keys of one installation.
#[derive(Debug, Clone)]
pub(super) struct RedisKeys {
    prefix: String,
    api_base_url: String,
}

impl RedisKeys {
    pub(super) const fn new(prefix: String, api_base_url: String) -> Self {
        Self { prefix, api_base_url }
    }

    /// The key of an item in one project: the prefix, and a hash from which nobody learns the id. Links that were found for
    /// callers who named their project have keys of their own, the same whichever place the project has in the settings.
    pub(super) fn key(&self, scope: Scope, project: &ProjectName, item: &Item<'_>) -> String {
        let scope = match scope {
            Scope::All => "all",
            Scope::Only(_) => "only",
        };
        let mut hash = Sha256::new();
        for part in [&*self.api_base_url, scope, project.as_str(), item.kind().as_str(), &item.id()] {
            // With its length before it, no part can pass for the end or the beginning of another.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let mut key = String::with_capacity(self.prefix.len() + 2 * hash.len());
        key.push_str(&self.prefix);
        for byte in hash {
            // Writing to a string cannot fail.
            let _written = write!(key, "{byte:02x}");
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::ProjectIndex;

    #[test]
    fn a_key_is_the_prefix_and_a_hash_that_stays_the_same_between_versions() {
        let keys = RedisKeys::new("nebulink:".to_owned(), "https://api.example".to_owned());
        let item = Item::conversation("abc").unwrap();
        // Beside each part its length in eight bytes, hashed with another program.
        let expected = "nebulink:07af3be93f848b767827dafcf03f3042830b46437dacb96996b9162fc72c32bc";
        assert_eq!(keys.key(Scope::All, &"main".try_into().unwrap(), &item), expected);
    }

    #[test]
    fn installations_scopes_projects_kinds_and_ids_never_meet() {
        let id = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e";
        let items = [
            Item::interaction(id).unwrap(),
            Item::conversation(id).unwrap(),
            Item::conversation("b").unwrap(),
            Item::conversation("ab").unwrap(),
        ];
        let mut found = BTreeSet::new();
        for api in ["https://api.example", "https://api.example/a"] {
            let keys = RedisKeys::new(String::new(), api.to_owned());
            for scope in [Scope::All, Scope::Only(ProjectIndex::default())] {
                for project in ["a", "aa", "all"] {
                    for item in &items {
                        let key = keys.key(scope, &project.try_into().unwrap(), item);
                        assert!(key.len() == 64 && found.insert(key));
                    }
                }
            }
        }
    }
}
