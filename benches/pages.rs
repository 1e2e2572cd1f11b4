//! Measures what pages cost to answer, without the network: `cargo bench --bench pages`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what surprises a benchmark ends it, and its figures are for people"
)]

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use nebulink::app::App;
use nebulink::demo::{StandIn, StandInProject};
use nebulink::settings::{SettingSources, Settings};
use tower::ServiceExt as _;

const KEY: &str = "nk-bench";

/// How often each page is measured. The least disturbed round counts, so rounds are short.
const ROUNDS: usize = 40;

/// The time of a round, roughly.
const ROUND: Duration = Duration::from_millis(20);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let stand_in = StandIn::start().await.unwrap();
    stand_in.add_project(StandInProject::new(KEY, "project", "organization"));
    let ids: Vec<_> = (0..100).map(|id| format!("conversation-{id}")).collect();
    for id in &ids {
        stand_in.add_conversation(KEY, id);
    }
    let app = App::build(&settings(&stand_in)).unwrap();
    let paste = |ids: &[String]| format!("ids={}", ids.join("%0A"));
    let (one, all) = (paste(ids.get(..1).unwrap()), paste(&ids));
    for (name, form) in [("GET /", None), ("POST /, 1 id", Some(&one)), ("POST /, 100 ids", Some(&all))] {
        // Pasted ids are cached by the first answer.
        let size = answer(&app, form).await;
        let mut fastest = Duration::MAX;
        for _ in 0..ROUNDS {
            let (began, mut answers) = (Instant::now(), 0);
            while answers == 0 || began.elapsed() < ROUND {
                answer(&app, form).await;
                answers += 1;
            }
            fastest = fastest.min(began.elapsed() / answers);
        }
        println!("{name:16} {:>9} ns, {size:>6} bytes", fastest.as_nanos());
    }
}

/// Asks for the page, or sends its form, and returns the size of the answer.
async fn answer(app: &App, form: Option<&String>) -> usize {
    let request = Request::builder().uri("/").header(HOST, "go.example.com").header(ACCEPT, "text/html");
    let request = match form {
        None => request.body(Body::empty()),
        Some(form) => request
            .method("POST")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.clone())),
    };
    let answer = app.public().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    to_bytes(answer.into_body(), usize::MAX).await.unwrap().len()
}

fn settings(stand_in: &StandIn) -> Settings {
    let environment = vec![
        ("NEBULY_API_KEY".into(), KEY.into()),
        ("NEBULY_API_BASE_URL".into(), stand_in.api_base_url().into()),
        ("NEBULINK__NEBULY__PLATFORM_URL".into(), stand_in.platform_url().into()),
    ];
    let overrides = vec![("log.access".to_owned(), "none".to_owned())];
    Settings::load(&SettingSources { config_file: None, environment, overrides }).unwrap().settings
}
