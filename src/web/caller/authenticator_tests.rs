//! Authentication, and the caller that a request counts for.

use parking_lot::Mutex;

use http::HeaderValue;

use super::*;
use crate::domain::{FairnessKey, Unlimited};

const EMAIL: HeaderName = HeaderName::from_static("x-auth-request-email");

/// Records the keys that are looked up.
#[derive(Default)]
struct RecordingCallers(Mutex<Vec<String>>);

impl Callers for RecordingCallers {
    fn of(&self, key: &CallerKey<'_>) -> Caller {
        self.0.lock().push(format!("{key:?}"));
        Caller { fairness_key: FairnessKey::Caller(7), rate_limit: Arc::new(Unlimited) }
    }
}

fn authenticator(identity: bool) -> (Authenticator, Arc<RecordingCallers>) {
    let callers = Arc::new(RecordingCallers::default());
    let access = Access {
        identity_header: identity.then_some(EMAIL),
        api_tokens: None,
        cors_origins: Vec::new(),
        trusted_proxies: vec!["10.0.0.0/24".parse().unwrap()],
        callers: Arc::clone(&callers) as Arc<dyn Callers>,
    };
    (Authenticator::new(access), callers)
}

fn request(peer: &str, headers: &[(HeaderName, &'static str)]) -> RequestHead {
    let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
    RequestHead::of_peer(peer.parse().unwrap(), headers.collect())
}

fn forwarded(address: &'static str) -> (HeaderName, &'static str) {
    (HeaderName::from_static("x-forwarded-for"), address)
}

#[test]
fn an_identity_is_accepted_from_a_trusted_peer_alone() {
    let (authenticator, _) = authenticator(true);
    for (peer, headers, identity) in [
        ("10.0.0.1", vec![(EMAIL, "ada@example.com")], Some("ada@example.com")),
        ("192.0.2.1", vec![(EMAIL, "ada@example.com")], None),
        ("10.0.0.1", vec![], None),
        ("10.0.0.1", vec![(EMAIL, "ada@example.com"), (EMAIL, "eve@example.com")], None),
        // A forwarded address makes nobody a trusted peer.
        ("192.0.2.1", vec![(EMAIL, "ada@example.com"), forwarded("10.0.0.1")], None),
    ] {
        let head = request(peer, &headers);
        let principal = authenticator.authenticate(AccessRule::Identity, &head);
        match identity {
            Some(_) => assert_eq!(principal.unwrap().identity, identity),
            None => assert_eq!(principal, Err(Problem::IdentityRequired), "{peer} {headers:?}"),
        }
        assert_eq!(authenticator.authenticate(AccessRule::Open, &head), Ok(Principal::default()));
    }
}

#[test]
fn without_an_identity_header_nobody_needs_an_identity() {
    let (authenticator, _) = authenticator(false);
    let head = request("10.0.0.1", &[(EMAIL, "ada@example.com")]);
    for rule in [AccessRule::Identity, AccessRule::Api, AccessRule::Open] {
        assert_eq!(authenticator.authenticate(rule, &head), Ok(Principal::default()));
    }
}

#[test]
fn a_caller_is_its_identity_else_the_name_of_its_token_else_its_address() {
    let (authenticator, callers) = authenticator(true);
    let head = request("10.0.0.1", &[forwarded("203.0.113.9")]);
    let token = || Some(Arc::from("robot"));
    for (principal, key) in [
        (Principal { identity: Some("ada"), api_token: None }, "Identity(\"ada\")"),
        (Principal { identity: Some("ada"), api_token: token() }, "IdentityWithApiToken(\"ada\")"),
        (Principal { identity: None, api_token: token() }, "ApiToken(\"robot\")"),
        (Principal::default(), "Address(203.0.113.9)"),
    ] {
        let caller = RequestCaller::new(&authenticator, &principal, &head);
        assert_eq!(callers.0.lock().len(), 0, "nobody is looked up before it is needed");
        assert_eq!(caller.caller().fairness_key, FairnessKey::Caller(7));
        assert_eq!(caller.caller().fairness_key, FairnessKey::Caller(7));
        assert_eq!(std::mem::take(&mut *callers.0.lock()), [key]);
    }
}

#[test]
fn an_untrusted_forwarder_is_warned_of_and_a_trusted_proxy_is_not() {
    let (authenticator, _) = authenticator(false);
    authenticator.warn_of_untrusted_forwarder(&request("192.0.2.1", &[]));
    authenticator.warn_of_untrusted_forwarder(&request("10.0.0.1", &[forwarded("203.0.113.9")]));
    assert!(!authenticator.has_warned.load(Ordering::Relaxed));
    authenticator.warn_of_untrusted_forwarder(&request("192.0.2.1", &[forwarded("203.0.113.9")]));
    assert!(authenticator.has_warned.load(Ordering::Relaxed));
}

fn named(lines: &[&[u8]]) -> Option<String> {
    let value = |line: &&[u8]| HeaderValue::from_bytes(line).unwrap();
    let headers: HeaderMap = lines.iter().map(|line| (EMAIL, value(line))).collect();
    identity(&headers, &EMAIL).map(str::to_owned)
}

#[test]
fn a_person_is_named_once_in_at_most_256_printable_bytes() {
    for name in ["ada@example.com", "Ada Lovelace", "~", &"x".repeat(256)] {
        assert_eq!(named(&[name.as_bytes()]).as_deref(), Some(name));
    }
    let (accented, long) = ("ünï".as_bytes(), "x".repeat(257));
    let refused: [&[&[u8]]; 9] = [
        &[],
        &[b""],
        &[b" "],
        &[b"a\tb"],
        &[accented],
        &[b"\xff"],
        &[b"ada@example.com", b"ada@example.com"],
        &[b"ada@example.com", b""],
        &[long.as_bytes()],
    ];
    for lines in refused {
        assert_eq!(named(lines), None, "{lines:?}");
    }
}
