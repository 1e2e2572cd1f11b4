//! The pages that a person or a link preview robot sees.

mod card;
mod preview_robot;
mod problem_page;

pub(super) use self::card::card;
pub(super) use self::preview_robot::is_preview_robot;
pub(super) use self::problem_page::{LOOKS, Pages, SelfLink};
