//! The test of a link: what becomes of an address that a tool made, step by step.
//!
//! It reads the address with the code that serves links, and asks the same resolver, once and for the same caller. Nothing
//! of the address is kept or logged.

use std::borrow::Cow;
use std::time::Duration;

use super::browser_request::BrowserRequest;
use super::verdict::{Reading, Verdict, VerdictText};
use crate::domain::{IdCandidates, LazyCaller, is_placeholder};
use crate::resolver::{AnswerSource, Mode, Outcome, Resolution, ResolveRequest, TagLookup, TaggedLink};
use crate::web::Web;
use crate::web::installation::Installation;
use crate::web::link_request::{LinkRequest, decoded, raw_id};
use crate::web::observability::{LinkOutcome, LinkStatus};
use crate::web::pages::VisibleText;
use crate::web::parameters::{ID_NAMES, Parameters, unknown_behind};
use crate::web::problem::Problem;
use crate::web::request_head::RequestHead;
use crate::web::route::{IdLocation, LinkRoute, TagRoute, is_of_tags};
use crate::web::tag_request::{TagRequest, decoded_value, raw_value};

/// The longest part of an address that is shown whole, in characters: longer than any id.
const MAX_SHOWN: usize = 600;

/// The result of a test.
pub(super) struct LinkTest {
    /// The verdict, in words.
    pub(super) verdict: VerdictText,
    /// The reasons for the verdict.
    pub(super) steps: LinkSteps,
    /// True if it cost a call to Nebuly, or would have.
    pub(super) is_cold: bool,
}

/// The steps from an address to where it leads, as far as it comes.
#[derive(Default)]
pub(super) struct LinkSteps {
    /// The id as it stands in the address.
    pub(super) written: Option<VisibleText>,
    /// The id as it arrives.
    pub(super) received: Option<VisibleText>,
    /// The items that were asked for, in order.
    pub(super) asked: Vec<AskedItem>,
    /// The URL that the link leads to.
    pub(super) target: Option<String>,
}

/// An item that was asked for.
pub(super) struct AskedItem {
    /// The kind of the item, or the name of the tag that it has.
    pub(super) kind: Cow<'static, str>,
    /// Its id, or the value of the tag.
    pub(super) id: VisibleText,
    pub(super) outcome: &'static str,
}

impl LinkTest {
    /// Tests an address.
    pub(super) async fn run(
        web: &Web,
        head: &RequestHead,
        installation: &Installation<'_>,
        address: &str,
        caller: &dyn LazyCaller,
    ) -> Self {
        let mut test =
            Self { verdict: Verdict::NoAddress.text(""), steps: LinkSteps::default(), is_cold: false };
        if !address.trim().is_empty() {
            let verdict = match BrowserRequest::of(address, installation.url(), &web.options.base_path) {
                Ok(request) => {
                    let mut head = head.clone();
                    head.uri = request.uri;
                    test.follow(web, &head, request.not_sent.as_deref(), caller).await
                }
                Err(why) => Verdict::NotOurs(why),
            };
            test.verdict = verdict.text(&installation.address_of(""));
        }
        test
    }

    /// Follows a request as the server does. `not_sent` is what the browser leaves out of it.
    async fn follow(
        &mut self,
        web: &Web,
        head: &RequestHead,
        not_sent: Option<&str>,
        caller: &dyn LazyCaller,
    ) -> Verdict {
        let path = head.uri.path().strip_prefix(&*web.options.base_path).unwrap_or_default();
        if let Some(route) = TagRoute::of(path, &web.options.lookup_tags) {
            return self.follow_tag(web, route, head, not_sent, caller).await;
        }
        if is_of_tags(path) {
            return Verdict::UnknownTag;
        }
        let Some(route) = LinkRoute::of(path) else { return Verdict::NoLink };
        let read = LinkRequest::read(web, route, head).map_err(|response| response.problem);
        let scope = read.as_ref().ok().map(|link| link.scope);
        let candidates = read.map(|link| link.candidates);
        let reading = match reading(route, path, head.uri.query(), candidates) {
            Ok(reading) => reading,
            Err(problem) => return Verdict::Problem(problem),
        };
        self.steps.written = Some(VisibleText::shortened(reading.written, MAX_SHOWN));
        self.steps.received = reading.id.as_ref().map(|id| VisibleText::shortened(&id.decoded, MAX_SHOWN));
        let mut resolution = None;
        if let (Ok(candidates), Some(scope)) = (&reading.candidates, scope) {
            let wait = Duration::ZERO;
            let request = ResolveRequest { candidates, scope, mode: Mode::Cached, wait, caller };
            let resolved = web.resolver.resolve(&request).await;
            let outcome = LinkStatus::of(&resolved).outcome;
            web.resolution_metrics.count(candidates.first().kind(), outcome);
            self.is_cold = LinkOutcome::is_cold(outcome);
            self.steps.asked = asked(candidates, &resolved);
            if let Outcome::Resolved(found) = &resolved.outcome {
                self.steps.target = Some(found.url.as_str().to_owned());
            }
            resolution = Some(resolved);
        }
        Verdict::of(&reading, not_sent, resolution.as_ref())
    }

    /// The same for a look-up by tag.
    async fn follow_tag(
        &mut self,
        web: &Web,
        route: TagRoute,
        head: &RequestHead,
        not_sent: Option<&str>,
        caller: &dyn LazyCaller,
    ) -> Verdict {
        let path = head.uri.path().strip_prefix(&*web.options.base_path).unwrap_or_default();
        let query = head.uri.query();
        let written = Parameters::parse(query).and_then(|parameters| raw_value(route, path, &parameters));
        let written = match written {
            Ok(written) => written,
            Err(problem) => return Verdict::Problem(problem),
        };
        let received = decoded_value(route, written).unwrap_or_default();
        self.steps.written = Some(VisibleText::shortened(written, MAX_SHOWN));
        self.steps.received = Some(VisibleText::shortened(&received, MAX_SHOWN));
        let request = match TagRequest::read(web, route, head) {
            Ok(request) => request,
            Err(_) if received.trim().is_empty() => return Verdict::Empty,
            Err(response) => return Verdict::Problem(response.problem),
        };
        let lookup = TagLookup {
            tag: request.tag.clone(),
            kind: request.kind,
            range: request.range(),
            scope: request.scope,
            mode: Mode::Cached,
            wait: Duration::ZERO,
            caller,
        };
        let found = web.resolver.look_up(&lookup).await;
        self.is_cold = matches!(found.source, AnswerSource::Nebuly(_));
        let name = request.tag.name().to_owned().into();
        self.steps.asked =
            vec![AskedItem { kind: name, id: VisibleText::new(&received), outcome: outcome_words(&found) }];
        let mut link = None;
        if let Outcome::Resolved(TaggedLink { item, link: resolved, .. }) = &found.outcome {
            let outcome = LinkStatus::of(resolved).outcome;
            web.resolution_metrics.count(item.kind(), outcome);
            self.is_cold |= outcome.is_cold();
            self.steps.asked.extend(asked(&IdCandidates::of_item(item.clone()), resolved));
            if let Outcome::Resolved(found) = &resolved.outcome {
                self.steps.target = Some(found.url.as_str().to_owned());
            }
            link = Some(resolved);
        }
        let rest = query.and_then(|query| unknown_behind(query, &["value"], route.value));
        let is_in_path = route.value == IdLocation::Path;
        if let Some(not_sent) = not_sent {
            Verdict::CutAtHash { not_sent: not_sent.to_owned() }
        } else if link.is_none() && is_placeholder(&received) {
            Verdict::Placeholder
        } else if let Some(rest) = rest {
            Verdict::PerhapsCut { at: if is_in_path { '?' } else { '&' }, rest: rest.to_owned() }
        } else {
            let not_found = request.not_found(web);
            match (&found.outcome, link) {
                (_, Some(link)) => Verdict::of_tagged(&link.outcome, link.source, not_found),
                (outcome, None) => Verdict::of_tagged(outcome, found.source, not_found),
            }
        }
    }
}

/// Reads a request for a link beside its candidates, with the code that these were read with.
fn reading<'a>(
    route: LinkRoute,
    path: &'a str,
    query: Option<&'a str>,
    candidates: Result<IdCandidates<'a>, Problem>,
) -> Result<Reading<'a>, Problem> {
    let written = raw_id(route, path, &Parameters::parse(query)?)?;
    Ok(Reading {
        written,
        id: decoded(route, written).ok(),
        rest: query.and_then(|query| unknown_behind(query, &ID_NAMES, route.id)),
        is_in_path: route.id == IdLocation::Path,
        candidates,
    })
}

/// The candidates up to the one that the resolution is about; all of them if none is there.
fn asked(candidates: &IdCandidates<'_>, resolution: &Resolution) -> Vec<AskedItem> {
    let decided = outcome_words(resolution);
    let items = (0..=resolution.candidate).map_while(|position| Some((position, candidates.at(position)?)));
    let asked = items.map(|(position, item)| AskedItem {
        kind: item.kind().as_str().into(),
        id: VisibleText::new(&item.id()),
        outcome: if position == resolution.candidate { decided } else { "not in Nebuly" },
    });
    asked.collect()
}

/// The words for what became of the last thing that was asked for.
fn outcome_words<T>(resolution: &Resolution<T>) -> &'static str {
    match (&resolution.outcome, resolution.source) {
        (_, AnswerSource::Constructed) => "not asked, the link is built from known ids",
        (Outcome::Resolved(_), _) => "found",
        (Outcome::Ambiguous(_), _) => "found in several projects",
        (Outcome::Absent, _) => "not in Nebuly",
        (Outcome::Failed(failure), _) => match Problem::from(failure.cause) {
            Problem::RateLimited { .. } => "not asked",
            _ => "could not be asked",
        },
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{AllowedHosts, Item, Kind};
    use crate::web::link_request;

    const OWN: &str = "https://go.example.com/tools/links";
    const BASE_PATH: &str = "/links";

    /// The characters that JavaScript's `encodeURIComponent` leaves.
    const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'!')
        .remove(b'~')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')');

    /// The id that a test says has arrived from an address, and the one that is served.
    fn received(address: &str) -> (String, Item<'static>) {
        let request = BrowserRequest::of(address, Some(OWN), BASE_PATH).unwrap();
        let path = request.uri.path().strip_prefix(BASE_PATH).unwrap();
        let route = LinkRoute::of(path).unwrap();
        assert_eq!(route.kind, Some(Kind::Conversation), "{address}");
        let candidates = || {
            let raw = raw_id(route, path, &Parameters::parse(request.uri.query())?)?;
            link_request::candidates(&AllowedHosts::default(), route, raw)
                .map_err(|why| Problem::InvalidId { why, kind: route.kind })
        };
        let reading = reading(route, path, request.uri.query(), candidates()).unwrap();
        let served = reading.candidates.unwrap().first().clone().into_owned();
        (reading.id.unwrap().decoded.into_owned(), served)
    }

    proptest! {
        #[test]
        fn an_id_arrives_in_the_test_as_it_arrives_in_a_redirect(
            id in "([ /#&?%+=\"'<>{}|\\\\ü🦀.;a]|%2F|%25|\u{a0}|.){1,40}",
        ) {
            let Ok(item) = Item::conversation(&*id) else { return Ok(()) };
            let component = utf8_percent_encode(&id, COMPONENT).to_string();
            let all = |byte: u8| format!("%{byte:02x}");
            let form: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
            for encoded in [component, id.bytes().map(all).collect()] {
                for place in ["/c/", "/c?id=", "/go/conversation?external_id="] {
                    let (shown, served) = received(&format!("{OWN}{place}{encoded}"));
                    prop_assert_eq!((&*shown, &served), (&*id, &item));
                }
            }
            let (shown, served) = received(&format!("{OWN}/go/conversation?id={form}"));
            prop_assert_eq!((&*shown, &served), (&*id, &item));
        }

        #[test]
        fn whatever_arrives_unencoded_is_shown_as_it_is_served(text in "([ /&?%+=\"'<>{}|\\\\ü.a]|.){1,40}") {
            let address = format!("{OWN}/go/conversation?id={text}");
            if let Ok(request) = BrowserRequest::of(&address, Some(OWN), BASE_PATH)
                && let Ok(raw) = Parameters::parse(request.uri.query()).and_then(|parameters| parameters.raw_id())
                && let Ok(id) = crate::web::parameters::id_in_query(raw)
                && Item::conversation(&*id.decoded).is_ok()
            {
                let (shown, served) = received(&address);
                prop_assert_eq!(&*served.id(), &*shown);
            }
        }
    }
}
