//! The management listener: probes, metrics and the version. No probe depends on Nebuly: its
//! outage must not remove every pod from the Service.

use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The text format of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A condition of readiness.
pub struct HealthCheck {
    /// Its name, as `?verbose` lists it.
    pub name: &'static str,
    /// Returns true if it is met now.
    pub is_healthy: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Writes all metrics, in the text format of Prometheus.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Every path of the management listener.
pub fn router(checks: Vec<HealthCheck>, metrics: RenderMetrics) -> Router {
    let checks = Arc::new(checks);
    Router::new()
        .route("/livez", get(async || plain(StatusCode::OK, "ok\n".to_owned())))
        .route("/readyz", get(async move |RawQuery(query): RawQuery| ready(&checks, query.as_deref())))
        .route("/metrics", get(async move || scrape(metrics).await))
        .route("/version", get(version))
        .fallback(async || plain(StatusCode::NOT_FOUND, "there is no such path\n".to_owned()))
}

/// Renders all metrics, on a blocking thread: counting files and reading all series may take milliseconds.
async fn scrape(metrics: RenderMetrics) -> Response {
    match tokio::task::spawn_blocking(move || metrics()).await {
        Ok(metrics) => text(StatusCode::OK, PROMETHEUS, metrics),
        Err(_panic) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be read\n".to_owned()),
    }
}

fn ready(checks: &[HealthCheck], query: Option<&str>) -> Response {
    let results: Vec<_> = checks.iter().map(|check| (check.name, (check.is_healthy)())).collect();
    let is_ready = results.iter().all(|(_, is_healthy)| *is_healthy);
    let verbose =
        query.is_some_and(|query| query.split('&').any(|name| name.split('=').next() == Some("verbose")));
    let mut text = String::new();
    if verbose {
        for (name, is_healthy) in results {
            text.push_str(if is_healthy { "[+] " } else { "[-] " });
            text.push_str(name);
            text.push('\n');
        }
    }
    text.push_str(if is_ready { "ready\n" } else { "not ready\n" });
    plain(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

async fn version() -> Response {
    let body = concat!("{\"name\":\"nebulink\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n");
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn plain(status: StatusCode, body: String) -> Response {
    text(status, "text/plain; charset=utf-8", body)
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], body).into_response()
}
