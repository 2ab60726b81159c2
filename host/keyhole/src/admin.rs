//! The one port that people and Kubernetes look at: `/metrics`, `/healthz`, `/readyz`.
//!
//! Health says that the process runs its tasks at all; readiness that every watch has been read once.
//! Neither depends on a store: restarting the host does not mend AWS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::observe::EngineGauges;

/// A scraper that does not read is not waited for.
const STOPPING: Duration = Duration::from_secs(1);

/// What is served.
pub struct Admin {
    /// Everything that is counted.
    pub registry: Registry,
    /// Brought up to date at each scrape.
    pub gauges: EngineGauges,
    /// Whether every watch has been read once.
    pub ready: watch::Receiver<bool>,
}

/// Takes the port: on this address, or on all of them.
pub async fn bind(address: Option<IpAddr>, port: u16) -> anyhow::Result<TcpListener> {
    let bound = match address {
        Some(address) => TcpListener::bind((address, port)).await,
        // Both families at once, as Node does; a kernel without IPv6 has only the other.
        None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            bound => bound,
        },
    };
    match bound {
        Ok(listener) => {
            // With port 0, this is how to find it.
            tracing::info!(address = %listener.local_addr()?, "serving metrics, health and readiness");
            Ok(listener)
        }
        Err(error) => anyhow::bail!("cannot serve metrics on port {port}: {error}; choose another METRICS_PORT"),
    }
}

/// Serves until stopped.
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) -> io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(Arc::new(admin));
    let stopping = stop.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
    let deadline = async {
        stopping.cancelled().await;
        tokio::time::sleep(STOPPING).await;
    };
    tokio::select! {
        served = async { server.await } => served,
        () = deadline => Ok(()),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    admin.gauges.refresh();
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    match encoder.encode(&admin.registry.gather(), &mut text) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text),
        Err(error) => {
            tracing::warn!(%error, "metrics could not be written");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(header::CONTENT_TYPE, "text/plain")],
                b"failed\n".to_vec(),
            )
        }
    }
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    if *admin.ready.borrow() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not every watch has been read yet\n")
    }
}
