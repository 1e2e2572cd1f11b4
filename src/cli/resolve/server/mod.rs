//! Asks a running nebulink for the links, through its API for programs: `POST /api/v1/links`, answered line by line.
//!
//! `client` sends the requests; `batch` asks for some ids until each has its link, in one request or more; `reply` is the
//! answer to one request; `check` is the check of a link in it.

mod batch;
mod check;
mod client;
mod reply;

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

pub(super) use self::client::{NebulinkClient, ServerOptions, base};
use super::answer::Answers;
use super::ids::Ids;
use super::wait_budget::WaitBudget;

/// The batches that are under way at once: a server has so many places for one caller.
const BATCHES: usize = 2;

/// Looks all ids up. Those that have been read make a batch, so that nobody waits for a slow source.
pub(super) async fn answer(client: &NebulinkClient, ids: Ids, answers: &Answers) {
    let wait_budget = &WaitBudget::new(answers);
    let (in_order, mut batches) = mpsc::channel(BATCHES);
    let asking = async move {
        let begun = stream::unfold((ids, in_order), async |(mut ids, in_order)| {
            let ids_read = ids.next_batch(client.max_batch()).await;
            let len = ids_read.as_ref().map_or(1, Vec::len);
            if len == 0 {
                return None;
            }
            // With room for each answer and a last word: no batch waits for the printing.
            let (sender, receiver) = mpsc::channel(len + 1);
            in_order.send(receiver).await.ok()?;
            Some(((ids_read, sender), (ids, in_order)))
        });
        begun
            .for_each_concurrent(BATCHES, async |(ids, answers)| {
                batch::answer(client, wait_budget, ids, answers).await;
            })
            .await;
    };
    let forwarding = async {
        while let Some(mut batch) = batches.recv().await {
            while let Some(answer) = batch.recv().await {
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::join!(asking, forwarding);
}
