//! Asks Nebuly for the links, with the keys of the settings: as a server does, but without a rate limit, a snapshot or a
//! shared cache.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::answer::{Abandonment, AnsweredId, Answers, Printout, words};
use super::ids::{Ids, RequestedId};
use super::wait_budget::WaitBudget;
use crate::app::nebuly_clients_of;
use crate::domain::{
    CallFailure, Caller, Cause, FairnessKey, IdCandidates, LazyCaller, ProjectName, Scope, Unlimited,
};
use crate::nebuly::KeyCheck;
use crate::resolver::{Mode, Outcome, Resolution, ResolveRequest, Resolver};
use crate::settings::Settings;
use crate::web::{LinkJson, LinkJsonContext, ProblemJson};

/// The pause before Nebuly is asked again that said no time.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that the ids are counted that are not looked up: whoever writes them may never end.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

/// Looks ids up at Nebuly.
pub(super) struct NebulyLookup {
    resolver: Resolver,
    settings: Settings,
    /// The address of the installation, if the settings name it.
    address: Option<String>,
    projects: Vec<ProjectName>,
    operator: Operator,
    /// True once Nebuly has said something of an id.
    has_answered: Cell<bool>,
    /// Why Nebuly cannot be reached. It is found out once, when a call gets no answer; `None` if it can be reached.
    unreachable: OnceCell<Option<String>>,
}

/// Whoever runs the command, and has the keys.
struct Operator(Caller);

impl LazyCaller for Operator {
    fn caller(&self) -> &Caller {
        &self.0
    }
}

impl NebulyLookup {
    /// Asks with this resolver, which was built from these settings.
    pub(super) fn new(resolver: Resolver, settings: Settings) -> Self {
        let public_url = settings.server.public_url.as_ref();
        let caller = Caller { fairness_key: FairnessKey::Caller(0), rate_limit: Arc::new(Unlimited) };
        Self {
            resolver,
            address: public_url.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            projects: settings.projects.iter().map(|project| project.name.clone()).collect(),
            settings,
            operator: Operator(caller),
            has_answered: Cell::new(false),
            unreachable: OnceCell::new(),
        }
    }

    /// Looks all ids up, `nebuly.max_in_flight` at a time. Gives up at once if Nebuly cannot be reached, and has not been
    /// since the beginning.
    pub(super) async fn answer(&self, ids: Ids, answers: &Answers) {
        let wait_budget = &WaitBudget::new(answers);
        let mut ids = pin!(ids.into_stream().fuse());
        let begun = &Cell::new(0_usize);
        let answered = ids.by_ref().map(|id| {
            begun.set(begun.get() + 1);
            async move { Ok(self.look_up(id?, wait_budget).await) }
        });
        let mut answered = Box::pin(answered.buffered(self.settings.nebuly.max_in_flight));
        while let Some(answer) = answered.next().await {
            begun.set(begun.get() - 1);
            if answers.send(answer.into()).await.is_err() {
                return;
            }
            if !self.has_answered.get() && matches!(self.unreachable.get(), Some(Some(_))) {
                break;
            }
        }
        // Its calls end with it.
        drop(answered);
        let left = timeout(COUNT_TIMEOUT, ids.count()).await.map(|unread| begun.get() + unread);
        let why = match left {
            Ok(0) => return,
            Ok(left) => format!("the rest is given up, as Nebuly cannot be reached: {left} of the ids"),
            Err(_elapsed) => "the rest is given up, as Nebuly cannot be reached".to_owned(),
        };
        // If it cannot be sent, nothing is printed any more.
        drop(answers.send(Printout::Abandoned(Abandonment(why))).await);
    }

    async fn look_up(&self, id: RequestedId, wait_budget: &WaitBudget) -> AnsweredId {
        let (link, reason) = match &id.candidates {
            Err(why) => (id.invalid(*why), None),
            Ok(candidates) => {
                let resolution = self.resolve(candidates, wait_budget).await;
                let context = LinkJsonContext { address: self.address.as_deref(), projects: &self.projects };
                let link = LinkJson::of_resolution(&context, candidates, Some(&resolution));
                let reason = match resolution.outcome {
                    Outcome::Failed(failure) => Some(self.reason(failure).await),
                    Outcome::Resolved(_) | Outcome::Absent | Outcome::Ambiguous(_) => None,
                };
                (link, reason)
            }
        };
        AnsweredId { id, link, reason }
    }

    /// Asks until Nebuly has time for it.
    async fn resolve(&self, candidates: &IdCandidates<'_>, wait_budget: &WaitBudget) -> Resolution {
        loop {
            let (scope, mode, wait) = (Scope::All, Mode::Cached, Duration::ZERO);
            let request = ResolveRequest { candidates, scope, mode, wait, caller: &self.operator };
            let resolution = self.resolver.resolve(&request).await;
            let (pause, failure) = match resolution.outcome {
                Outcome::Failed(failure @ CallFailure { cause: Cause::Overloaded { retry_after }, .. }) => {
                    (retry_after.map_or(PAUSE, |seconds| Duration::from_secs(seconds.into())), failure)
                }
                Outcome::Failed(_) => return resolution,
                Outcome::Resolved(_) | Outcome::Absent | Outcome::Ambiguous(_) => {
                    wait_budget.renew();
                    self.has_answered.set(true);
                    return resolution;
                }
            };
            if !wait_budget.wait(pause, &self.reason(failure).await).await {
                return resolution;
            }
        }
    }

    /// Why a call failed, for whoever runs the command and has the keys. The words of the pages are for others.
    async fn reason(&self, failure: CallFailure) -> String {
        let CallFailure { cause, status } = failure;
        let problem = ProblemJson::of(cause.into());
        let detail = match (cause, status) {
            (Cause::Unavailable | Cause::Timeout, None) => match self.unreachable().await {
                Some(why) => format!("{why}."),
                None => format!("There was no answer from {}.", self.settings.nebuly.api_base_url),
            },
            (Cause::Unavailable, Some(status)) => {
                format!("Nebuly, or what is in front of it, fails (status {status}).")
            }
            (Cause::KeyRejected, Some(status)) => format!("The key is not valid: Nebuly answers {status}."),
            (Cause::KeyRejected, None) => "There is no key: api_key_file has none.".to_owned(),
            (Cause::Overloaded { .. }, Some(status)) => {
                format!("Nebuly asks us to slow down (status {status}).")
            }
            (Cause::Overloaded { .. }, None) => "It cannot be asked just now.".to_owned(),
            _ => return words(&problem),
        };
        words(&ProblemJson { detail: detail.into(), ..problem })
    }

    /// Why Nebuly cannot be reached, in the words of `nebulink check`.
    async fn unreachable(&self) -> Option<&str> {
        let find_out = async || {
            // All projects have one address.
            let clients = nebuly_clients_of(&self.settings, None).ok()?.clients;
            match clients.iter().find(|client| client.has_key())?.check_key().await {
                KeyCheck::Unreachable(unreachable) => Some(unreachable.to_string()),
                _ => None,
            }
        };
        self.unreachable.get_or_init(find_out).await.as_deref()
    }
}
