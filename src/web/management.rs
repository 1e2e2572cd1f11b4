//! The management listener: probes, metrics and the version. It asks nobody: an outage of Nebuly must not empty the Service.

use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The text format of Prometheus.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One thing that has to be well for the service to be ready.
pub struct Part {
    /// Its name, as `?verbose` lists it.
    pub name: &'static str,
    /// Whether it is well, now.
    pub is_well: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Writes all metrics, in the text format of Prometheus.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Every path of the management listener.
pub fn router(parts: Vec<Part>, metrics: RenderMetrics) -> Router {
    let parts = Arc::new(parts);
    Router::new()
        .route("/livez", get(async || plain(StatusCode::OK, "ok\n".to_owned())))
        .route("/readyz", get(async move |RawQuery(query): RawQuery| ready(&parts, query.as_deref())))
        .route("/metrics", get(async move || scrape(metrics).await))
        .route("/version", get(version))
        .fallback(async || plain(StatusCode::NOT_FOUND, "there is no such path\n".to_owned()))
}

/// Reads all metrics, on a thread for it: to count files and to look at all series may take milliseconds.
async fn scrape(metrics: RenderMetrics) -> Response {
    match tokio::task::spawn_blocking(move || metrics()).await {
        Ok(metrics) => text(StatusCode::OK, PROMETHEUS, metrics),
        Err(_panic) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be read\n".to_owned()),
    }
}

fn ready(parts: &[Part], query: Option<&str>) -> Response {
    let wells: Vec<_> = parts.iter().map(|part| (part.name, (part.is_well)())).collect();
    let ready = wells.iter().all(|(_, well)| *well);
    let verbose =
        query.is_some_and(|query| query.split('&').any(|name| name.split('=').next() == Some("verbose")));
    let mut text = String::new();
    if verbose {
        for (name, well) in wells {
            text.push_str(if well { "[+] " } else { "[-] " });
            text.push_str(name);
            text.push('\n');
        }
    }
    text.push_str(if ready { "ready\n" } else { "not ready\n" });
    plain(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
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
