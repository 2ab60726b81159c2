//! A secret store that speaks JSON over HTTP: the one that the examples in four languages are written for.
//!
//! It refuses whoever does not show its bearer token, so a value that arrives proves that the host set the
//! header. It runs on a thread of its own and tells what it was asked.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use http::header::{AUTHORIZATION, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A running store; it stops when this is dropped.
pub struct JsonStore {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A request that arrived, and what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Path and query.
    pub target: String,
    /// The version that the asker has.
    pub if_none_match: Option<String>,
    /// The status that it got.
    pub status: u16,
}

#[derive(Default)]
struct State {
    token: String,
    secrets: BTreeMap<String, (String, u64)>,
    versions: u64,
    faults: BTreeMap<String, (u16, Option<u64>)>,
    asked: Vec<Asked>,
}

impl JsonStore {
    /// Starts a store that wants this bearer token, and returns when it listens.
    pub fn start(token: &str) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            token: token.to_owned(),
            ..State::default()
        }));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&state);
        let thread = thread::Builder::new().name("json-store".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        self.address
    }

    /// Gives a secret a new value and returns its version.
    pub fn set(&self, key: &str, value: &str) -> String {
        let mut state = self.lock();
        state.versions += 1;
        let version = state.versions;
        state.secrets.insert(key.to_owned(), (value.to_owned(), version));
        version.to_string()
    }

    /// Answers this key with a status, and a `Retry-After` in seconds, until it is set to 200.
    pub fn fault(&self, key: &str, status: u16, retry_after: Option<u64>) {
        let faults = &mut self.lock().faults;
        match status {
            200 => _ = faults.remove(key),
            status => _ = faults.insert(key.to_owned(), (status, retry_after)),
        }
    }

    /// Wants another token from now on.
    pub fn want(&self, token: &str) {
        token.clone_into(&mut self.lock().token);
    }

    /// What arrived so far, in its order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for JsonStore {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<Mutex<State>>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let state = Arc::clone(&state);
                    let service = service_fn(move |request: Request<Incoming>| {
                        let answer = state.lock().unwrap_or_else(PoisonError::into_inner).answer(&request);
                        std::future::ready(answer)
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    connections.spawn(async move {
                        let _ = server.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request<Incoming>) -> http::Result<Response<Full<Bytes>>> {
        let (headers, uri) = (request.headers(), request.uri());
        let answer = self.decide(headers, uri.path(), uri.query().unwrap_or_default());
        self.asked.push(Asked {
            target: uri.to_string(),
            if_none_match: text(headers, IF_NONE_MATCH.as_str()),
            status: answer.status,
        });
        let mut response = Response::builder().status(answer.status);
        if let Some(version) = answer.version {
            response = response.header(ETAG, format!("\"{version}\""));
        }
        if let Some(seconds) = answer.retry_after {
            response = response.header(RETRY_AFTER, seconds);
        }
        let body = answer.body.map(|body| body.to_string()).unwrap_or_default();
        response
            .header("content-type", "application/json")
            .body(Full::from(body))
    }

    fn decide(&self, headers: &HeaderMap, path: &str, query: &str) -> Answer {
        if text(headers, AUTHORIZATION.as_str()) != Some(format!("Bearer {}", self.token)) {
            return Answer::of(StatusCode::UNAUTHORIZED);
        }
        match path.strip_prefix("/v1/secrets") {
            Some("") => self.list(query),
            Some(key) => self.entry(&decoded(key.trim_start_matches('/')), headers),
            None => Answer::of(StatusCode::NOT_FOUND),
        }
    }

    fn entry(&self, key: &str, headers: &HeaderMap) -> Answer {
        if let Some((status, retry_after)) = self.faults.get(key) {
            return Answer {
                status: *status,
                retry_after: *retry_after,
                // What a careless store says; no plugin may pass it on.
                body: Some(json!({ "error": "the value is a-secret" })),
                ..Answer::default()
            };
        }
        let Some((value, version)) = self.secrets.get(key) else {
            return Answer::of(StatusCode::NOT_FOUND);
        };
        if text(headers, IF_NONE_MATCH.as_str()) == Some(format!("\"{version}\"")) {
            return Answer::of(StatusCode::NOT_MODIFIED);
        }
        Answer {
            status: 200,
            version: Some(*version),
            body: Some(json!({ "value": value, "version": version.to_string() })),
            ..Answer::default()
        }
    }

    fn list(&self, query: &str) -> Answer {
        let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let folder = query
            .get("prefix")
            .map(|prefix| format!("{prefix}/"))
            .unwrap_or_default();
        let recursive = query.get("recursive").is_some_and(|recursive| recursive == "true");
        let within = |key: &str| match key.strip_prefix(&folder) {
            Some(rest) => recursive || !rest.contains('/'),
            None => false,
        };
        let found = self.secrets.iter().filter(|(key, _)| within(key));
        let secrets: Vec<Json> = found
            .map(|(key, (value, version))| json!({ "key": key, "value": value, "version": version.to_string() }))
            .collect();
        Answer {
            status: 200,
            body: Some(json!({ "secrets": secrets })),
            ..Answer::default()
        }
    }
}

#[derive(Default)]
struct Answer {
    status: u16,
    version: Option<u64>,
    retry_after: Option<u64>,
    body: Option<Json>,
}

impl Answer {
    fn of(status: StatusCode) -> Self {
        Self {
            status: status.as_u16(),
            ..Self::default()
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// A path as it was before it was escaped. A plus sign stands for itself there.
fn decoded(path: &str) -> String {
    let query = path.replace('+', "%2B");
    let mut parts = url::form_urlencoded::parse(query.as_bytes());
    parts.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}
