//! The handle of a stand-in, for tests and the demo.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::calls::{API_PATH, Call};
use super::faults::{Fault, Matching};
use super::listing::ListingOrder;
use super::projects::{Interaction, ProjectItems, ProjectsByKey, StandInItem, StandInProject};
use super::serving;
use super::state::StandInState;

/// A stand-in for Nebuly, listening on this machine. Dropping the last handle ends it.
///
/// Limits: it has no TLS and no limit on connections, and it keeps only the newest 10,000 calls to look at.
///
/// # Panics
///
/// Methods that take the key of a project panic if no project has it: whoever wrote the test got it wrong.
#[derive(Clone)]
pub struct StandIn {
    handle: Arc<Handle>,
}

struct Handle {
    address: SocketAddr,
    state: Arc<StandInState>,
    tasks: TaskTracker,
    /// Ends all tasks when the last handle goes.
    stop: DropGuard,
}

/// Start, stop and addresses.
impl StandIn {
    /// Starts on a free port of `127.0.0.1`, without any project.
    pub async fn start() -> io::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Starts on this address, without any project.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(StandInState::new(format!("http://{address}")));
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(serving::accept(listener, Arc::clone(&state), stop.clone(), tasks.clone()));
        tasks.close();
        Ok(Self { handle: Arc::new(Handle { address, state, tasks, stop: stop.drop_guard() }) })
    }

    /// Ends it for all handles: returns once the port is free and every connection is closed. To come back, start
    /// another [on the same address](Self::start_on).
    pub async fn stop(&self) {
        self.handle.stop.token().cancel();
        self.handle.tasks.wait().await;
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.handle.address
    }

    /// The value for `nebuly.api_base_url`.
    #[must_use]
    pub fn api_base_url(&self) -> String {
        format!("http://{}{API_PATH}", self.handle.address)
    }

    /// The value for `nebuly.platform_url`, with which its URLs begin: this stand-in itself, unless set otherwise.
    #[must_use]
    pub fn platform_url(&self) -> String {
        self.state().platform_url.lock().clone()
    }

    /// Sets how its URLs begin, for example `https://v2.platform.eu.nebuly.com`.
    pub fn set_platform_url(&self, url: impl Into<String>) {
        *self.state().platform_url.lock() = url.into();
    }

    /// Serves a page of HTML under a path outside the API.
    pub(super) fn set_page(&self, path: &'static str, html: String) {
        self.state().pages.lock().insert(path, html);
    }

    fn state(&self) -> &StandInState {
        &self.handle.state
    }
}

/// Projects and their items.
impl StandIn {
    /// Adds a project without items.
    pub fn add_project(&self, project: StandInProject) {
        self.state().projects.lock().add(project);
    }

    /// Rotates a key: the old one is rejected from now on.
    #[track_caller]
    pub fn replace_key(&self, old: &str, new: &str) {
        let mut projects = self.state().projects.lock();
        // Panics if the key was never added.
        project(&mut projects, old);
        projects.replace_key(old, new);
    }

    /// Adds an interaction with all its details, and its conversation.
    #[track_caller]
    pub fn add(&self, key: &str, interaction: Interaction) {
        project(&mut self.state().projects.lock(), key).add(interaction);
    }

    /// Adds an interaction of now, in a conversation of its own.
    #[track_caller]
    pub fn add_interaction(&self, key: &str, id: Uuid) {
        self.add(key, Interaction::new(id));
    }

    /// Adds a conversation of now with one interaction, whose id is invented. One that is there is left as it is.
    #[track_caller]
    pub fn add_conversation(&self, key: &str, id: &str) {
        add_if_missing(&mut self.state().projects.lock(), key, &StandInItem::from(id));
    }

    /// Adds the item, unless it is there, but lets it be unknown until `delay` after it is first asked for.
    #[track_caller]
    pub fn ingest_later(&self, key: &str, item: impl Into<StandInItem>, delay: Duration) {
        let item = item.into();
        let mut projects = self.state().projects.lock();
        add_if_missing(&mut projects, key, &item);
        project(&mut projects, key).ingest_later(item, delay);
    }

    /// Removes an item: a conversation with its interactions, an interaction with its conversation if it was the last.
    #[track_caller]
    pub fn remove(&self, key: &str, item: impl Into<StandInItem>) {
        project(&mut self.state().projects.lock(), key).remove(&item.into());
    }

    /// Sets the order of the rows of listings, which Nebuly does not document: the newest come first, unless set otherwise.
    pub fn set_listing_order(&self, order: ListingOrder) {
        *self.state().listing_order.lock() = order;
    }

    /// The URL that it answers for an item, byte for byte, whether or not the item is there.
    #[must_use]
    #[track_caller]
    pub fn url_of(&self, key: &str, item: impl Into<StandInItem>) -> String {
        let platform_url = self.platform_url();
        project(&mut self.state().projects.lock(), key).url_of(&platform_url, &item.into())
    }
}

/// Faults. They affect only calls to the API, never its pages. Of several that fit a call, one with a count comes first
/// (the earliest set), then the latest that was set for certain calls, then the one for every call.
impl StandIn {
    /// Sets or ends the fault of every call.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state().faults.set_general(fault);
    }

    /// Sets a fault of some calls. One for exactly the same calls, without a count, is replaced.
    pub fn set_fault_for(&self, matching: Matching, fault: Fault) {
        self.state().faults.set_for(matching, fault);
    }

    /// Ends all faults and releases held calls.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Releases the calls that [`Fault::Hold`] holds, and those that come until it is set again.
    pub fn release_held(&self) {
        self.state().faults.release_held();
    }
}

/// The calls that came in. A call is counted as soon as it is read completely, whatever is answered.
impl StandIn {
    /// The newest calls, at most 10,000, the oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.all()
    }

    /// The exact number of calls that came in, however many they are.
    #[must_use]
    pub fn call_count(&self) -> usize {
        self.state().calls.counts().arrived
    }

    /// The number of the newest 10,000 calls that asked for this id, as an interaction or a conversation.
    #[must_use]
    pub fn calls_for(&self, id: &str) -> usize {
        self.state().calls.count_for(id)
    }

    /// Forgets all calls and counts from 0. Faults and items stay.
    pub fn forget_calls(&self) {
        self.state().calls.forget();
    }

    /// The number of calls in flight: come in, and neither answered to the end nor abandoned by the caller.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state().calls.counts().in_flight
    }

    /// The highest number of calls in flight at once. A call that its caller abandoned is in flight until the stand-in sees
    /// that its connection is closed.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.state().calls.counts().most_in_flight
    }

    /// Returns as soon as `n` calls have come in since the start, or since they were last forgotten. It may wait
    /// forever, so give it a timeout.
    pub async fn wait_for_calls(&self, n: usize) {
        self.state().calls.wait_for(n).await;
    }

    /// The number of connections that were accepted since the start.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.state().connections.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StandIn").field("address", &self.handle.address).finish_non_exhaustive()
    }
}

#[track_caller]
#[expect(
    clippy::panic,
    reason = "a key that was never added is a mistake of the test; no request comes here"
)]
fn project<'a>(projects: &'a mut ProjectsByKey, key: &str) -> &'a mut ProjectItems {
    match projects.of_key(key) {
        Some(project) => project,
        None => panic!("no project of the stand-in has this key"),
    }
}

#[track_caller]
fn add_if_missing(projects: &mut ProjectsByKey, key: &str, item: &StandInItem) {
    if project(projects, key).holds(item) {
        return;
    }
    let interaction = match item {
        StandInItem::Interaction(id) => Interaction::new(*id),
        StandInItem::Conversation(id) => {
            Interaction { conversation_id: id.clone(), ..Interaction::new(projects.invent_id()) }
        }
    };
    project(projects, key).add(interaction);
}
