//! The table of problems: every reason for an answer that is no redirect, with its status, type and texts.
//!
//! The texts are the same for every cause of one kind, and never hold an upstream body, a key or an internal message.

use http::StatusCode;

use crate::domain::{Cause, InvalidId};

/// The `retry-after` where nobody said one, in seconds.
const RETRY_AFTER_DEFAULT: u32 = 5;

/// The one type of a missing token and a missing identity.
const UNAUTHENTICATED: &str = "urn:nebulink:unauthenticated";

/// The reason why a request is not answered with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// 400: the id cannot be one, or a parameter is malformed. Says what is wrong with it.
    InvalidRequest(&'static str),
    /// 401: the API token is missing or unknown.
    TokenRequired,
    /// 403: the identity header is missing or not trusted.
    IdentityRequired,
    /// 404: there is no such path.
    UnknownPath,
    /// 404: there is no such project.
    UnknownProject,
    /// 404: Nebuly does not know the id.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 409: several projects have a conversation of this id.
    Ambiguous,
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
}

impl Problem {
    /// The row of this problem.
    #[rustfmt::skip]
    #[expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
    pub(super) const fn row(self) -> ProblemRow {
        match self {
            Self::InvalidRequest(detail) => ProblemRow {
                status: StatusCode::BAD_REQUEST,
                kind: "urn:nebulink:invalid-request",
                title: "This link is not complete",
                detail,
                advice: "Check that the whole id was copied. An interaction's id is a UUID; a conversation's id is any text that your application sent to Nebuly.",
            },
            Self::TokenRequired => ProblemRow {
                status: StatusCode::UNAUTHORIZED,
                kind: UNAUTHENTICATED,
                title: "This needs an API token",
                detail: "The API token is missing, or it is not known.",
                advice: "Send the header Authorization: Bearer with a token of this installation. Whoever runs this service gives them out.",
            },
            Self::IdentityRequired => ProblemRow {
                status: StatusCode::FORBIDDEN,
                kind: UNAUTHENTICATED,
                title: "Please sign in",
                detail: "This request does not say who you are, or not in a way that can be believed.",
                advice: "Open the link at the address where your organization signs you in. If you have, tell whoever runs this service: the proxy that names you has to be in server.trusted_proxies, and to send the header of access.identity_header once.",
            },
            Self::UnknownPath => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: "urn:nebulink:unknown-path",
                title: "There is no such page",
                detail: "Links look like /go/interaction/{id} or /go/conversation/{id}.",
                advice: "Check the address, or ask whoever sent you this link.",
            },
            Self::UnknownProject => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: "urn:nebulink:unknown-project",
                title: "There is no such project",
                detail: "The parameter project names no project of this installation.",
                advice: "Check the name, or leave it out: all projects are asked then.",
            },
            Self::NotFound => ProblemRow {
                status: StatusCode::NOT_FOUND,
                kind: "urn:nebulink:not-found",
                title: "Nebuly does not know this id yet",
                detail: "The item may not have been ingested yet, or the id may be wrong.",
                advice: "A new item usually appears within a minute. If it does not, check the id.",
            },
            Self::MethodNotAllowed => ProblemRow {
                status: StatusCode::METHOD_NOT_ALLOWED,
                kind: "urn:nebulink:method-not-allowed",
                title: "This method is not allowed here",
                detail: "Links are opened with GET or HEAD.",
                advice: "Open the address in a browser.",
            },
            Self::Ambiguous => ProblemRow {
                status: StatusCode::CONFLICT,
                kind: "urn:nebulink:ambiguous",
                title: "Several projects have this conversation",
                detail: "This id stands for a conversation in more than one project.",
                advice: "Choose the one that you mean. A link with the parameter project leads there directly.",
            },
            Self::KeyRejected => ProblemRow {
                status: StatusCode::BAD_GATEWAY,
                kind: "urn:nebulink:key-rejected",
                title: "Nebuly does not let us in",
                detail: "Nebuly refuses the key of this installation.",
                advice: "Your link is fine. Whoever runs this service has to renew its key.",
            },
            Self::BadAnswer => ProblemRow {
                status: StatusCode::BAD_GATEWAY,
                kind: "urn:nebulink:bad-answer",
                title: "Nebuly gave an answer that cannot be used",
                detail: "The answer of Nebuly has no address that may be opened.",
                advice: "Your link is fine. Try again later; if it stays so, tell whoever runs this service.",
            },
            Self::Unavailable => ProblemRow {
                status: StatusCode::BAD_GATEWAY,
                kind: "urn:nebulink:unavailable",
                title: "Nebuly cannot be reached",
                detail: "Nebuly could not be asked for this link.",
                advice: "Your link is fine. Try again in a moment.",
            },
            Self::Overloaded { .. } => ProblemRow {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: "urn:nebulink:overloaded",
                title: "Too much is being asked at once",
                detail: "Nebuly cannot be asked for this link just now.",
                advice: "Your link is fine. Wait a few seconds and try again.",
            },
            Self::RateLimited { .. } => ProblemRow {
                status: StatusCode::TOO_MANY_REQUESTS,
                kind: "urn:nebulink:rate-limited",
                title: "You are asking for many new links",
                detail: "Links that were opened before still work at once; new ones are limited for each caller.",
                advice: "Your link is fine. Wait a few seconds and try again.",
            },
            Self::Timeout => ProblemRow {
                status: StatusCode::GATEWAY_TIMEOUT,
                kind: "urn:nebulink:timeout",
                title: "Nebuly takes too long",
                detail: "Nebuly did not answer in time.",
                advice: "Your link is fine. Try again in a moment.",
            },
            Self::Internal => ProblemRow {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                kind: "urn:nebulink:internal",
                title: "Something went wrong here",
                detail: "The request could not be answered because of a defect.",
                advice: "Try again. If it stays so, tell whoever runs this service, with the number below.",
            },
        }
    }

    /// The `retry-after` of the answer, in seconds.
    pub(super) const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Overloaded { retry_after: Some(seconds) } | Self::RateLimited { retry_after: seconds } => {
                Some(seconds)
            }
            Self::Overloaded { retry_after: None } => Some(RETRY_AFTER_DEFAULT),
            Self::InvalidRequest(_)
            | Self::TokenRequired
            | Self::IdentityRequired
            | Self::UnknownPath
            | Self::UnknownProject
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Ambiguous
            | Self::KeyRejected
            | Self::BadAnswer
            | Self::Unavailable
            | Self::Timeout
            | Self::Internal => None,
        }
    }
}

impl From<InvalidId> for Problem {
    fn from(invalid: InvalidId) -> Self {
        Self::InvalidRequest(match invalid {
            InvalidId::Empty => "The id is empty.",
            InvalidId::TooLong => "The id is longer than 512 bytes.",
            InvalidId::NotUtf8 => "The id is not valid UTF-8.",
            InvalidId::ControlCharacter => "The id has a control character.",
            InvalidId::DotPart => "A part of the id is . or .. and would change the path.",
            InvalidId::NotAUuid => "The id of an interaction is a UUID; this is none.",
            InvalidId::CodeTooLarge => "The code of this short link is over 128 bits; no interaction has it.",
            InvalidId::ForeignUrl => "The address is not that of a page of Nebuly's.",
        })
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
