//! Asks Nebuly for the links, with the keys of the settings: as a server does, but without a rate limit, a snapshot or a
//! shared cache.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::answer::{AnsweredId, Answers, words};
use super::ids::{Ids, RequestedId};
use super::wait_budget::WaitBudget;
use crate::domain::{
    CallFailure, Caller, Cause, FairnessKey, IdCandidates, LazyCaller, ProjectName, Scope, Unlimited,
};
use crate::resolver::{Mode, Outcome, Resolution, ResolveRequest, Resolver};
use crate::settings::Settings;
use crate::web::{LinkJson, LinkJsonContext, ProblemJson};

/// The pause before Nebuly is asked again that said no time.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks ids up at Nebuly.
pub(super) struct NebulyLookup {
    resolver: Resolver,
    /// The address of the installation, if the settings name it.
    address: Option<String>,
    projects: Vec<ProjectName>,
    max_in_flight: usize,
    operator: Operator,
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
    pub(super) fn new(resolver: Resolver, settings: &Settings) -> Self {
        let public_url = settings.server.public_url.as_ref();
        let caller = Caller { fairness_key: FairnessKey::Caller(0), rate_limit: Arc::new(Unlimited) };
        Self {
            resolver,
            address: public_url.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            projects: settings.projects.iter().map(|project| project.name.clone()).collect(),
            max_in_flight: settings.nebuly.max_in_flight,
            operator: Operator(caller),
        }
    }

    /// Looks all ids up, `nebuly.max_in_flight` at a time.
    pub(super) async fn answer(&self, ids: Ids, answers: &Answers) {
        let wait_budget = WaitBudget::new(answers);
        let answered = ids.into_stream().map(async |id| Ok(self.look_up(id?, &wait_budget).await));
        let mut answered = pin!(answered.buffered(self.max_in_flight));
        while let Some(answer) = answered.next().await {
            if answers.send(answer.into()).await.is_err() {
                return;
            }
        }
    }

    async fn look_up(&self, id: RequestedId, wait_budget: &WaitBudget) -> AnsweredId {
        let link = match &id.candidates {
            Err(why) => id.invalid(*why),
            Ok(candidates) => {
                let resolution = self.resolve(candidates, wait_budget).await;
                let context = LinkJsonContext { address: self.address.as_deref(), projects: &self.projects };
                LinkJson::of_resolution(&context, candidates, Some(&resolution))
            }
        };
        AnsweredId { id, link }
    }

    /// Asks until Nebuly has time for it.
    async fn resolve(&self, candidates: &IdCandidates<'_>, wait_budget: &WaitBudget) -> Resolution {
        loop {
            let (scope, mode, wait) = (Scope::All, Mode::Cached, Duration::ZERO);
            let request = ResolveRequest { candidates, scope, mode, wait, caller: &self.operator };
            let resolution = self.resolver.resolve(&request).await;
            let (pause, cause) = match resolution.outcome {
                Outcome::Failed(CallFailure { cause: cause @ Cause::Overloaded { retry_after }, .. }) => {
                    (retry_after.map_or(PAUSE, |seconds| Duration::from_secs(seconds.into())), cause)
                }
                Outcome::Failed(_) => return resolution,
                Outcome::Resolved(_) | Outcome::Absent | Outcome::Ambiguous(_) => {
                    wait_budget.renew();
                    return resolution;
                }
            };
            if !wait_budget.wait(pause, &words(&ProblemJson::of(cause.into()))).await {
                return resolution;
            }
        }
    }
}
