//! The pages that a person or a link preview robot sees.
//!
//! They work without JavaScript, load nothing from elsewhere, and are sent with a policy that lets a browser do nothing
//! but show them.

mod card;
mod preview_robot;
mod problem_page;
mod secure_response;

pub(super) use self::card::card;
pub(super) use self::preview_robot::is_preview_robot;
pub(super) use self::problem_page::{Choice, SelfLink, problem_page};
pub(super) use self::secure_response::{HTML, secure_response};
