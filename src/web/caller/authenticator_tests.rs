//! Who gets in, and as which caller.

use std::sync::Mutex;

use http::{HeaderMap, HeaderValue, Request};

use super::*;
use crate::domain::LazyCaller as _;
use crate::domain::{Caller, FairnessKey, Unlimited};
use crate::web::caller::CallerOfRequest;

const EMAIL: HeaderName = HeaderName::from_static("x-auth-request-email");

/// Notes who is asked for.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Callers for Asked {
    fn of(&self, key: &CallerKey<'_>) -> Caller {
        self.0.lock().unwrap().push(format!("{key:?}"));
        Caller { fairness_key: FairnessKey::Caller(7), rate_limit: Arc::new(Unlimited) }
    }
}

fn gate(identity: bool) -> (Gate, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let access = Access {
        identity_header: identity.then_some(EMAIL),
        api_tokens: None,
        cors_origins: Vec::new(),
        trusted_proxies: vec!["10.0.0.0/24".parse().unwrap()],
        peer: |extensions| extensions.get::<SocketAddr>().copied(),
        callers: Arc::clone(&asked) as Arc<dyn Callers>,
    };
    (Gate::new(access), asked)
}

fn request(peer: &str, headers: &[(HeaderName, &'static str)]) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.extensions.insert(SocketAddr::new(peer.parse().unwrap(), 4711));
    let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
    parts.headers = headers.collect::<HeaderMap>();
    parts
}

fn forwarded(address: &'static str) -> (HeaderName, &'static str) {
    (HeaderName::from_static("x-forwarded-for"), address)
}

#[test]
fn an_identity_is_believed_from_a_trusted_peer_alone() {
    let (gate, _) = gate(true);
    for (peer, headers, identity) in [
        ("10.0.0.1", vec![(EMAIL, "ada@example.com")], Some("ada@example.com")),
        ("192.0.2.1", vec![(EMAIL, "ada@example.com")], None),
        ("10.0.0.1", vec![], None),
        ("10.0.0.1", vec![(EMAIL, "ada@example.com"), (EMAIL, "eve@example.com")], None),
        // What is forwarded makes nobody a trusted peer.
        ("192.0.2.1", vec![(EMAIL, "ada@example.com"), forwarded("10.0.0.1")], None),
    ] {
        let parts = request(peer, &headers);
        let admitted = gate.admit(Guard::Identity, &parts);
        match identity {
            Some(_) => assert_eq!(admitted.unwrap().identity, identity),
            None => assert_eq!(admitted, Err(Problem::IdentityRequired), "{peer} {headers:?}"),
        }
        assert_eq!(gate.admit(Guard::Open, &parts), Ok(Admitted::default()));
    }
}

#[test]
fn without_an_identity_header_everybody_gets_in_under_no_name() {
    let (gate, _) = gate(false);
    let parts = request("10.0.0.1", &[(EMAIL, "ada@example.com")]);
    for guard in [Guard::Identity, Guard::Api, Guard::Open] {
        assert_eq!(gate.admit(guard, &parts), Ok(Admitted::default()));
    }
}

#[test]
fn a_caller_is_its_identity_else_the_name_of_its_token_else_its_address() {
    let (gate, asked) = gate(true);
    let parts = request("10.0.0.1", &[forwarded("203.0.113.9")]);
    let token = || Some(Arc::from("robot"));
    for (admitted, key) in [
        (Admitted { identity: Some("ada"), api_token: None }, "Identity(\"ada\")"),
        (Admitted { identity: Some("ada"), api_token: token() }, "IdentityWithApiToken(\"ada\")"),
        (Admitted { identity: None, api_token: token() }, "ApiToken(\"robot\")"),
        (Admitted::default(), "Address(203.0.113.9)"),
    ] {
        let caller = CallerOfRequest::new(&gate, &admitted, &parts);
        assert_eq!(asked.0.lock().unwrap().len(), 0, "nobody is looked up before it is needed");
        assert_eq!(caller.caller().fairness_key, FairnessKey::Caller(7));
        assert_eq!(caller.caller().fairness_key, FairnessKey::Caller(7));
        assert_eq!(std::mem::take(&mut *asked.0.lock().unwrap()), [key]);
    }
}

#[test]
fn a_stranger_who_asks_for_others_is_seen_once_and_a_trusted_proxy_is_none() {
    let (gate, _) = gate(false);
    gate.look_for_strangers(&request("192.0.2.1", &[]));
    gate.look_for_strangers(&request("10.0.0.1", &[forwarded("203.0.113.9")]));
    assert!(!gate.stranger_was_seen.load(Ordering::Relaxed));
    gate.look_for_strangers(&request("192.0.2.1", &[forwarded("203.0.113.9")]));
    assert!(gate.stranger_was_seen.load(Ordering::Relaxed));
}
