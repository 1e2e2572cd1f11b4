//! The table of problems: every reason for an answer that is no redirect, with its status, type and texts.
//!
//! The texts are the same for every cause of one kind, and never hold an upstream body, a key or an internal message.

use std::borrow::Cow;

use http::StatusCode;

use crate::domain::{Cause, InvalidId, Kind, TimeRange, Timestamp};

/// The `retry-after` where nobody said one, in seconds.
const RETRY_AFTER_DEFAULT: u32 = 5;

/// The one type of whatever is wrong with a request itself.
const INVALID_REQUEST: &str = "urn:nebulink:invalid-request";

/// The one type of an id and of a tag that Nebuly does not know.
const NOT_FOUND: &str = "urn:nebulink:not-found";

/// The one type of an id and of a tag that several projects know.
const AMBIGUOUS: &str = "urn:nebulink:ambiguous";

/// The one type of too many calls and too many batches.
const OVERLOADED: &str = "urn:nebulink:overloaded";

/// The one type of a path and of a tag that are not ours.
const UNKNOWN_PATH: &str = "urn:nebulink:unknown-path";

/// The one type of a missing token and a missing identity.
const UNAUTHENTICATED: &str = "urn:nebulink:unauthenticated";

/// The reason why a request is not answered with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// 400: a parameter is malformed. Says what is wrong with it.
    InvalidRequest(&'static str),
    /// 400: a parameter of this name is given twice.
    RepeatedParameter(&'static str),
    /// 400: the body is not JSON.
    NotJson {
        /// The line of the first character that is wrong, from 1.
        line: usize,
        /// Its column, from 1; 0 at the end of the line before.
        column: usize,
    },
    /// 400: the id cannot be one.
    InvalidId {
        /// Why.
        why: InvalidId,
        /// The kind that the request named.
        kind: Option<Kind>,
    },
    /// 400: the value of a tag cannot be one.
    InvalidValue,
    /// 413: the body is longer than 1 MiB.
    TooLarge,
    /// 413: a batch has more links than `limits.batch`.
    TooManyLinks {
        /// How many it has.
        sent: usize,
        /// How many it may have.
        most: usize,
    },
    /// 415: the body of a form is not one, or not in UTF-8.
    UnsupportedForm,
    /// 415: the body is not sent as JSON. Says how it is sent.
    UnsupportedBody(&'static str),
    /// 422: a member of the body is missing, or not of its type.
    InvalidMember {
        /// The member.
        member: BodyMember,
        /// The kind of value that stands in its place.
        found: &'static str,
    },
    /// 403: another site sent the form.
    CrossSite,
    /// 401: the API token is missing or unknown.
    TokenRequired,
    /// 403: the identity header is missing or not trusted.
    IdentityRequired,
    /// 404: there is no such path.
    UnknownPath {
        /// True if it is one below `/api`.
        is_api: bool,
    },
    /// 404: no tag of this name may be looked up.
    UnknownTag,
    /// 404: there is no such project.
    UnknownProject,
    /// 404: Nebuly does not know the id.
    NotFound,
    /// 404: Nebuly has no item with the tag in the window, or not the item that it had.
    TagNotFound {
        /// The kind of the item.
        kind: Kind,
        /// The window, if it is known.
        searched: Option<TimeRange>,
        /// True if the item may still come: the window is not over.
        may_come: bool,
    },
    /// 405.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// 409: several projects have a conversation of this id.
    Ambiguous,
    /// 409: several projects have an item with the tag.
    AmbiguousTag,
    /// 502: Nebuly rejects our key.
    KeyRejected,
    /// 502: Nebuly's answer is no URL that may be used.
    BadAnswer,
    /// 502: Nebuly cannot be reached, resets, or answers 5xx.
    Unavailable,
    /// 503: Nebuly answered 429, its circuit breaker is open, too many calls are queued, or too little time is left for
    /// one.
    Overloaded {
        /// Seconds, if Nebuly said how many.
        retry_after: Option<u32>,
    },
    /// 503: all places for batches and pastes are taken, or this caller has its share of them.
    TooManyBatches,
    /// 429: this caller asked for too many cold links.
    RateLimited {
        /// Seconds.
        retry_after: u32,
    },
    /// 504: Nebuly did not answer in time.
    Timeout,
    /// 500: a defect of ours.
    Internal,
}

/// A member of the body of a batch. A link is told by its position, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyMember {
    /// The body itself.
    Body,
    /// The list of links.
    Links,
    /// A link.
    Link(usize),
    /// The id of a link.
    Id(usize),
    /// The kind of a link.
    Kind(usize),
    /// The project of a link.
    Project(usize),
}

/// The step that a page offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// None: only somebody else can help, or the page says how.
    None,
    /// Asking again, which may succeed.
    TryAgain,
    /// Pasting the id in place of the link.
    Paste,
    /// Asking all projects for the same link, if there is one.
    AllProjects,
    /// Going on from the first page.
    StartPage,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProblemRow {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
    /// The reason, for a person.
    pub(super) detail: &'static str,
    /// The next step, for a person.
    pub(super) advice: &'static str,
    pub(super) remedy: Remedy,
}

impl Problem {
    /// The row of this problem.
    #[rustfmt::skip]
    #[expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
    pub(super) const fn row(self) -> ProblemRow {
        match self {
            Self::InvalidRequest(detail) => ProblemRow {
                status: StatusCode::BAD_REQUEST,
                kind: INVALID_REQUEST,
                title: "This request is not valid",
                detail,
                advice: "Check that the whole address was copied.",
                remedy: Remedy::Paste,
            },
            Self::RepeatedParameter(_) => ProblemRow {
                status: StatusCode::BAD_REQUEST,
                kind: INVALID_REQUEST,
                title: "This request is not valid",
                detail: "A parameter is given twice.",
                advice: "Check that the whole address was copied.",
                remedy: Remedy::Paste,
            },
            Self::NotJson { .. } => ProblemRow {
                status: StatusCode::BAD_REQUEST,
                kind: INVALID_REQUEST,
                title: "This request is not valid",
                detail: "The body is not JSON.",
                advice: "Write it with a library for JSON.",
                remedy: Remedy::None,
            },
            Self::InvalidId { why, .. } => ProblemRow {
                status: StatusCode::BAD_REQUEST,
                kind: INVALID_REQUEST,
                title: "This request is not valid",
                detail: invalid_id(why),
                advice: match why {
                    InvalidId::Empty => "The field that the link was made of holds nothing, or the end of the link is missing.",
                    InvalidId::TagLink => "",
                    _ => "Check that the whole id was copied, and nothing else.",
                },
                remedy: match why {
                    InvalidId::TagLink => Remedy::None,
                    _ => Remedy::Paste,
                },
            },
            Self::InvalidValue => ProblemRow {
                status: StatusCode::BAD_REQUEST,
                kind: INVALID_REQUEST,
                title: "This request is not valid",
                detail: "The value of a tag is 1 to 512 bytes of text without control characters, and no part of it is . or ..",
                advice: "Check that the whole value was copied.",
                remedy: Remedy::None,
            },
            Self::TooLarge => ProblemRow {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                kind: INVALID_REQUEST,
                title: "This is too much text",
                detail: "The body of a request has at most 1 MiB.",
                advice: "The lines with ids are enough.",
                remedy: Remedy::StartPage,
            },
            Self::TooManyLinks { .. } => ProblemRow {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                kind: INVALID_REQUEST,
                title: "These are too many links",
                detail: "A request takes at most as many links as limits.batch says: 1000, unless it is set.",
                advice: "Send them in several requests.",
                remedy: Remedy::None,
            },
            Self::UnsupportedBody(_) => ProblemRow {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                kind: INVALID_REQUEST,
                title: "This body cannot be read",
                detail: "A body is sent as application/json, in UTF-8 and without a content encoding.",
                advice: "Send the header Content-Type: application/json.",
                remedy: Remedy::None,
            },
            Self::InvalidMember { member, .. } => ProblemRow {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                kind: INVALID_REQUEST,
                title: "This request is not valid",
                detail: member.rule(),
                advice: "Correct the member that pointer names.",
                remedy: Remedy::None,
            },
            Self::UnsupportedForm => ProblemRow {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                kind: INVALID_REQUEST,
                title: "This form cannot be read",
                detail: "A form is sent as application/x-www-form-urlencoded, in UTF-8.",
                advice: "Send it from the page.",
                remedy: Remedy::StartPage,
            },
            Self::CrossSite => ProblemRow {
                status: StatusCode::FORBIDDEN,
                kind: "urn:nebulink:cross-site",
                title: "Another site sent this form",
                detail: "Only the pages of this installation may send their forms.",
                advice: "Open the page here, and send the form from there.",
                remedy: Remedy::StartPage,
            },
            Self::TokenRequired => ProblemRow {
                status: StatusCode::UNAUTHORIZED,
                kind: UNAUTHENTICATED,
                title: "This needs an API token",
                detail: "The API token is missing, or it is not known.",
                advice: "Send the header Authorization: Bearer with a token of this installation. Whoever runs this service gives them out.",
                remedy: Remedy::None,
            },
            Self::IdentityRequired => ProblemRow {
                status: StatusCode::FORBIDDEN,
                kind: UNAUTHENTICATED,
                title: "Please sign in",
                detail: "This request does not say who you are, or not in a way that can be trusted.",
                advice: "Open the link at the address where your organization signs you in. If you have, tell whoever runs this service: the proxy that names you has to be in server.trusted_proxies, and to send the header of access.identity_header once.",
                remedy: Remedy::None,
            },
            Self::UnknownTag => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: UNKNOWN_PATH,
                title: "There is no such tag",
                detail: "Only the tags of lookup.tags are looked up. Links look like /go/tag/{name}?value={value}.",
                advice: "Check the name, or ask whoever runs this service to add it.",
                remedy: Remedy::StartPage,
            },
            Self::UnknownPath { is_api: false } => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: UNKNOWN_PATH,
                title: "There is no such page",
                detail: "Links look like /go/interaction?id={id} or /go/conversation?id={id}.",
                advice: "Check the address, or ask whoever sent you this link.",
                remedy: Remedy::StartPage,
            },
            Self::UnknownPath { is_api: true } => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: UNKNOWN_PATH,
                title: "The API has no such path",
                detail: "It has /api/v1/links/{kind}/{id} for one link, where the kind is interaction or conversation and the id is not empty, and /api/v1/links for many.",
                advice: "Check the path: /openapi.json describes all of them.",
                remedy: Remedy::None,
            },
            Self::UnknownProject => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: "urn:nebulink:unknown-project",
                title: "There is no such project",
                detail: "This installation has no project of that name.",
                advice: "Check the name, or leave it out: all projects are asked then.",
                remedy: Remedy::AllProjects,
            },
            Self::NotFound => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: NOT_FOUND,
                title: "Not in Nebuly yet",
                detail: "Nebuly does not know this id. The item may not have been ingested yet.",
                advice: "A new one usually appears within a minute. Otherwise check the id.",
                remedy: Remedy::TryAgain,
            },
            Self::TagNotFound { may_come: false, .. } => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: NOT_FOUND,
                title: "Not in Nebuly",
                detail: "Nebuly has nothing with this tag in the time that was searched.",
                advice: "Check the value, the kind and the time.",
                remedy: Remedy::TryAgain,
            },
            Self::TagNotFound { may_come: true, .. } => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: NOT_FOUND,
                title: "Not in Nebuly yet",
                detail: "Nebuly has nothing with this tag in the time that was searched. It may not have been ingested yet.",
                advice: "A new item usually appears within a minute. Otherwise check the value.",
                remedy: Remedy::TryAgain,
            },
            Self::MethodNotAllowed { .. } => ProblemRow {
                status: StatusCode::METHOD_NOT_ALLOWED,
                kind: "urn:nebulink:method-not-allowed",
                title: "This method is not allowed here",
                detail: "The header Allow lists the methods of this address.",
                advice: "Open the address in a browser.",
                remedy: Remedy::None,
            },
            Self::Ambiguous => ProblemRow {
                status: StatusCode::CONFLICT,
                kind: AMBIGUOUS,
                title: "Several projects have this conversation",
                detail: "More than one project has a conversation with this id.",
                advice: "Choose the one that you mean.",
                remedy: Remedy::None,
            },
            Self::AmbiguousTag => ProblemRow {
                status: StatusCode::CONFLICT,
                kind: AMBIGUOUS,
                title: "Several projects have this tag",
                detail: "More than one project has an item with this tag.",
                advice: "Choose the one that you mean.",
                remedy: Remedy::None,
            },
            Self::KeyRejected => ProblemRow {
                status: StatusCode::BAD_GATEWAY,
                kind: "urn:nebulink:key-rejected",
                title: "Nebuly refuses our key",
                detail: "Your link is fine, but Nebuly does not accept the key of this installation.",
                advice: "Whoever runs this service has to renew the key.",
                remedy: Remedy::None,
            },
            Self::BadAnswer => ProblemRow {
                status: StatusCode::BAD_GATEWAY,
                kind: "urn:nebulink:bad-answer",
                title: "Nebuly's answer cannot be used",
                detail: "Your link is fine, but Nebuly's answer has no address that may be opened.",
                advice: "Please tell whoever runs this service.",
                remedy: Remedy::None,
            },
            Self::Unavailable => ProblemRow {
                status: StatusCode::BAD_GATEWAY,
                kind: "urn:nebulink:unavailable",
                title: "Nebuly cannot answer now",
                detail: "Your link is fine, but Nebuly failed or could not be reached.",
                advice: "Try again in a moment.",
                remedy: Remedy::TryAgain,
            },
            Self::Overloaded { .. } => ProblemRow {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: OVERLOADED,
                title: "Nebuly is busy",
                detail: "Your link is fine, but Nebuly cannot be asked for it just now.",
                advice: "",
                remedy: Remedy::TryAgain,
            },
            Self::TooManyBatches => ProblemRow {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: OVERLOADED,
                title: "Too many batches at once",
                detail: "Too many batches or pastes of links are being received or looked up already, or too many of yours.",
                advice: "",
                remedy: Remedy::StartPage,
            },
            Self::RateLimited { .. } => ProblemRow {
                status: StatusCode::TOO_MANY_REQUESTS,
                kind: "urn:nebulink:rate-limited",
                title: "Too many new links",
                detail: "Your link is fine. Links that were opened before still open at once; new ones are limited for each caller.",
                advice: "",
                remedy: Remedy::TryAgain,
            },
            Self::Timeout => ProblemRow {
                status: StatusCode::GATEWAY_TIMEOUT,
                kind: "urn:nebulink:timeout",
                title: "Nebuly takes too long",
                detail: "Your link is fine, but Nebuly did not answer in time.",
                advice: "Try again in a moment.",
                remedy: Remedy::TryAgain,
            },
            Self::Internal => ProblemRow {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                kind: "urn:nebulink:internal",
                title: "A defect of ours",
                detail: "The request could not be answered because of a defect.",
                advice: "Try again. If it stays so, tell whoever runs this service the request number below.",
                remedy: Remedy::TryAgain,
            },
        }
    }

    /// The reason, with what is wrong with this request. It names only what is safe to show: parameters, numbers and types.
    pub(super) fn detail(self) -> Cow<'static, str> {
        let rule = self.row().detail;
        match self {
            Self::RepeatedParameter(name) => format!("The parameter {name} is given twice.").into(),
            Self::NotJson { line, column } => {
                format!("The body is not JSON: see line {line}, column {column}.").into()
            }
            Self::TooManyLinks { sent, most } => {
                format!("This request has {sent} links, and limits.batch allows {most}.").into()
            }
            Self::UnsupportedBody(sent) => format!("{rule} {sent}").into(),
            Self::InvalidMember { member: BodyMember::Body, found } => {
                format!("{rule} This one is {found}.").into()
            }
            Self::InvalidMember { member, found } => {
                format!("{rule} {} is {found}.", member.pointer()).into()
            }
            Self::TagNotFound { kind, searched: Some(TimeRange { start, end }), may_come } => {
                let (start, end) = (to_the_minute(start), to_the_minute(end));
                let yet = if may_come { " It may not have been ingested yet." } else { "" };
                format!("Nebuly has no {kind} with this tag between {start} and {end} (UTC).{yet}").into()
            }
            _ => rule.into(),
        }
    }

    /// Returns true if Nebuly does not know the item.
    pub(super) const fn is_not_found(self) -> bool {
        matches!(self, Self::NotFound | Self::TagNotFound { .. })
    }

    /// Returns true if the item may still come.
    pub(super) const fn may_come(self) -> bool {
        matches!(self, Self::NotFound | Self::TagNotFound { may_come: true, .. })
    }

    /// The `retry-after` of the answer, in seconds.
    pub(super) const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Overloaded { retry_after: Some(seconds) } | Self::RateLimited { retry_after: seconds } => {
                Some(seconds)
            }
            Self::Overloaded { retry_after: None } | Self::TooManyBatches => Some(RETRY_AFTER_DEFAULT),
            Self::InvalidRequest(_)
            | Self::RepeatedParameter(_)
            | Self::NotJson { .. }
            | Self::InvalidId { .. }
            | Self::InvalidValue
            | Self::TooLarge
            | Self::TooManyLinks { .. }
            | Self::UnsupportedBody(_)
            | Self::InvalidMember { .. }
            | Self::UnsupportedForm
            | Self::CrossSite
            | Self::TokenRequired
            | Self::IdentityRequired
            | Self::UnknownPath { .. }
            | Self::UnknownTag
            | Self::UnknownProject
            | Self::NotFound
            | Self::TagNotFound { .. }
            | Self::MethodNotAllowed { .. }
            | Self::Ambiguous
            | Self::AmbiguousTag
            | Self::KeyRejected
            | Self::BadAnswer
            | Self::Unavailable
            | Self::Timeout
            | Self::Internal => None,
        }
    }
}

impl BodyMember {
    /// Where the member stands, or would stand (RFC 6901).
    pub(super) fn pointer(self) -> String {
        match self {
            Self::Body => String::new(),
            Self::Links => "/links".to_owned(),
            Self::Link(position) => format!("/links/{position}"),
            Self::Id(position) => format!("/links/{position}/id"),
            Self::Kind(position) => format!("/links/{position}/kind"),
            Self::Project(position) => format!("/links/{position}/project"),
        }
    }

    /// The rule that it breaks.
    const fn rule(self) -> &'static str {
        match self {
            Self::Body => "The body is an object with the member links.",
            Self::Links => "The member links is a list.",
            Self::Link(_) => "A link is an object with the member id.",
            Self::Id(_) => "The id of a link is a string.",
            Self::Kind(_) => {
                "The kind of a link is interaction or conversation. Without it, the kind is found out."
            }
            Self::Project(_) => "The project of a link is a string. Without it, all projects are asked.",
        }
    }
}

/// Such as `2026-11-20 10:00`, in UTC.
fn to_the_minute(time: Timestamp) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// The reason why an id is not valid, for a person.
const fn invalid_id(why: InvalidId) -> &'static str {
    match why {
        InvalidId::Empty => "The id is empty.",
        InvalidId::TooLong => "The id is longer than 512 bytes.",
        InvalidId::NotUtf8 => "The id is not valid UTF-8.",
        InvalidId::ControlCharacter => "The id has a control character.",
        InvalidId::DotPart => "A part of the id is . or .. and would change the path.",
        InvalidId::NotAUuid => "The id of an interaction is a UUID; this is none.",
        InvalidId::CodeTooLarge => "The code of this short link is over 128 bits; no interaction has it.",
        InvalidId::ForeignUrl => "The address is not that of a page of Nebuly's.",
        InvalidId::TagLink => "This link looks a tag up and has no id. Open it as it is.",
    }
}

impl From<Cause> for Problem {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::KeyRejected => Self::KeyRejected,
            Cause::BadAnswer => Self::BadAnswer,
            Cause::Unavailable => Self::Unavailable,
            Cause::Overloaded { retry_after } => Self::Overloaded { retry_after },
            Cause::RateLimited { retry_after } => Self::RateLimited { retry_after },
            Cause::Timeout => Self::Timeout,
            Cause::Internal => Self::Internal,
        }
    }
}
