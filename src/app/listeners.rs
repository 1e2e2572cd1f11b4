//! The two listeners, each served by a task of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::service::Service;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::server::{
    self, BindError, Connection, ConnectionLimits, Drain, OpenConnections, RequestBody, Workers,
};
use crate::settings;

/// The two sockets that the program listens on.
#[derive(Debug)]
pub struct Listeners {
    /// For links.
    pub public: TcpListener,
    /// For probes and scrapes.
    pub management: TcpListener,
}

/// An accept loop has ended without being told to: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the accept loop of the {0} listener has ended by itself: this is a defect of nebulink")]
pub struct AcceptLoopEnded(&'static str);

/// A listener and the task that serves it.
pub(super) struct Serving {
    name: &'static str,
    drain: Drain,
    /// Returns the number of requests that were aborted.
    task: JoinHandle<usize>,
}

impl Listeners {
    /// Opens both sockets. From now on the kernel queues connections, and no other program can take the ports.
    pub fn bind(settings: &settings::ServerSettings) -> Result<Self, BindError> {
        Ok(Self {
            public: server::bind(settings.listen)?,
            management: server::bind(settings.management_listen)?,
        })
    }

    /// The address of the public one.
    pub fn public_address(&self) -> std::io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// The address of the management one.
    pub fn management_address(&self) -> std::io::Result<SocketAddr> {
        self.management.local_addr()
    }
}

impl Serving {
    /// Accepts connections until `drain` closes.
    pub(super) fn start<F, S>(
        name: &'static str,
        listener: TcpListener,
        service_of: F,
        workers: Workers,
        limits: ConnectionLimits,
        drain: Drain,
        open: OpenConnections,
    ) -> Self
    where
        F: Fn(Connection) -> S + Send + 'static,
        S: Service<Request<RequestBody>, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send,
    {
        let task = tokio::spawn(server::serve(listener, service_of, workers, limits, drain.clone(), open));
        Self { name, drain, task }
    }

    /// Waits until the accept loop ends by itself. Not to be called again after that.
    pub(super) async fn ended(&mut self) -> AcceptLoopEnded {
        // A panic has been logged.
        drop((&mut self.task).await);
        tracing::error!(listener = self.name, "accept loop ended by itself");
        AcceptLoopEnded(self.name)
    }

    /// Accepts no more, and aborts the requests that are in flight after `timeout`. Returns their number.
    pub(super) async fn close(mut self, timeout: Duration) -> usize {
        self.drain.close();
        if self.task.is_finished() {
            return 0;
        }
        let finished = tokio::time::timeout(timeout, &mut self.task).await;
        match finished {
            Ok(aborted) => aborted,
            Err(_elapsed) => {
                self.drain.abort();
                self.task.await
            }
        }
        .unwrap_or_default()
    }
}
