//! The demo: a stand-in with samples, and with ids that fail in every way.

use std::fmt;
use std::io;

use http::{HeaderValue, StatusCode};
use jiff::Timestamp;

use super::calls::CallKind;
use super::faults::{Fault, Matching};
use super::page::{self, WayToFail};
use super::samples::{
    self, AMBIGUOUS, BUSY, DemoProject, EXPIRED_KEY, INGESTION, NOT_YET, PROJECTS, SUPPORT, SampleLink,
    SampleTag, TICKET, UNKNOWN,
};
use super::stand_in::StandIn;
use crate::text::percent_encoded;

/// The path of the page with the ways to fail.
const ERRORS_PATH: &str = "/errors";

/// The id of a conversation for which Nebuly answers 500. nebulink remembers nothing of that.
const SERVER_ERROR: &str = "demo-server-error";

/// The id of a conversation whose link is found, and whose details are not.
const NO_DETAILS: &str = "demo-no-details";

/// A stand-in with the samples of `nebulink demo`. Dropping it ends the stand-in.
pub struct Demo {
    stand_in: StandIn,
}

impl Demo {
    /// Starts on a free port of `127.0.0.1`.
    pub async fn start() -> io::Result<Self> {
        let stand_in = StandIn::start().await?;
        for name in PROJECTS {
            stand_in.add_project(samples::project(name));
        }
        let now = Timestamp::now();
        for (project, interaction) in
            samples::interactions(Timestamp::from_second(now.as_second()).unwrap_or(now))
        {
            stand_in.add(&samples::key(project), interaction);
        }
        for id in [NOT_YET.printed, NOT_YET.pasted, NOT_YET.of_errors] {
            stand_in.ingest_later(&samples::key(SUPPORT), id, INGESTION);
        }
        for FailingSample { id, project, fault, outage, .. } in failing_samples() {
            let key = samples::key(project);
            if outage {
                // So that the URL which is built for it leads somewhere.
                stand_in.add_conversation(&key, id);
            }
            stand_in.set_fault_for(Matching::key(key).and_id(id), fault);
        }
        let key = samples::key(SUPPORT);
        stand_in.add_conversation(&key, NO_DETAILS);
        let details = Matching::key(key).and_id(NO_DETAILS).and_kind(CallKind::ConversationDetail);
        stand_in.set_fault_for(details, Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
        Ok(Self { stand_in })
    }

    /// The stand-in, to be set as `nebuly.api_base_url` and `nebuly.platform_url`.
    #[must_use]
    pub fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// The projects, to be set as `[[projects]]`, with their ids: without these, the URLs that nebulink builds would depend
    /// on what was opened before.
    #[must_use]
    pub fn projects(&self) -> Vec<DemoProject> {
        PROJECTS.into_iter().map(|name| DemoProject { name, project: samples::project(name) }).collect()
    }

    /// The links to print: samples that exist, each in one project.
    #[must_use]
    pub fn links(&self) -> Vec<SampleLink> {
        samples::links()
    }

    /// A conversation whose page shows details.
    #[must_use]
    pub fn detailed(&self) -> SampleLink {
        SampleLink::conversation(samples::DETAILED, "its page shows what Nebuly's detail calls say")
    }

    /// A conversation that two projects have.
    #[must_use]
    pub fn ambiguous(&self) -> SampleLink {
        SampleLink::conversation(AMBIGUOUS, "two projects have this one, so you choose")
    }

    /// A tag that two interactions of one conversation have.
    #[must_use]
    pub fn tagged(&self) -> SampleTag {
        SampleTag { name: TICKET, value: "4711", title: "the newest interaction of ticket 4711" }
    }

    /// An item that never exists.
    #[must_use]
    pub fn unknown(&self) -> SampleLink {
        SampleLink::absent(UNKNOWN, "nobody knows this one")
    }

    /// An item that appears twelve seconds after it is first asked for.
    #[must_use]
    pub fn not_yet(&self) -> SampleLink {
        SampleLink::absent(
            NOT_YET.printed,
            "not ingested yet: it appears twelve seconds after the first click",
        )
    }

    /// An excerpt of a log to paste, from which links of every state come: resolved ones, one that is never there, one that
    /// appears twelve seconds later, one that two projects have, one that fails, and one whose id is invalid.
    #[must_use]
    pub fn sample_text(&self) -> String {
        let page = self.stand_in.url_of(&samples::key(SUPPORT), samples::DETAILED);
        let not_yet = NOT_YET.pasted;
        // It begins with an empty line, so that what somebody pastes at its beginning does not touch it.
        format!(
            "
09:12:03 INFO  answered interaction=3f0e1c52-9b1d-4a83-8a3b-0d6c1f4e7a21 latency=1.7s
09:14:20 WARN  thumbs down interaction=f5d81e07-6b3c-4a92-8f60-c24a9e7b1d83
09:14:58 INFO  ticket 4720 refers to {page}
09:15:31 INFO  answered interaction={not_yet} latency=0.4s
09:15:31 ERROR lost interaction={UNKNOWN}
09:16:00 INFO  conversations of the last hour:
orders/2026-11-20#4711
chat:web:7Q2M
{AMBIGUOUS}
{SERVER_ERROR}
orders/../4711
"
        )
    }

    /// Serves the page of the ways to see each error page, with links to nebulink at this address, which has no trailing
    /// slash.
    pub fn set_nebulink_url(&self, nebulink: &str) {
        self.stand_in.set_page(ERRORS_PATH, page::errors(nebulink, &ways_to_fail(nebulink)));
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

/// A conversation's id that always fails in one way, in one project.
struct FailingSample {
    id: &'static str,
    project: &'static str,
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
            project: EXPIRED_KEY,
            fault: Fault::status(StatusCode::UNAUTHORIZED),
            title: "The key is refused",
            explanation: "Nebuly answers 401. nebulink asks this project nothing for ten seconds.",
            expected: "502 key-rejected",
            outage: false,
        },
        FailingSample {
            id: "demo-throttled",
            project: BUSY,
            fault: Fault::throttled(HeaderValue::from_static("5")),
            title: "Nebuly wants fewer calls",
            explanation: "Nebuly answers 429. nebulink asks this project nothing for five seconds.",
            expected: "503 overloaded",
            outage: true,
        },
        FailingSample {
            id: SERVER_ERROR,
            project: SUPPORT,
            fault: Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
            title: "Nebuly has an error of its own",
            explanation: "Nebuly answers 500.",
            expected: "502 unavailable",
            outage: true,
        },
        FailingSample {
            id: "demo-connection-lost",
            project: SUPPORT,
            fault: Fault::Drop,
            title: "The connection breaks",
            explanation: "Nebuly closes the connection instead of answering.",
            expected: "502 unavailable",
            outage: true,
        },
        FailingSample {
            id: "demo-no-answer",
            project: SUPPORT,
            fault: Fault::Hang,
            title: "Nebuly takes too long",
            explanation: "Nebuly takes the question and never answers. This takes some seconds.",
            expected: "504 timeout",
            outage: true,
        },
        FailingSample {
            id: "demo-no-json",
            project: SUPPORT,
            fault: Fault::Garbage,
            title: "An answer that is none",
            explanation: "Something before Nebuly answers 200 with a page of its own.",
            expected: "502 bad-answer",
            outage: false,
        },
        FailingSample {
            id: "demo-foreign-host",
            project: SUPPORT,
            fault: Fault::Url("https://elsewhere.example/live-activity".to_owned()),
            title: "A URL that leads elsewhere",
            explanation: "Nebuly's answer is a URL of a host that is not allowed.",
            expected: "502 bad-answer",
            outage: false,
        },
    ]
}

/// The ways to fail, each with a link that names its project: without one, all projects would be asked.
fn ways_to_fail(nebulink: &str) -> Vec<WayToFail> {
    let way = |title, explanation, expected, target: &str| WayToFail {
        title,
        explanation,
        expected,
        link: format!("{nebulink}{target}"),
        is_form: false,
        constructed_link: None,
    };
    let form = |title, explanation, expected, target: &str| WayToFail {
        is_form: true,
        ..way(title, explanation, expected, target)
    };
    let mut ways = vec![
        way(
            "Nobody knows this id",
            "Nebuly answers 404. The page looks again by itself for a minute.",
            "404 not-found",
            &format!("/go/interaction?id={UNKNOWN}&project={SUPPORT}"),
        ),
        way(
            "Not ingested yet",
            "The same at first. Twelve seconds after the first click the item is there, and it stays.",
            "404 not-found, then 302",
            &format!("/go/interaction?id={}&project={SUPPORT}", NOT_YET.of_errors),
        ),
        way(
            "Two projects know it",
            "A conversation's id is the customer's own text, so it may be used twice.",
            "409 ambiguous",
            &format!("/go/conversation?id={AMBIGUOUS}"),
        ),
        way(
            "No id of an interaction",
            "An interaction's id is a UUID, so Nebuly is not asked.",
            "400 invalid-request",
            "/go/interaction?id=no-uuid",
        ),
        way(
            "A placeholder that was not filled in",
            "The tool that made the link did not put an id there.",
            "400 invalid-request",
            &format!("/go/interaction?id={}", percent_encoded("{{ticket.interaction_id}}")),
        ),
        way(
            "No such project",
            "The link names a project that is not configured.",
            "404 unknown-project",
            &format!("/go/conversation?id={AMBIGUOUS}&project=nobody"),
        ),
        way("No such page", "nebulink has no such path.", "404 unknown-path", "/no/such/path"),
        form(
            "Another method",
            "This button sends a form to a link, which can only be opened.",
            "405 method-not-allowed",
            &format!("/go/conversation?id={AMBIGUOUS}"),
        ),
        form(
            "A form of another site",
            "This button sends a form to the page that takes ids, which has its own.",
            "403 cross-site",
            "/",
        ),
    ];
    ways.extend(failing_samples().into_iter().map(|sample| {
        let FailingSample { id, project, title, explanation, expected, outage, .. } = sample;
        let query = format!("id={}&project={project}", percent_encoded(id));
        WayToFail {
            // A link that does not name the kind of its item is never constructed, so it shows the error.
            constructed_link: outage.then(|| format!("{nebulink}/go/conversation?{query}")),
            ..way(title, explanation, expected, &format!("/go?{query}"))
        }
    }));
    ways.push(way(
        "The details are missing",
        "The page of a link: Nebuly has the link, and answers 500 when it is asked for details.",
        "200 without details",
        &format!("/go/conversation?id={NO_DETAILS}&project={SUPPORT}&noredirect"),
    ));
    ways
}
