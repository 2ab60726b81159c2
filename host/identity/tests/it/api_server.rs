//! The part of an API server that is asked for credentials, with answers and faults of a test's choice. What
//! the real one does is tested with the real one; this one counts, and fails on demand.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use keyhole_identity::ClusterCredentials;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Clock;

pub const NAMESPACE: &str = "keyhole-system";

#[derive(Default)]
pub struct State {
    /// Data of Secrets, by `NAMESPACE/NAME`.
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// Annotations of service accounts, by `NAMESPACE/NAME`.
    pub accounts: BTreeMap<String, BTreeMap<String, String>>,
    /// A status for everything; nothing for the usual.
    pub fault: Option<u16>,
    /// As whom the caller is known.
    pub user: String,
    /// Method and path of every request.
    pub requests: Vec<String>,
    /// What token requests asked for.
    pub wanted: Vec<Value>,
    /// Tokens that were made.
    pub tokens: Vec<String>,
}

pub struct ApiServer {
    url: String,
    pub state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ApiServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            user: "system:serviceaccount:keyhole-system:keyhole".to_owned(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { url, state, task }
    }

    pub fn credentials(&self, clock: &Clock) -> ClusterCredentials {
        let config = kube::Config::new(self.url.parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        let clock = aws_smithy_async::time::SharedTimeSource::new(clock.clone());
        ClusterCredentials::with_clock(client, NAMESPACE, clock)
    }

    pub fn secret(&self, place: &str, key: &str, value: &str) {
        let mut state = self.state.lock().unwrap();
        let data = state.secrets.entry(place.to_owned()).or_default();
        data.insert(key.to_owned(), value.to_owned());
    }

    pub fn account(&self, place: &str, annotations: &[(&str, &str)]) {
        let annotations = annotations
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        self.state
            .lock()
            .unwrap()
            .accounts
            .insert(place.to_owned(), annotations);
    }

    pub fn fault(&self, status: Option<u16>) {
        self.state.lock().unwrap().fault = status;
    }

    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }
}

fn status(code: u16, message: &str) -> (u16, Value) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "x", "code": code});
    (code, body)
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (code, body) = judge(head.method.as_str(), head.uri.path(), sent, &mut state.lock().unwrap());
    let response = Response::builder()
        .status(code)
        .header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from(body.to_string()))).unwrap())
}

fn judge(method: &str, path: &str, sent: Value, state: &mut State) -> (u16, Value) {
    state.requests.push(format!("{method} {path}"));
    if let Some(code) = state.fault {
        return status(code, "a fault");
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["api", "v1", "namespaces", namespace, "secrets", name]) => {
            let Some(data) = state.secrets.get(&format!("{namespace}/{name}")) else {
                return status(404, "not found");
            };
            let data: BTreeMap<_, _> = data.iter().map(|(key, value)| (key, STANDARD.encode(value))).collect();
            (
                200,
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}),
            )
        }
        ("GET", ["api", "v1", "namespaces", namespace, "serviceaccounts", name]) => {
            let Some(annotations) = state.accounts.get(&format!("{namespace}/{name}")) else {
                return status(404, "not found");
            };
            let metadata = json!({"name": name, "namespace": namespace, "annotations": annotations});
            (
                200,
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}),
            )
        }
        ("POST", ["api", "v1", "namespaces", namespace, "serviceaccounts", name, "token"]) => {
            if !state.accounts.contains_key(&format!("{namespace}/{name}")) {
                return status(404, "not found");
            }
            state.wanted.push(sent["spec"].clone());
            let seconds = sent["spec"]["expirationSeconds"].as_u64().unwrap();
            let expires = SystemTime::now() + Duration::from_secs(seconds);
            let subject = format!("system:serviceaccount:{namespace}:{name}");
            let token = token(&sent["spec"]["audiences"], &subject, expires, state.tokens.len());
            state.tokens.push(token.clone());
            let answer = json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": sent["spec"],
                "status": {"token": token, "expirationTimestamp": "2999-01-01T00:00:00Z"},
            });
            (201, answer)
        }
        ("POST", ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]) => {
            let user = json!({"userInfo": {"username": state.user}});
            let kind = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}});
            let mut answer = kind;
            answer["status"] = user;
            (201, answer)
        }
        _ => status(404, "no such path"),
    }
}

/// A token of the real shape.
pub fn token(audiences: &Value, subject: &str, expires: SystemTime, number: usize) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let seconds = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"iss": "https://kubernetes.default.svc", "sub": subject, "aud": audiences, "exp": seconds, "jti": number});
    format!(
        "{}.{}.{}",
        part(json!({"alg": "RS256"})),
        part(claims),
        URL_SAFE_NO_PAD.encode("signature")
    )
}
