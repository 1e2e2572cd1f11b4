//! The client for Nebuly by itself, in front of the stand-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nebulink::demo::StandIn;
use nebulink::domain::{
    AllowedHosts, Answer, CallFailure, CallOptions, Caller, DeepLinks as _, DetailFields, FairnessKey, Item,
    ItemDetails as _, ProjectName, RateLimit, TagSearch, TaggedItems as _,
};
use nebulink::nebuly::{
    ApiKey, ApiKeySource, DetailsClient, Endpoint, Nebuly, NebulyOptions, SharedClientState, SteadyClock,
    TagSearchClient,
};
use secrecy::SecretString;
use url::Url;

use super::KEY;

/// The options that tests set; the rest is as in `config/default.toml`.
pub struct Setup {
    pub max_in_flight: usize,
    pub retries: u32,
    pub attempt_timeout: Duration,
    pub deadline: Duration,
    pub key: ApiKeySource,
}

/// The fields of details that tests read. They are in no order that Nebuly has.
pub const FIELDS: [&str; 5] = ["topic", "emotions", "cost", "session_length", "sentiment"];

/// One project's client, with a clock for circuits and keys, and a count of what was paid.
#[derive(Clone)]
pub struct Client {
    pub nebuly: Arc<Nebuly>,
    pub details: Arc<DetailsClient>,
    pub tags: Arc<TagSearchClient>,
    pub shared: SharedClientState,
    pub passed: Arc<AtomicU64>,
    pub spent: Arc<Spent>,
}

#[derive(Default)]
pub struct Spent(AtomicUsize);

impl Default for Setup {
    fn default() -> Self {
        Self {
            max_in_flight: 64,
            retries: 1,
            attempt_timeout: Duration::from_secs(5),
            deadline: Duration::from_secs(10),
            key: Self::inline(KEY),
        }
    }
}

impl Setup {
    /// The source of a key that never changes.
    pub fn inline(key: &str) -> ApiKeySource {
        ApiKeySource::Inline(ApiKey::new(&SecretString::from(key)).unwrap())
    }

    /// Builds the client.
    pub fn client(self, stand_in: &StandIn) -> Client {
        let passed = Arc::new(AtomicU64::new(0));
        let (start, seconds) = (Instant::now(), Arc::clone(&passed));
        let clock: SteadyClock =
            Arc::new(move || start + Duration::from_secs(seconds.load(Ordering::SeqCst)));
        let shared = SharedClientState::with_clock(self.max_in_flight, clock);
        self.client_with(stand_in, shared, passed)
    }

    fn client_with(self, stand_in: &StandIn, shared: SharedClientState, passed: Arc<AtomicU64>) -> Client {
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut allowed_hosts = AllowedHosts::default();
        allowed_hosts.allow_host_of(&Url::parse(&stand_in.platform_url()).unwrap()).unwrap();
        let options = NebulyOptions {
            endpoint: Endpoint::new(&Url::parse(&stand_in.api_base_url()).unwrap()),
            allowed_hosts,
            certificate_authorities: None,
            proxy: None,
            connect_timeout: Duration::from_secs(2),
            attempt_timeout: self.attempt_timeout,
            deadline: self.deadline,
            retries: self.retries,
            tracer: None,
        };
        let project = ProjectName::try_from("default").unwrap();
        let nebuly = Arc::new(Nebuly::new(&options, project, self.key, &shared).unwrap());
        shared.keys().load();
        let details = Arc::new(nebuly.details(FIELDS.map(Arc::from).into()));
        let tags = Arc::new(nebuly.tag_search());
        Client { nebuly, details, tags, shared, passed, spent: Arc::default() }
    }
}

impl Client {
    /// A client of another project, which has the bound on calls in common with this one.
    pub fn of_another_project(&self, stand_in: &StandIn, setup: Setup) -> Self {
        setup.client_with(stand_in, self.shared.clone(), Arc::clone(&self.passed))
    }

    /// Options as the resolver gives them, for the caller with this key.
    pub fn options_of(&self, fairness_key: FairnessKey) -> CallOptions {
        let rate_limit: Arc<Spent> = Arc::clone(&self.spent);
        CallOptions {
            callers: Arc::new(Caller { fairness_key, rate_limit }),
            deadline: Instant::now() + Duration::from_secs(10),
            may_retry: true,
        }
    }

    /// Options as the resolver gives them, for one and the same caller.
    pub fn options(&self) -> CallOptions {
        self.options_of(FairnessKey::Caller(0))
    }

    /// Asks for a conversation.
    pub async fn ask(&self, id: &str) -> Result<Answer, CallFailure> {
        self.ask_with(id, self.options()).await
    }

    /// Asks for a conversation with other options.
    pub async fn ask_with(&self, id: &str, options: CallOptions) -> Result<Answer, CallFailure> {
        let item = Item::conversation(id).unwrap().into_owned();
        self.nebuly.resolve(&item, &options).await
    }

    /// Asks for a conversation, and says only whether it was found.
    pub async fn finds(&self, id: &str) -> bool {
        matches!(self.ask(id).await, Ok(Answer::Found(_)))
    }

    /// Asks in a task of its own.
    pub fn begin(&self, id: &str, key: FairnessKey) -> tokio::task::JoinHandle<Result<Answer, CallFailure>> {
        self.begin_with(id, self.options_of(key))
    }

    /// Asks in a task of its own, with other options.
    pub fn begin_with(
        &self,
        id: &str,
        options: CallOptions,
    ) -> tokio::task::JoinHandle<Result<Answer, CallFailure>> {
        let (client, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move { client.ask_with(&id, options).await })
    }

    /// A caller with this key, who pays for everything.
    pub fn caller(&self, fairness_key: FairnessKey) -> Caller {
        Caller { fairness_key, rate_limit: Arc::clone(&self.spent) as _ }
    }

    /// Asks for the details of an item.
    pub async fn details_of(&self, item: &Item<'static>) -> Result<Answer<DetailFields>, CallFailure> {
        self.details.details(item, &self.caller(FairnessKey::Caller(0))).await
    }

    /// Asks for the details of a conversation in a task of its own.
    pub fn begin_details(
        &self,
        id: &str,
        key: FairnessKey,
    ) -> tokio::task::JoinHandle<Result<Answer<DetailFields>, CallFailure>> {
        let (client, item) = (self.clone(), Item::conversation(id).unwrap().into_owned());
        tokio::spawn(async move { client.details.details(&item, &client.caller(key)).await })
    }

    /// Searches for the newest item with a tag.
    pub async fn newest(&self, search: &TagSearch) -> Result<Answer<Item<'static>>, CallFailure> {
        self.tags.newest(search, &self.caller(FairnessKey::Caller(0))).await
    }

    /// Lets time pass for circuits and rejected keys.
    pub fn pass(&self, seconds: u64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How many calls were paid for.
    pub fn spent(&self) -> usize {
        self.spent.0.load(Ordering::SeqCst)
    }
}

/// Pays for everything, and counts what was not given back.
impl RateLimit for Spent {
    fn try_acquire(&self, calls: u32) -> Result<(), Duration> {
        self.0.fetch_add(calls.try_into().unwrap(), Ordering::SeqCst);
        Ok(())
    }

    fn acquire(&self, _at_most: Duration) -> Result<Duration, Duration> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Duration::ZERO)
    }

    fn release(&self, calls: u32) {
        self.0.fetch_sub(calls.try_into().unwrap(), Ordering::SeqCst);
    }
}
