//! The parts that pages have in common, and the pages that belong to no other room.
//!
//! Pages work without JavaScript, load nothing from elsewhere, and are sent with a policy that lets a browser do nothing
//! but show them.
//!
//! | file | job |
//! |---|---|
//! | `frame` | what stands around the content of a page: `templates/layout.html` |
//! | `page_response` | the response of a page, with its policy |
//! | `visible_text` | a text of a caller's, with its invisible characters marked |
//! | `time_text` | a moment, in words |
//! | `problem_page` | the page of a problem |
//! | `fixed_files` | the mark, the file for robots, and the description for browsers |
//! | `card`, `preview_robot` | the card of a link, and the robots that get it |

mod card;
mod fixed_files;
mod frame;
mod page_response;
mod preview_robot;
mod problem_page;
mod time_text;
mod visible_text;

pub(super) use self::card::{card, card_of_tag};
pub(super) use self::fixed_files::{AN_HOUR, favicon, open_search, robots};
pub(super) use self::frame::{Frame, Section};
pub(super) use self::page_response::{PagePolicy, page_response, secure_response};
pub(super) use self::preview_robot::is_preview_robot;
pub(super) use self::problem_page::{Choice, problem_page};
pub(super) use self::time_text::TimeText;
pub(super) use self::visible_text::VisibleText;
