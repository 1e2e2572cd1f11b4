//! The key appears in nothing: no log line at any level, no answer.

use crate::support::captured_log::CapturedLog;
use crate::support::own_process::in_own_process;
use crate::support::{KEY, Nebulink, stand_in};
use http::StatusCode;
use nebulink::demo::Fault;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_appears_in_no_log_line_at_trace_level_and_in_no_answer() {
    if !in_own_process(the_key_appears_in_no_log_line_at_trace_level_and_in_no_answer) {
        return;
    }
    let log = CapturedLog::start();

    let stand_in = stand_in().await;
    stand_in.add_conversation(KEY, "abc");
    let short = [
        ("nebuly.connect_timeout", "200ms"),
        ("nebuly.attempt_timeout", "300ms"),
        ("nebuly.deadline", "600ms"),
    ];
    let echo = format!("Bearer {KEY}");
    let faults = [
        None,
        Some(Fault::status(StatusCode::UNAUTHORIZED)),
        Some(Fault::Status {
            code: StatusCode::INTERNAL_SERVER_ERROR,
            headers: http::HeaderMap::new(),
            body: echo.clone(),
        }),
        Some(Fault::Body(echo.clone())),
        Some(Fault::Body(format!(r#"{{"url": "https://v2.platform.eu.nebuly.com/{KEY}"}}"#))),
        Some(Fault::Url(format!("https://{KEY}@v2.platform.eu.nebuly.com/"))),
        Some(Fault::RedirectTo(format!("https://evil.example/{KEY}"))),
        Some(Fault::Drop),
        Some(Fault::Hang),
        Some(Fault::Half),
    ];
    let mut answers = Vec::new();
    for fault in faults {
        // One that has not learned of an earlier fault, and so makes the call.
        let nebulink = Nebulink::start(&stand_in, &short).await;
        stand_in.set_fault(fault);
        for target in ["/c/abc?refresh", "/go/conversation?id=unknown", "/c/..", "/nowhere"] {
            for accept in ["text/html", "*/*"] {
                answers.push(nebulink.request("GET", target, &[("accept", accept)]).await);
            }
        }
        for target in ["/readyz?verbose", "/metrics", "/version"] {
            answers.push(crate::support::request(nebulink.management, "GET", target, &[]).await);
        }
    }
    let answers = format!("{answers:?}");

    let log = log.text();
    assert!(log.contains("request answered") && log.contains("TRACE"), "{log}");
    assert!(!log.contains(KEY), "{}", log.lines().find(|line| line.contains(KEY)).unwrap_or_default());
    assert!(!answers.contains(KEY), "{answers}");
}
