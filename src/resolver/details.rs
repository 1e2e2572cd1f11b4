//! The details of items: from the cache, or from the project that has the item.

use std::sync::Arc;

use crate::domain::{
    Answer, CallFailure, Cause, Clock, Details, DetailsCache, Item, ItemDetails, LazyCaller, ProjectIndex,
};

/// The projects that are asked for details, and the cache of them.
pub struct ResolverDetails {
    /// The projects; their order is that of [`ProjectIndex`].
    pub projects: Vec<Box<dyn ItemDetails>>,
    /// The cache.
    pub cache: Arc<dyn DetailsCache>,
}

impl ResolverDetails {
    /// The details of an item that were read a short time ago.
    pub(super) fn cached(
        &self,
        project: ProjectIndex,
        item: &Item<'static>,
        clock: &dyn Clock,
    ) -> Option<Arc<Details>> {
        self.cache.get(project, item, clock.monotonic())
    }

    /// Takes the details of an item from the cache, or asks its project. Only details are cached: what failed may work the
    /// next time.
    pub(super) async fn of(
        &self,
        project: ProjectIndex,
        item: Item<'static>,
        caller: &dyn LazyCaller,
        clock: &dyn Clock,
    ) -> Result<Answer<Arc<Details>>, CallFailure> {
        if let Some(details) = self.cached(project, &item, clock) {
            return Ok(Answer::Found(details));
        }
        let source = self.projects.get(project.position());
        let source = source.ok_or(CallFailure { cause: Cause::Internal, status: None })?;
        match source.details(&item, caller.caller()).await? {
            Answer::Absent { status } => Ok(Answer::Absent { status }),
            Answer::Found(fields) => {
                let details = Arc::new(Details { fields, read_at: clock.now() });
                self.cache.insert(project, item, Arc::clone(&details), clock.monotonic());
                Ok(Answer::Found(details))
            }
        }
    }
}
