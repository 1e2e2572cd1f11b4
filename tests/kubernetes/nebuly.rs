//! The stand-in for Nebuly, outside the cluster, and the links that it knows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use nebulink::demo::{StandIn, StandInItem, StandInProject};
use uuid::Uuid;

use crate::cluster::Cluster;

/// The key that every file of trial values has.
pub(crate) const KEY: &str = "key-of-trials";

/// Where the links lead: to the program's default, so that no other host has to be allowed.
const PLATFORM_URL: &str = "https://v2.platform.eu.nebuly.com";

/// How many links the load asks for again and again.
const KNOWN: u64 = 200;

/// One project of Nebuly, with links that are invented as they are asked for.
pub(crate) struct Nebuly {
    stand_in: StandIn,
    /// The keys that are taken. Held while a link is added, so that none is missing under one of them.
    keys: Mutex<Vec<String>>,
    known: Vec<Link>,
    invented: AtomicU64,
}

/// A path to ask for, and where it must lead.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Without base path.
    pub(crate) path: String,
    /// Byte for byte.
    pub(crate) location: String,
}

impl Nebuly {
    /// Starts it where pods reach it.
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let stand_in = StandIn::start_on((cluster.host, 0).into()).await.unwrap();
        stand_in.set_platform_url(PLATFORM_URL);
        let mut nebuly =
            Self { stand_in, keys: Mutex::default(), known: Vec::new(), invented: AtomicU64::new(0) };
        nebuly.issue(KEY);
        nebuly.known = (0..KNOWN).map(|_| nebuly.new_link()).collect();
        nebuly
    }

    /// The stand-in that answers, and that has counted the calls.
    pub(crate) fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// A further key for the same project, beside those that are taken already.
    pub(crate) fn issue(&self, key: &str) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.stand_in.add_project(StandInProject::new(key, "project-1", "organization-1"));
        for number in 0..self.invented.load(Ordering::Relaxed) {
            self.add(key, &item(number));
        }
        keys.push(key.to_owned());
    }

    /// Takes only this key from now on.
    pub(crate) fn revoke_all_but(&self, key: &str) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for revoked in keys.extract_if(.., |other| other != key) {
            self.stand_in.replace_key(&revoked, key);
        }
    }

    /// A link that was there from the start; `turn` says which.
    pub(crate) fn known_link(&self, turn: u64) -> &Link {
        &self.known[usize::try_from(turn % KNOWN).unwrap()]
    }

    /// A link that nobody has asked for.
    pub(crate) fn new_link(&self) -> Link {
        let item = item(self.invented.fetch_add(1, Ordering::Relaxed));
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys.iter() {
            self.add(key, &item);
        }
        let location = self.stand_in.url_of(&keys[0], item.clone());
        Link { path: format!("/go/{}/{}", item.kind(), item.id()), location }
    }

    fn add(&self, key: &str, item: &StandInItem) {
        match item {
            StandInItem::Interaction(id) => self.stand_in.add_interaction(key, *id),
            StandInItem::Conversation(id) => self.stand_in.add_conversation(key, id),
        }
    }
}

/// Both kinds, in turn.
fn item(number: u64) -> StandInItem {
    if number.is_multiple_of(2) {
        StandInItem::Interaction(Uuid::from_u128(u128::from(number) + 1))
    } else {
        StandInItem::Conversation(format!("chat-{number}"))
    }
}
