//! The circuit breaker of a project.

mod breaker;
mod state;

pub(in crate::nebuly) use self::breaker::{Admission, Breaker};
pub(in crate::nebuly) use self::state::Evidence;
