//! Asks several projects for one item.
//!
//! The project that found an item last is asked first, the others together if it does not have this one or is slow: with
//! one project that owns nearly all links, a cold link costs about one call. An id that is unique only within a project is
//! asked for in all, since several may have it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::projects::ResolverProjects;
use crate::domain::{Answer, CallFailure, CallOptions, Cause, Item, ProjectIndex, ProjectSet, TargetUrl};

/// The time after which the others are asked if the first project has not answered; and, where several may have the item,
/// the time that the others have to answer once one has it. Longer than a healthy Nebuly takes, shorter than a person
/// notices.
const SLOW: Duration = Duration::from_millis(400);

/// One question to several projects, and what they said.
#[derive(Debug, Default)]
pub(super) struct ProjectQuery {
    /// The projects that have the item, in the order of their answers.
    pub(super) found: Vec<(ProjectIndex, TargetUrl)>,
    /// The projects that do not.
    pub(super) absent: ProjectSet,
    /// The status of the first answer that decides.
    pub(super) status: Option<u16>,
    /// Those of them that say that the item is gone, rather than refuse the call.
    pub(super) gone: ProjectSet,
    /// The first failure.
    pub(super) failure: Option<CallFailure>,
    /// True if a project that was asked has not answered.
    pub(super) unanswered: bool,
}

impl ProjectQuery {
    /// Asks these projects, the first of them first, and returns when enough of them have answered.
    pub(super) async fn run(
        projects: &ResolverProjects,
        order: &[ProjectIndex],
        item: &Item<'static>,
        options: &CallOptions,
    ) -> Self {
        let mut query = Self::default();
        let ask = |project: ProjectIndex| async move {
            let answer = match projects.source(project) {
                Some(source) => source.resolve(item, options).await,
                None => Err(CallFailure { cause: Cause::Internal, status: None }),
            };
            (project, answer)
        };
        let mut waiting = order.iter().copied();
        let mut asked = FuturesUnordered::new();
        let unique = item.is_unique();
        if unique {
            asked.extend(waiting.next().map(ask));
        } else {
            asked.extend(waiting.by_ref().map(ask));
        }
        let mut slow = Box::pin(tokio::time::sleep(SLOW));
        loop {
            let enough = !query.found.is_empty() && unique;
            if enough || (asked.is_empty() && waiting.len() == 0) {
                break;
            }
            tokio::select! {
                biased;
                answer = asked.next(), if !asked.is_empty() => {
                    let first_found = query.found.is_empty();
                    if let Some((project, answer)) = answer {
                        query.note(project, answer);
                    }
                    if first_found && !query.found.is_empty() {
                        // The others get as long as a healthy Nebuly takes, and no longer.
                        slow.as_mut().reset(tokio::time::Instant::now() + SLOW);
                    } else if query.found.is_empty() {
                        asked.extend(waiting.by_ref().map(ask));
                    }
                }
                () = &mut slow, if waiting.len() > 0 || !query.found.is_empty() => {
                    if !query.found.is_empty() {
                        break;
                    }
                    asked.extend(waiting.by_ref().map(ask));
                }
            }
        }
        query.unanswered = !asked.is_empty();
        query
    }

    fn note(&mut self, project: ProjectIndex, answer: Result<Answer, CallFailure>) {
        match answer {
            Ok(Answer::Found(url)) => {
                if self.found.is_empty() {
                    self.status = Some(200);
                }
                self.found.push((project, url));
            }
            Ok(Answer::Absent { status }) => {
                self.status.get_or_insert(status);
                self.absent.insert(project);
                if (Answer::Absent { status }).is_gone() {
                    self.gone.insert(project);
                }
            }
            Err(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
    }

    /// Returns true if a project that did not find the item may have it.
    pub(super) const fn is_incomplete(&self) -> bool {
        self.unanswered || self.failure.is_some()
    }
}
