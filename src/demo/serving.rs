//! Accepts connections and answers the requests on them.

use std::convert::Infallible;
use std::future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answers::{self, StandInAnswer};
use super::body::AnswerBody;
use super::calls::{Call, is_of_api};
use super::faults::Fault;
use super::page;
use super::state::StandInState;

/// The largest body that is read; a question to Nebuly is far smaller.
const MAX_BODY: usize = 1024 * 1024;

/// The pause after a failed accept, which is for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A connection ends without an answer.
#[derive(Debug, thiserror::Error)]
enum Disconnect {
    #[error("closed on purpose")]
    Closed,
    #[error("reset on purpose")]
    Reset,
}

/// Accepts until `stop`, and gives each connection a task of `connections`.
pub(super) async fn accept(
    listener: TcpListener,
    state: Arc<StandInState>,
    stop: CancellationToken,
    connections: TaskTracker,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((socket, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        state.connections.fetch_add(1, Ordering::Relaxed);
        // Small answers must not wait for more; without this option they are only slower.
        drop(socket.set_nodelay(true));
        let (state, stop) = (Arc::clone(&state), stop.clone());
        connections.spawn(async move { stop.run_until_cancelled(serve(socket, state)).await });
    }
}

/// Serves one connection until one side closes it.
async fn serve(socket: TcpStream, state: Arc<StandInState>) {
    let must_reset = Arc::new(AtomicBool::new(false));
    let reset = Arc::clone(&must_reset);
    let service = service_fn(move |request| {
        let (state, reset) = (Arc::clone(&state), Arc::clone(&reset));
        async move {
            let answer = answer(&state, request).await;
            reset.store(matches!(answer, Err(Disconnect::Reset)), Ordering::Relaxed);
            answer
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    // An error is a fault on purpose, or the caller's.
    drop(Pin::new(&mut connection).await);
    if must_reset.load(Ordering::Relaxed) {
        // With no time to linger, closing a socket resets it.
        drop(connection.into_parts().io.into_inner().set_zero_linger());
    }
}

async fn answer(state: &StandInState, request: Request<Incoming>) -> Result<StandInAnswer, Disconnect> {
    let (parts, body) = request.into_parts();
    if !is_of_api(parts.uri.path()) {
        return Ok(page::answer(state, &parts));
    }
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(answers::refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
    };
    let call = Call::new(parts, body.to_bytes());
    let in_flight = state.calls.record(call.clone());
    let answer = match state.faults.take(&call) {
        Some(fault) => faulty(state, &call, fault).await?,
        None => answers::usual(state, &call),
    };
    Ok(answer.map(|body| body.answering(in_flight)))
}

/// Answers as a Nebuly with this fault.
async fn faulty(state: &StandInState, call: &Call, fault: Fault) -> Result<StandInAnswer, Disconnect> {
    Ok(match fault {
        Fault::Drop => return Err(Disconnect::Closed),
        Fault::Reset => return Err(Disconnect::Reset),
        Fault::Hang => match future::pending::<Infallible>().await {},
        Fault::Delay(time) => {
            tokio::time::sleep(time).await;
            answers::usual(state, call)
        }
        Fault::Late { by, fault } => {
            tokio::time::sleep(by).await;
            Box::pin(faulty(state, call, *fault)).await?
        }
        Fault::Hold => {
            state.faults.wait_for_release().await;
            answers::usual(state, call)
        }
        Fault::Status { code, headers, body } => {
            let mut answer = answers::json_text(code, AnswerBody::whole(body));
            answer.headers_mut().extend(headers);
            answer
        }
        Fault::Body(body) => answers::json_text(StatusCode::OK, AnswerBody::whole(body)),
        Fault::Url(url) => answers::link(&url),
        Fault::Drip { pause } => answers::json_text(StatusCode::OK, AnswerBody::drip(pause)),
        Fault::Half => answers::half(),
        Fault::Huge { bytes } => answers::json_text(StatusCode::OK, AnswerBody::huge(bytes)),
        Fault::Garbage => answers::garbage(),
        Fault::Compressed => answers::compressed(),
        Fault::RedirectTo(address) => answers::redirect(&address),
    })
}
