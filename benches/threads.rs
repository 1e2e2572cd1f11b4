//! Measures how many cached redirects a second the service answers with one thread and with two, in one process and
//! without a network: `cargo bench --bench threads`.
//!
//! Threads that wait for each other, or write to the same numbers, would answer less than twice as many.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "what surprises a benchmark ends it, and its figures are for people"
)]

use std::thread;
use std::time::{Duration, Instant};

use axum::body::Body;
use futures_util::FutureExt as _;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode};
use nebulink::app::App;
use nebulink::demo::{StandIn, StandInProject};
use nebulink::settings::{SettingSources, Settings};
use nebulink::web::PublicRouter;

const KEY: &str = "nk-bench";

const LINKS: usize = 1000;

/// Each round measures one thread, then two: their ratio is that of the same moment.
const ROUNDS: usize = 15;

const ROUND: Duration = Duration::from_millis(400);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let stand_in = StandIn::start().await.unwrap();
    stand_in.add_project(StandInProject::new(KEY, "project", "organization"));
    let settings = settings(&stand_in);
    let app = App::build(&settings).unwrap();
    let targets: Vec<_> = (0..LINKS).map(|id| format!("/c/conversation-{id}")).collect();
    for id in 0..LINKS {
        stand_in.add_conversation(KEY, &format!("conversation-{id}"));
    }
    for target in &targets {
        let answer = app.public_router().answer(None, request(target)).await;
        assert_eq!(answer.status(), StatusCode::FOUND);
    }
    let mut rounds: Vec<_> = (0..ROUNDS)
        .map(|_| [1, 2].map(|threads| per_second(app.public_router(), &targets, threads)))
        .map(|[one, two]| (two / one, one, two))
        .collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, one, two) = rounds[ROUNDS / 2];
    println!("one thread   {one:>10.0} redirects/s");
    println!("two threads  {two:>10.0} redirects/s");
    println!(
        "ratio        {ratio:>10.2} ({:.2} to {:.2}; goal 1.9 or more)",
        rounds[0].0,
        rounds[ROUNDS - 1].0
    );
}

/// The redirects that this many threads answer in a second.
fn per_second(router: &PublicRouter, targets: &[String], threads: usize) -> f64 {
    let began = Instant::now();
    let answered: usize = thread::scope(|scope| {
        let answering: Vec<_> = (0..threads).map(|_| scope.spawn(|| answer_all(router, targets))).collect();
        answering.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    answered as f64 / began.elapsed().as_secs_f64()
}

/// Answers until the round is over, and returns how often.
fn answer_all(router: &PublicRouter, targets: &[String]) -> usize {
    let (began, mut answered) = (Instant::now(), 0);
    while began.elapsed() < ROUND {
        for target in targets {
            // A cached redirect waits for nothing.
            let answer = router.answer(None, request(target)).now_or_never().unwrap();
            assert_eq!(answer.status(), StatusCode::FOUND);
            answered += 1;
        }
    }
    answered
}

fn request(target: &str) -> Request<Body> {
    let head = Request::builder().uri(target).header(HOST, "go.example.com");
    head.header(USER_AGENT, "a browser").header(ACCEPT, "text/html").body(Body::empty()).unwrap()
}

fn settings(stand_in: &StandIn) -> Settings {
    let environment = vec![
        ("NEBULY_API_KEY".into(), KEY.into()),
        ("NEBULY_API_BASE_URL".into(), stand_in.api_base_url().into()),
        ("NEBULINK__NEBULY__PLATFORM_URL".into(), stand_in.platform_url().into()),
    ];
    let further = [("log.access", "none"), ("limits.cold_burst", "100000")];
    let overrides = further.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    Settings::load(&SettingSources { config_file: None, environment, overrides }).unwrap().settings
}
