//! Asks a server for a batch of ids until each has its link, in one request or more.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::check::checked;
use super::client::NebulinkClient;
use super::reply::RequestError;
use crate::cli::resolve::answer::{Abandonment, AnsweredId, Answers, Printout, words};
use crate::cli::resolve::ids::RequestedId;
use crate::cli::resolve::wait_budget::WaitBudget;
use crate::text::escaped;
use crate::web::{LinkJson, LinkState};

/// After this many requests in a row without any link the server is given up.
const MAX_BROKEN: u32 = 3;

/// The pause after the first of them; it grows with each.
const BROKEN_PAUSE: Duration = Duration::from_millis(500);

/// A link that the server could not find out so often is one that failed.
const MAX_TIMEOUTS: u8 = 3;

/// The fewest ids of a request while the server lets only some through.
const MIN_WINDOW: usize = 8;

/// The pause before a link is asked for again that the server could not ask Nebuly for, if it says none.
const PAUSE: Duration = Duration::from_secs(1);

/// Ids, and the links that are known of them.
struct PendingBatch {
    places: Vec<BatchPlace>,
    /// The first one that is not answered.
    first: usize,
    answers: Answers,
}

/// The place of an id in its batch.
enum BatchPlace {
    Open {
        id: RequestedId,
        timeouts: u8,
    },
    /// Known, while one before it is not.
    Known(Box<AnsweredId>),
    Answered,
}

/// The results of one request.
#[derive(Default)]
struct Round {
    /// How many ids have their link now.
    known: usize,
    /// The links that are to be asked for again, with their places.
    deferred: Vec<(usize, LinkJson)>,
    /// The pause before that, and its reason.
    pause: Duration,
    why: String,
}

/// Sends the answers of these ids, in their order.
pub(super) async fn answer(
    client: &NebulinkClient,
    wait_budget: &WaitBudget,
    ids: io::Result<Vec<RequestedId>>,
    answers: Answers,
) {
    let answered = match ids {
        Ok(ids) => {
            let resolved = PendingBatch::new(ids, answers.clone()).resolve(client, wait_budget).await;
            resolved.map_err(|Abandonment(why)| Abandonment(format!("{}: {why}", escaped(client.url()))))
        }
        Err(error) => Err(error.into()),
    };
    if let Err(abandonment) = answered {
        // There is room for it, unless nothing is printed any more.
        drop(answers.try_send(Printout::Abandoned(abandonment)));
    }
}

impl PendingBatch {
    /// Whatever cannot be an id needs no server.
    fn new(ids: Vec<RequestedId>, answers: Answers) -> Self {
        let place = |id: RequestedId| match id.candidates {
            Ok(_) => BatchPlace::Open { id, timeouts: 0 },
            Err(why) => {
                let link = id.invalid(why);
                BatchPlace::Known(Box::new(AnsweredId::new(id, link)))
            }
        };
        let mut batch = Self { places: ids.into_iter().map(place).collect(), first: 0, answers };
        batch.send_known();
        batch
    }

    async fn resolve(mut self, client: &NebulinkClient, wait_budget: &WaitBudget) -> Result<(), Abandonment> {
        let (mut window, mut broken) = (usize::MAX, 0);
        loop {
            let asked = self.open(client.max_batch().min(window));
            if asked.is_empty() {
                return Ok(());
            }
            let mut round = Round::default();
            let ended = self.ask(client, &asked, &mut round).await;
            if round.known > 0 {
                wait_budget.renew();
                broken = 0;
            }
            match ended {
                Ok(()) if round.deferred.is_empty() => window = window.saturating_mul(2),
                Ok(()) => {
                    let may_change = !round.pause.is_zero() || round.known > 0;
                    if !may_change || !wait_budget.wait(round.pause, &round.why).await {
                        round.deferred.drain(..).for_each(|(place, link)| self.set(place, link));
                    }
                    // About as many as come through: the others would be asked for in vain.
                    window = round.known.saturating_mul(2).max(MIN_WINDOW);
                }
                Err(RequestError::TooMany(_)) if asked.len() > 1 => client.lower_max_batch(asked.len() / 2),
                Err(RequestError::Busy { pause, why }) => {
                    if !wait_budget.wait(pause, &why).await {
                        return Err(Abandonment(format!("{why} The rest is given up.")));
                    }
                }
                Err(RequestError::Broken { why, is_late }) => {
                    broken += u32::from(round.known == 0);
                    if broken == MAX_BROKEN || (is_late && broken > 0) {
                        return Err(Abandonment(format!(
                            "{why}: the server does not answer, and the rest is given up"
                        )));
                    }
                    sleep(BROKEN_PAUSE * broken).await;
                }
                Err(RequestError::TooMany(why) | RequestError::Refused(why)) => return Err(Abandonment(why)),
            }
        }
    }

    /// Asks for the ids at these places once.
    async fn ask(
        &mut self,
        client: &NebulinkClient,
        asked: &[usize],
        round: &mut Round,
    ) -> Result<(), RequestError> {
        let ids = asked.iter().filter_map(|place| self.id_at(*place));
        let mut reply = client.ask(ids).await?;
        let mut is_known = vec![false; asked.len()];
        let mut left = asked.len();
        while let Some(link) = reply.next().await? {
            let index = link.index.filter(|index| is_known.get(*index) == Some(&false));
            let place = index.and_then(|index| asked.get(index)).copied();
            let link = place.and_then(|place| checked(link, self.id_at(place)?));
            let (Some(index), Some(place), Some(link)) = (index, place, link) else {
                return Err(RequestError::Refused(
                    "the server's answer is not of the ids that it was asked for".to_owned(),
                ));
            };
            if let Some(known) = is_known.get_mut(index) {
                *known = true;
            }
            left -= 1;
            if let Some(pause) = self.pause_before_next(place, &link) {
                if pause > round.pause {
                    round.pause = pause;
                    round.why = link.error.as_ref().map(words).unwrap_or_default();
                }
                round.deferred.push((place, link));
            } else {
                round.known += 1;
                self.set(place, link);
            }
            if left == 0 {
                reply.end().await;
                return Ok(());
            }
        }
        let why = "the server's answer ended early".to_owned();
        Err(RequestError::Broken { why, is_late: false })
    }

    /// The pause before a link is asked for again; `None` if this is its result.
    fn pause_before_next(&mut self, place: usize, link: &LinkJson) -> Option<Duration> {
        let error = link.error.as_ref().filter(|_| link.state == LinkState::Failed)?;
        match &*error.kind {
            "urn:nebulink:rate-limited" | "urn:nebulink:overloaded" => {
                Some(error.retry_after.map_or(PAUSE, |seconds| Duration::from_secs(seconds.max(1).into())))
            }
            // A server with too little time for all says that of those that it did not come to.
            "urn:nebulink:timeout" => match self.places.get_mut(place) {
                Some(BatchPlace::Open { timeouts, .. }) if *timeouts + 1 < MAX_TIMEOUTS => {
                    *timeouts += 1;
                    Some(Duration::ZERO)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The places of the first ids without a link.
    fn open(&self, limit: usize) -> Vec<usize> {
        let is_open = |(position, place): (usize, &BatchPlace)| {
            matches!(place, BatchPlace::Open { .. }).then_some(position)
        };
        self.places.iter().enumerate().filter_map(is_open).take(limit).collect()
    }

    fn id_at(&self, place: usize) -> Option<&RequestedId> {
        match self.places.get(place)? {
            BatchPlace::Open { id, .. } => Some(id),
            BatchPlace::Known(_) | BatchPlace::Answered => None,
        }
    }

    /// Sets the link of an id without one, and sends the answers that are complete up to the first id without one.
    fn set(&mut self, place: usize, link: LinkJson) {
        if let Some(place) = self.places.get_mut(place) {
            *place = match std::mem::replace(place, BatchPlace::Answered) {
                BatchPlace::Open { id, .. } => BatchPlace::Known(Box::new(AnsweredId::new(id, link))),
                other => other,
            };
        }
        self.send_known();
    }

    fn send_known(&mut self) {
        while let Some(place @ BatchPlace::Known(_)) = self.places.get_mut(self.first) {
            if let BatchPlace::Known(answer) = std::mem::replace(place, BatchPlace::Answered) {
                // There is room for each, unless nothing is printed any more.
                drop(self.answers.try_send(Printout::Answer(answer)));
            }
            self.first += 1;
        }
    }
}
