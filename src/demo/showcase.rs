//! The demo: a stand-in with samples, and with ids that fail in every way.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use http::{HeaderValue, StatusCode};
use jiff::Timestamp;

use super::faults::{Fault, Matching};
use super::page::{self, WayToFail};
use super::projects::StandInProject;
use super::samples::{self, SampleLink};
use super::stand_in::StandIn;
use crate::text::percent_encoded;

/// The path of the page with the ways to fail.
const ERRORS_PATH: &str = "/errors";

/// A stand-in with the samples of `nebulink demo`. Dropping it ends the stand-in.
pub struct Demo {
    stand_in: StandIn,
}

impl Demo {
    /// Starts on a free port of `127.0.0.1`.
    pub async fn start() -> io::Result<Self> {
        let stand_in = StandIn::start().await?;
        stand_in.add_project(samples::project());
        for interaction in samples::interactions(Timestamp::now()) {
            stand_in.add(samples::KEY, interaction);
        }
        stand_in.ingest_later(samples::KEY, samples::NOT_YET, samples::INGESTION);
        for sample in failing_samples() {
            stand_in.set_fault_for(Matching::id(sample.id), sample.fault);
        }
        Ok(Self { stand_in })
    }

    /// The stand-in, to be set as `nebuly.api_base_url` and `nebuly.platform_url`.
    #[must_use]
    pub fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// The only project, with its key.
    #[must_use]
    pub fn project(&self) -> StandInProject {
        samples::project()
    }

    /// The links to print: every sample that exists.
    #[must_use]
    pub fn links(&self) -> Vec<SampleLink> {
        samples::links()
    }

    /// An item that never exists.
    #[must_use]
    pub fn unknown(&self) -> SampleLink {
        SampleLink::interaction(samples::UNKNOWN, "nobody knows this one")
    }

    /// An item that appears twelve seconds after it is first asked for.
    #[must_use]
    pub fn not_yet(&self) -> SampleLink {
        SampleLink::interaction(
            samples::NOT_YET,
            "not ingested yet: it appears twelve seconds after the first click",
        )
    }

    /// Serves the page of the ways to see each error page, with links to nebulink at this address.
    pub fn set_nebulink_address(&self, nebulink: SocketAddr) {
        self.stand_in.set_page(ERRORS_PATH, page::errors(&ways_to_fail(nebulink)));
    }

    /// The URL of that page; before nebulink's address is set, it is a 404.
    #[must_use]
    pub fn errors_url(&self) -> String {
        format!("http://{}{ERRORS_PATH}", self.stand_in.address())
    }
}

impl fmt::Debug for Demo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Demo").field("stand_in", &self.stand_in).finish()
    }
}

/// A conversation's id that always fails in one way.
struct FailingSample {
    id: &'static str,
    fault: Fault,
    title: &'static str,
    explanation: &'static str,
    expected: &'static str,
    /// It is an outage, for which nebulink may construct a URL.
    outage: bool,
}

fn failing_samples() -> [FailingSample; 7] {
    [
        FailingSample {
            id: "demo-key-rejected",
            fault: Fault::status(StatusCode::UNAUTHORIZED),
            title: "Nebuly rejects the key",
            explanation: "Nebuly answers 401. For up to ten seconds after that nebulink does not try this key again, \
                          so links that it does not remember fail too.",
            expected: "502 key-rejected",
            outage: false,
        },
        FailingSample {
            id: "demo-server-error",
            fault: Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
            title: "Nebuly has an error of its own",
            explanation: "Nebuly answers 500.",
            expected: "502 unavailable",
            outage: true,
        },
        FailingSample {
            id: "demo-throttled",
            fault: Fault::throttled(HeaderValue::from_static("5")),
            title: "Nebuly wants fewer calls",
            explanation: "Nebuly answers 429 and asks for a pause of five seconds, in which nebulink leaves it alone.",
            expected: "503 overloaded",
            outage: true,
        },
        FailingSample {
            id: "demo-no-json",
            fault: Fault::Garbage,
            title: "An answer that is none",
            explanation: "Something before Nebuly answers 200 with a page of its own.",
            expected: "502 bad-answer",
            outage: false,
        },
        FailingSample {
            id: "demo-foreign-host",
            fault: Fault::Url("https://elsewhere.example/live-activity".to_owned()),
            title: "A URL that leads elsewhere",
            explanation: "Nebuly's answer is a URL of a host that is not allowed.",
            expected: "502 bad-answer",
            outage: false,
        },
        FailingSample {
            id: "demo-no-answer",
            fault: Fault::Hang,
            title: "Nebuly takes too long",
            explanation: "Nebuly takes the question and never answers. This page takes a few seconds.",
            expected: "504 timeout",
            outage: true,
        },
        FailingSample {
            id: "demo-connection-lost",
            fault: Fault::Drop,
            title: "The connection breaks",
            explanation: "Nebuly closes the connection instead of answering.",
            expected: "502 unavailable",
            outage: true,
        },
    ]
}

fn ways_to_fail(nebulink: SocketAddr) -> Vec<WayToFail> {
    let base = format!("http://{nebulink}");
    let plain = |title, explanation, expected, path: &str| WayToFail {
        title,
        explanation,
        expected,
        link: format!("{base}{path}"),
        constructed_link: None,
    };
    let mut ways = vec![
        plain(
            "Nobody knows this id",
            "Nebuly answers 404. The page looks again by itself for a minute.",
            "404 not-found",
            &format!("/go/interaction/{}", samples::UNKNOWN),
        ),
        plain(
            "Not ingested yet",
            "The same at first, but the item appears twelve seconds after it is first asked for.",
            "404 not-found, then the redirect",
            &format!("/go/interaction/{}", samples::NOT_YET),
        ),
        plain(
            "No id of an interaction",
            "An interaction's id is a UUID, so Nebuly is not asked.",
            "400 invalid-request",
            "/go/interaction/no-uuid",
        ),
        plain("No such path", "nebulink has no such page.", "404 unknown-path", "/no/such/path"),
    ];
    // A link that does not name the kind of its item is never constructed, so it shows the error.
    ways.extend(failing_samples().into_iter().map(
        |FailingSample { id, title, explanation, expected, outage, .. }| {
            let id = percent_encoded(id);
            WayToFail {
                title,
                explanation,
                expected,
                link: format!("{base}/go?id={id}"),
                constructed_link: outage.then(|| format!("{base}/go/conversation/{id}")),
            }
        },
    ));
    ways
}
