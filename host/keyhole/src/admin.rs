//! The one port that people and Kubernetes look at: `/metrics`, `/healthz`, `/readyz`.
//!
//! Health says that the process runs its tasks at all; readiness that everything has been listed once.
//! Neither depends on a store: restarting the host does not mend AWS. The port is open to the whole
//! cluster, so connections are bounded in number and time; without that, whoever holds many of them
//! open would take the file descriptors that the host needs for its work.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::observe::EngineGauges;

/// Connections at once. A scraper and the kubelet need three.
const CONNECTIONS: usize = 128;
/// For the head of a request, idle time before it included.
const HEAD: Duration = Duration::from_secs(10);
/// For a whole connection. Scrapers connect anew.
const CONNECTION: Duration = Duration::from_secs(120);
/// After an `accept` that failed, e.g. for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// What is served.
pub struct Admin {
    /// Everything that is counted.
    pub registry: Registry,
    /// Brought up to date at each scrape.
    pub gauges: EngineGauges,
    /// Whether everything has been listed once.
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
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) {
    let admin = Arc::new(admin);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, admin.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the admin port could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, admin: Arc<Admin>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&admin, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever went wrong went wrong at the other end.
    let _ = tokio::time::timeout(CONNECTION, served).await;
}

fn answer(admin: &Admin, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match path {
        "/metrics" => metrics(admin),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if *admin.ready.borrow() => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not everything has been listed yet\n"),
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn metrics(admin: &Admin) -> Response<Full<Bytes>> {
    admin.gauges.refresh();
    let mut body = Vec::new();
    match TextEncoder::new().encode(&admin.registry.gather(), &mut body) {
        Ok(()) => response(StatusCode::OK, prometheus::TEXT_FORMAT, body.into()),
        Err(error) => {
            tracing::warn!(%error, "metrics could not be written");
            text(StatusCode::INTERNAL_SERVER_ERROR, "failed\n")
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_sandbox::{Engine, EngineConfig};

    fn admin() -> (Admin, watch::Sender<bool>) {
        let registry = Registry::new();
        let engine = Engine::new(&EngineConfig {
            slots: 1,
            ..EngineConfig::default()
        })
        .unwrap();
        let gauges = EngineGauges::register(&registry, engine).unwrap();
        let (sender, ready) = watch::channel(false);
        (
            Admin {
                registry,
                gauges,
                ready,
            },
            sender,
        )
    }

    #[test]
    fn readiness_follows_and_health_does_not() {
        let (admin, ready) = admin();
        let status = |path: &str| answer(&admin, &Method::GET, path).status().as_u16();
        assert_eq!((status("/healthz"), status("/readyz")), (200, 503));
        ready.send_replace(true);
        assert_eq!((status("/healthz"), status("/readyz")), (200, 200));
    }

    #[test]
    fn nothing_else_is_served() {
        let (admin, _ready) = admin();
        assert_eq!(answer(&admin, &Method::GET, "/").status(), StatusCode::NOT_FOUND);
        assert_eq!(
            answer(&admin, &Method::POST, "/metrics").status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
        let metrics = answer(&admin, &Method::GET, "/metrics");
        assert_eq!(metrics.status(), StatusCode::OK);
        assert!(
            metrics.headers()[header::CONTENT_TYPE]
                .to_str()
                .unwrap()
                .starts_with("text/plain; version=0.0.4")
        );
    }
}
