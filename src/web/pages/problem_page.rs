//! The pages that a person sees.
//!
//! They work without JavaScript, load nothing from elsewhere, and are sent with a policy that lets a browser do nothing
//! but show them.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::domain::{IdCandidates, Kind, ProjectName};
use crate::text::percent_encoded;
use crate::web::observability::RequestId;
use crate::web::problem::{Choice, Problem};

/// The parameter by which the page for an unknown item counts how often it has looked again.
pub(in crate::web) const LOOKS: &str = "looks";

/// It looks again every five seconds for a minute.
const MAX_LOOKS: u8 = 12;

/// The only style there is; the policy names its hash.
const STYLE: &str = include_str!("../../../templates/style.css");

/// What all pages share.
#[derive(Debug)]
pub(in crate::web) struct Pages {
    policy: HeaderValue,
}

/// Where the link that failed is asked for again; built from what was read of it, never from the request's target.
#[derive(Debug)]
pub(in crate::web) struct SelfLink {
    kind: Option<Kind>,
    id: String,
    path: String,
    looks: u8,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    style: &'static str,
    title: &'a str,
    detail: &'a str,
    advice: &'a str,
    request_id: &'a str,
    kind: &'static str,
    id: &'a str,
    /// The label of the button and where it leads.
    button: Option<(&'static str, &'a str)>,
    /// Where the page goes by itself after five seconds.
    look_again: Option<String>,
    choices: &'a [Choice],
}

impl Pages {
    pub(in crate::web) fn new() -> Self {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        // Base64 and the words above always make a header; without one nothing may be loaded at all.
        Self {
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }

    /// Adds the headers that keep a page to itself.
    pub(in crate::web) fn secure(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
    }

    /// The page of a problem, or nothing if it cannot be written.
    pub(in crate::web) fn problem(
        problem: Problem,
        request_id: &RequestId,
        link: Option<&SelfLink>,
        choices: &[Choice],
    ) -> Option<String> {
        let row = problem.row();
        let look_again = link.filter(|link| problem == Problem::NotFound && link.looks < MAX_LOOKS);
        let label = if problem == Problem::NotFound { "Look again" } else { "Try again" };
        let page = ProblemPage {
            style: STYLE,
            title: row.title,
            detail: row.detail,
            advice: row.advice,
            request_id: request_id.as_str(),
            kind: link.and_then(|link| link.kind).map_or("id", Kind::as_str),
            id: link.map_or("", |link| link.id.as_str()),
            button: link.filter(|_| choices.is_empty()).map(|link| (label, link.path.as_str())),
            choices,
            look_again: look_again.map(|link| format!("{}&{LOOKS}={}", link.path, link.looks + 1)),
        };
        page.render().ok()
    }
}

impl SelfLink {
    /// Its path and query.
    pub(in crate::web) fn into_path(self) -> String {
        self.path
    }

    /// The link that a request named, in the query form: it survives every tool and proxy.
    pub(in crate::web) fn new(
        base_path: &str,
        candidates: &IdCandidates<'_>,
        project: Option<&ProjectName>,
        looks: u8,
    ) -> Self {
        let item = candidates.first();
        let kind = candidates.kind_was_named().then(|| item.kind());
        let id = candidates.text().into_owned();
        let query = percent_encoded(&id);
        let mut path = match kind {
            Some(kind) => format!("{base_path}/go/{kind}?id={query}"),
            None => format!("{base_path}/go?id={query}"),
        };
        if let Some(project) = project {
            // A project's name needs no encoding.
            path.push_str("&project=");
            path.push_str(project.as_str());
        }
        Self { kind, id, path, looks }
    }
}
