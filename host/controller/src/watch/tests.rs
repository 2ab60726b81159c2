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
        Box::pin(async move {
            if watches && status == StatusCode::OK {
                return std::future::pending().await;
            }
            let body = Body::from(serde_json::to_vec(&body).unwrap());
            Ok(Response::builder().status(status).body(body).unwrap())
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

#[tokio::test(start_paused = true)]
async fn namespaces_that_cannot_be_watched_for_a_minute_are_lost_until_they_are_listed_again() {
    let answers = Arc::new(AtomicBool::new(false));
    let server = Server {
        answers: Arc::clone(&answers),
    };
    let client = Client::new(server, "default");
    let objects = ObjectMetrics {
        enabled: false,
        deprecated_names: false,
    };
    let metrics = Arc::new(Metrics::new(&Registry::new(), objects).unwrap());
    let (sender, mut changes) = mpsc::channel(QUEUE);
    let stop = CancellationToken::new();
    let watches = Watches::new(client, sender, metrics, Policy::default(), stop.clone());
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
