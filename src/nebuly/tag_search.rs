//! The client that finds the newest item with a tag in one project of Nebuly's.
//!
//! Nebuly lists the items of a window of time in pages, in an order that it does not document. So all rows are read, if
//! they are few enough. If they are too many, the window is halved towards its end, a few times, and then as much is read
//! as may be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{
    ApiCall, GET_INTERACTION_AGGREGATES, GET_INTERACTIONS, ListedItem, ListingPage, MAX_LISTING_BODY,
    read_listing,
};
use super::project_calls::CallObserver;
use super::side_calls::{SideCaller, SideCalls};
use crate::domain::{
    self, Answer, CallFailure, Caller, Cause, Item, Kind, NewestFuture, TagSearch, TaggedItems, TimeRange,
};

/// The rows that are asked for at once.
const PAGE_ROWS: u64 = 50;

/// The most pages that are read for one search.
const MAX_PAGES: u64 = 5;

/// The most halvings of the window of one search.
const MAX_HALVINGS: u32 = 3;

/// The message of a search that fails, in the log.
const FAILED: &str = "failed to search for a tag";

/// Searches one project for items by their tags.
pub struct TagSearchClient {
    calls: Arc<SideCalls>,
    deadline: Duration,
    interactions: CallObserver,
    conversations: CallObserver,
}

/// One search, and what it has read.
struct RunningSearch<'a> {
    client: &'a TagSearchClient,
    search: &'a TagSearch,
    caller: &'a Caller,
    deadline: Instant,
    pages_left: u64,
    newest: Option<ListedItem>,
}

/// A window of time that has all rows which may be the newest.
struct Window {
    range: TimeRange,
    /// Its rows.
    total: u64,
    /// The rows that were read, from its first one on.
    read: u64,
    /// The rows of a page, in case Nebuly gives fewer than are asked for.
    page_rows: u64,
}

impl TagSearchClient {
    pub(super) fn new(calls: Arc<SideCalls>, deadline: Duration) -> Self {
        let [interactions, conversations] =
            [GET_INTERACTIONS, GET_INTERACTION_AGGREGATES].map(|names| calls.calls.observer(&names));
        Self { calls, deadline, interactions, conversations }
    }

    async fn ask(&self, search: &TagSearch, caller: &Caller) -> Result<Answer<Item<'static>>, CallFailure> {
        let mut running = RunningSearch {
            client: self,
            search,
            caller,
            deadline: Instant::now() + self.deadline,
            pages_left: MAX_PAGES,
            newest: None,
        };
        match running.page(search.range, 0).await? {
            Answer::Absent { status } => return Ok(Answer::Absent { status }),
            Answer::Found(first) => running.read(Window::new(search.range, &first)).await?,
        }
        Ok(running.newest.map_or(Answer::Absent { status: 200 }, |newest| Answer::Found(newest.item)))
    }
}

impl TaggedItems for TagSearchClient {
    fn newest<'a>(&'a self, search: &'a TagSearch, caller: &'a Caller) -> NewestFuture<'a> {
        Box::pin(self.ask(search, caller))
    }
}

impl RunningSearch<'_> {
    /// Reads the rows of a window whose first page was read; of its newest half if they are too many.
    async fn read(&mut self, mut window: Window) -> Result<(), CallFailure> {
        for _ in 0..MAX_HALVINGS {
            if self.can_read(&window) {
                break;
            }
            let (older, newer) = window.halves();
            let page = self.further_page(newer, 0).await?;
            // What is not in the newer half is in the older one.
            window =
                if page.rows > 0 { Window::new(newer, &page) } else { Window { range: older, ..window } };
        }
        if !self.can_read(&window) {
            // The other end, in case the oldest rows come first.
            let offset = window.total.saturating_sub(window.page_rows);
            let page = self.further_page(window.range, offset).await?;
            window.total = window.total.saturating_sub(page.rows);
        }
        while self.pages_left > 0 && window.read < window.total {
            let page = self.further_page(window.range, window.read).await?;
            if page.rows == 0 {
                break;
            }
            window.read += page.rows;
        }
        Ok(())
    }

    /// Returns true if the pages that are left may hold all rows that are left.
    const fn can_read(&self, window: &Window) -> bool {
        window.total.saturating_sub(window.read) <= self.pages_left * window.page_rows
    }

    /// Reads a page that is not the first of the search. Without it, another item than the newest could be found, so any
    /// answer but a page is a failure.
    async fn further_page(&mut self, range: TimeRange, offset: u64) -> Result<ListingPage, CallFailure> {
        match self.page(range, offset).await? {
            Answer::Found(page) => Ok(page),
            Answer::Absent { status } => {
                let project = &self.client.calls.calls.project;
                tracing::warn!(%project, status, why = "a further page was refused", "{FAILED}");
                Err(CallFailure { cause: Cause::BadAnswer, status: Some(status) })
            }
        }
    }

    /// Reads the page of a range that begins at this row.
    async fn page(&mut self, range: TimeRange, offset: u64) -> Result<Answer<ListingPage>, CallFailure> {
        let TagSearchClient { calls, interactions, conversations, .. } = self.client;
        let TagSearch { tag, kind, .. } = self.search;
        let url = calls.calls.api.endpoint.listing(*kind).map_err(|error| {
            tracing::error!(project = %calls.calls.project, %error, "failed to build the URL of a call");
            CallFailure { cause: Cause::Internal, status: None }
        })?;
        let observer = match kind {
            Kind::Interaction => interactions,
            Kind::Conversation => conversations,
        };
        let accept = |body: &[u8]| {
            let page = read_listing(body, *kind)?;
            if offset == 0 && page.rows == 0 && page.total > 0 {
                return Err("the listing lacks the rows that it counts");
            }
            Ok(page)
        };
        let question = Some(question(self.search, range, offset).to_string());
        let call = ApiCall { url, question, max_body: MAX_LISTING_BODY, accept: &accept };
        let caller = SideCaller {
            caller: self.caller,
            deadline: self.deadline,
            has_begun: self.pages_left < MAX_PAGES,
        };
        self.pages_left = self.pages_left.saturating_sub(1);
        let answer = calls.ask(&call, observer, &(tag, kind), caller, FAILED).await?;
        Ok(match answer {
            Answer::Found(mut page) => {
                self.newest = ListedItem::newest(self.newest.take(), page.newest.take());
                Answer::Found(page)
            }
            Answer::Absent { status } => Answer::Absent { status },
        })
    }
}

impl Window {
    fn new(range: TimeRange, first: &ListingPage) -> Self {
        Self { range, total: first.total.max(first.rows), read: first.rows, page_rows: first.rows }
    }

    /// The older and the newer half. The moment between them belongs to both.
    fn halves(&self) -> (TimeRange, TimeRange) {
        let TimeRange { start, end } = self.range;
        let middle = start.after(end.since(start) / 2);
        (TimeRange { start, end: middle }, TimeRange { start: middle, end })
    }
}

/// The question for a page, as Nebuly documents it.
fn question(search: &TagSearch, range: TimeRange, offset: u64) -> Value {
    let TagSearch { tag, kind, .. } = search;
    let mut question = json!({
        "time_range": { "start": in_rfc_3339(range.start), "end": in_rfc_3339(range.end) },
        "filters": [{ "kind": "tag", "tag": tag.name(), "values": [tag.value()] }],
        "limit": PAGE_ROWS,
        "offset": offset,
    });
    if *kind == Kind::Conversation
        && let Some(members) = question.as_object_mut()
    {
        members.insert("group_by".to_owned(), json!({ "kind": "conversation_id" }));
    }
    question
}

/// A moment as Nebuly takes it, which is not later than the year 9999.
fn in_rfc_3339(time: domain::Timestamp) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    format!("{:.3}", Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX))
}
