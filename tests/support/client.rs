//! The client for Nebuly by itself, in front of the stand-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nebulink::demo::StandIn;
use nebulink::domain::{
    AllowedHosts, Answer, CallFailure, DeepLinks as _, Item, ProjectName, Share, Terms, Tokens,
};
use nebulink::nebuly::{ApiKey, Endpoint, KeySource, Nebuly, Options, Shared, SteadyClock};
use secrecy::SecretString;
use url::Url;

use super::KEY;

/// What the tests set; the rest is as in `config/default.toml`.
pub struct Setup {
    pub max_in_flight: usize,
    pub retries: u32,
    pub attempt_timeout: Duration,
    pub key: KeySource,
}

/// One project's client, with a clock for circuits and keys, and a count of what was paid.
#[derive(Clone)]
pub struct Client {
    pub nebuly: Arc<Nebuly>,
    pub shared: Shared,
    pub passed: Arc<AtomicU64>,
    pub spent: Arc<Spent>,
}

#[derive(Default)]
pub struct Spent(AtomicUsize);

impl Default for Setup {
    fn default() -> Self {
        let key = ApiKey::new(&SecretString::from(KEY)).unwrap();
        Self {
            max_in_flight: 64,
            retries: 1,
            attempt_timeout: Duration::from_secs(5),
            key: KeySource::Inline(key),
        }
    }
}

impl Setup {
    /// Builds the client.
    pub fn client(self, stand_in: &StandIn) -> Client {
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut allowed_hosts = AllowedHosts::default();
        allowed_hosts.allow_host_of(&Url::parse(&stand_in.platform_url()).unwrap()).unwrap();
        let options = Options {
            endpoint: Endpoint::new(&Url::parse(&stand_in.api_base_url()).unwrap()),
            allowed_hosts,
            certificate_authorities: None,
            proxy: None,
            connect_timeout: Duration::from_secs(2),
            attempt_timeout: self.attempt_timeout,
            retries: self.retries,
            tracer: None,
        };
        let passed = Arc::new(AtomicU64::new(0));
        let (start, seconds) = (Instant::now(), Arc::clone(&passed));
        let clock = SteadyClock::new(move || start + Duration::from_secs(seconds.load(Ordering::SeqCst)));
        let shared = Shared::with_clock(self.max_in_flight, clock);
        let project = ProjectName::try_from("default").unwrap();
        let nebuly = Arc::new(Nebuly::new(&options, project, self.key, &shared).unwrap());
        Client { nebuly, shared, passed, spent: Arc::default() }
    }
}

impl Client {
    /// Terms as the resolver gives them.
    pub fn terms(&self) -> Terms {
        let tokens: Arc<Spent> = Arc::clone(&self.spent);
        Terms {
            share: Share::Caller(0),
            deadline: Instant::now() + Duration::from_secs(10),
            may_retry: true,
            tokens,
        }
    }

    /// Asks for a conversation.
    pub async fn ask(&self, id: &str) -> Result<Answer, CallFailure> {
        self.ask_on(id, self.terms()).await
    }

    /// Asks for a conversation on other terms.
    pub async fn ask_on(&self, id: &str, terms: Terms) -> Result<Answer, CallFailure> {
        let item = Item::conversation(id).unwrap().into_owned();
        self.nebuly.resolve(&item, &terms).await
    }

    /// Asks for a conversation, and says only whether it was found.
    pub async fn finds(&self, id: &str) -> bool {
        matches!(self.ask(id).await, Ok(Answer::Found(_)))
    }

    /// Asks in a task of its own.
    pub fn begin(&self, id: &str, share: Share) -> tokio::task::JoinHandle<Result<Answer, CallFailure>> {
        let (client, id) = (self.clone(), id.to_owned());
        let terms = Terms { share, ..self.terms() };
        tokio::spawn(async move { client.ask_on(&id, terms).await })
    }

    /// Lets time pass for circuits and refused keys.
    pub fn pass(&self, seconds: u64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How many calls were paid for.
    pub fn spent(&self) -> usize {
        self.spent.0.load(Ordering::SeqCst)
    }
}

impl Tokens for Spent {
    fn spend(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn afford(&self) -> Result<(), u32> {
        Ok(())
    }
}
