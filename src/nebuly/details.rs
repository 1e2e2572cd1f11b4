//! The client for the details of items of one project of Nebuly's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::call::{ApiCall, CONVERSATION_DETAIL, INTERACTION_DETAIL, MAX_DETAILS_BODY, read_details};
use super::project_calls::CallObserver;
use super::side_calls::{SideCaller, SideCalls};
use crate::domain::{Answer, CallFailure, Caller, Cause, DetailFields, DetailsFuture, Item, ItemDetails};

/// The longest that somebody waits for details, with the wait for a permit.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks one project for the details of items.
pub struct DetailsClient {
    calls: Arc<SideCalls>,
    fields: Arc<[Arc<str>]>,
    interaction: CallObserver,
    conversation: CallObserver,
}

impl DetailsClient {
    pub(super) fn new(calls: Arc<SideCalls>, fields: Arc<[Arc<str>]>) -> Self {
        let [interaction, conversation] =
            [INTERACTION_DETAIL, CONVERSATION_DETAIL].map(|names| calls.calls.observer(&names));
        Self { calls, fields, interaction, conversation }
    }

    async fn ask(&self, item: &Item<'static>, caller: &Caller) -> Result<Answer<DetailFields>, CallFailure> {
        let project = &self.calls.calls;
        let url = project.api.endpoint.details(item).map_err(|error| {
            tracing::error!(project = %project.project, %error, "failed to build the URL of a call");
            CallFailure { cause: Cause::Internal, status: None }
        })?;
        let (observer, question) = match item {
            Item::Interaction(_) => (&self.interaction, None),
            Item::Conversation(id) => {
                (&self.conversation, Some(json!({ "conversation_id": id.as_str() }).to_string()))
            }
        };
        let accept = |body: &[u8]| read_details(body, &self.fields);
        let call = ApiCall { url, question, max_body: MAX_DETAILS_BODY, accept: &accept };
        let caller = SideCaller { caller, deadline: Instant::now() + TIMEOUT, has_begun: false };
        self.calls.ask(&call, observer, item, caller, "failed to read details").await
    }
}

impl ItemDetails for DetailsClient {
    fn details<'a>(&'a self, item: &'a Item<'static>, caller: &'a Caller) -> DetailsFuture<'a> {
        Box::pin(self.ask(item, caller))
    }
}
