//! When a watch that went quiet or breaks off is doubted, and when it is given up.

use super::*;
use crate::metrics::ObjectMetrics;
use http::{Request, Response, StatusCode};
use kube::client::Body;
use prometheus::Registry;
use serde_json::json;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// An API server with one namespace that answers, or does not.
#[derive(Clone)]
struct Server {
    answers: Arc<AtomicBool>,
    /// Watches are cut off after this time, without an end of their own.
    cuts_after: Option<Duration>,
}

impl tower_service::Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let (status, body) = match self.answers.load(Ordering::SeqCst) {
            true => (
                StatusCode::OK,
                json!({
                    "kind": "PartialObjectMetadataList",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": {"resourceVersion": "7"},
                    "items": [{"metadata": {"name": "team", "resourceVersion": "6"}}],
                }),
            ),
            false => (StatusCode::FORBIDDEN, json!({"code": 403, "message": "no"})),
        };
        let cuts_after = self.cuts_after;
        Box::pin(async move {
            let answer = |status: StatusCode, body: &serde_json::Value| {
                let body = Body::from(serde_json::to_vec(body).unwrap());
                Ok(Response::builder().status(status).body(body).unwrap())
            };
            match cuts_after {
                _ if !watches || status != StatusCode::OK => answer(status, &body),
                None => std::future::pending().await,
                Some(time) => {
                    tokio::time::sleep(time).await;
                    answer(StatusCode::BAD_GATEWAY, &json!({"code": 502, "message": "cut off"}))
                }
            }
        })
    }
}

fn word(change: Option<Change>) -> String {
    match change.unwrap() {
        Change::Namespace { name, .. } => format!("namespace {name}"),
        Change::NamespacesListed(listed) => format!("listed {}", listed.keys.len()),
        Change::NamespacesLost(scope) => format!("lost {scope:?}"),
        other => panic!("{other:?}"),
    }
}

fn watching(server: Server) -> (Watches, mpsc::Receiver<Change>, CancellationToken) {
    let client = Client::new(server, "default");
    let objects = ObjectMetrics {
        enabled: false,
        deprecated_names: false,
    };
    let metrics = Arc::new(Metrics::new(&Registry::new(), objects).unwrap());
    let (sender, changes) = mpsc::channel(QUEUE);
    let stop = CancellationToken::new();
    let watches = Watches::new(client, sender, metrics, Policy::default(), stop.clone());
    (watches, changes, stop)
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_that_is_cut_off_again_and_again_is_listed_anew_and_not_lost() {
    let server = Server {
        answers: Arc::new(AtomicBool::new(true)),
        cuts_after: Some(Duration::from_secs(40)),
    };
    let (watches, mut changes, stop) = watching(server);
    let began = Instant::now();
    let watch = tokio::spawn(watches.namespaces(None));
    for _ in 0..5 {
        assert_eq!(word(changes.recv().await), "namespace team");
        assert_eq!(word(changes.recv().await), "listed 1");
    }
    assert!(began.elapsed() >= 4 * OUTAGE, "{:?}", began.elapsed());
    stop.cancel();
    watch.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_cannot_be_watched_for_a_minute_are_lost_until_they_are_listed_again() {
    let answers = Arc::new(AtomicBool::new(false));
    let server = Server {
        answers: Arc::clone(&answers),
        cuts_after: None,
    };
    let (watches, mut changes, stop) = watching(server);
    let began = Instant::now();
    let watch = tokio::spawn(watches.namespaces(None));
    for _ in 0..2 {
        assert_eq!(word(changes.recv().await), "lost None");
    }
    assert!(began.elapsed() >= 2 * OUTAGE, "{:?}", began.elapsed());
    answers.store(true, Ordering::SeqCst);
    assert_eq!(word(changes.recv().await), "namespace team");
    assert_eq!(word(changes.recv().await), "listed 1");
    stop.cancel();
    watch.await.unwrap();
}
