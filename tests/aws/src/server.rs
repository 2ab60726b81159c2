//! The server: one thread with its own runtime, HTTP/1.1 and HTTP/2 (prior knowledge) on a loopback port.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::body::FaultyBody;
use crate::fault::{Effect, Fault, Faults, Throttles};
use crate::keyring::{Credentials, Keyring};
use crate::ledger::{Counts, Ledger, RequestRecord};
use crate::parameters::{ParameterType, Parameters};
use crate::policy::Deny;
use crate::secrets::{Content, Secrets};
use crate::signature::Arrived;
use crate::socket::Socket;
use crate::state::{Inner, Reset, State};

/// The largest request body that is read.
const MAX_BODY: usize = 4 << 20;

/// How a [`FakeAws`] starts.
#[derive(Clone, Debug)]
pub struct FakeConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Account of all ARNs.
    pub account: String,
    /// The access key of the one user that exists at start, `user/base`.
    pub base: Credentials,
    /// Every answer takes this long.
    pub latency: Duration,
    /// Lifetime of the sessions that `AssumeRole` mints, whatever the caller asks for.
    pub session_lifetime: Option<Duration>,
    /// Values on a page of `BatchGetSecretValue`; more pages come by `NextToken`.
    pub batch_page: usize,
}

impl Default for FakeConfig {
    fn default() -> Self {
        Self {
            port: 0,
            account: "123456789012".to_owned(),
            base: Credentials {
                access_key_id: "AKIAFAKEBASEKEY00001".to_owned(),
                secret_access_key: "fakeBaseSecretAccessKey/0123456789+abcdef".to_owned(),
                session_token: None,
            },
            latency: Duration::ZERO,
            session_lifetime: None,
            batch_page: 20,
        }
    }
}

/// A running fake AWS; it stops when this is dropped.
pub struct FakeAws {
    address: SocketAddr,
    base: Credentials,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl FakeAws {
    /// Starts the server and returns when it listens.
    pub fn start(config: FakeConfig) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, config.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut keyring = Keyring::default();
        keyring.add_user(
            &config.account,
            "base",
            &config.base.access_key_id,
            &config.base.secret_access_key,
        );
        let state = Arc::new(State::new(Inner {
            secrets: Secrets::new(&config.account),
            parameters: Parameters::new(&config.account),
            account: config.account,
            keyring,
            denials: Vec::new(),
            trust: BTreeMap::new(),
            faults: Faults::default(),
            throttles: Throttles::default(),
            ledger: Ledger::default(),
            latency: config.latency,
            session_lifetime: config.session_lifetime,
            batch_page: config.batch_page.max(1),
        }));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&state);
        let thread = thread::Builder::new().name("fake-aws".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self {
            address,
            base: config.base,
            state,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL` and its relatives.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base user's access key.
    #[must_use]
    pub fn base_credentials(&self) -> Credentials {
        self.base.clone()
    }

    /// Creates a secret or rotates it: the value becomes `AWSCURRENT`. Returns the version's id.
    pub fn set_secret(&self, region: &str, name: &str, content: impl Into<Content>) -> String {
        self.state.lock().secrets.set(region, name, content.into())
    }

    /// Adds a version with other labels, e.g. `AWSPENDING`, to a secret that exists.
    pub fn set_secret_stage(
        &self,
        region: &str,
        name: &str,
        content: impl Into<Content>,
        stage: &str,
    ) -> Option<String> {
        self.state
            .lock()
            .secrets
            .put(region, name, content.into(), &[stage.to_owned()], None)
            .ok()
    }

    /// Creates a secret or rotates it, as [`FakeAws::set_secret`], with a version id of the caller's choice.
    pub fn set_secret_version(&self, region: &str, name: &str, content: impl Into<Content>, id: &str) {
        self.state
            .lock()
            .secrets
            .set_version(region, name, content.into(), Some(id));
    }

    /// Removes a secret; no effect when it is absent.
    pub fn remove_secret(&self, region: &str, name: &str) {
        let _ = self.state.lock().secrets.remove(region, name);
    }

    /// Marks a secret for deletion: it exists, but gives no value.
    pub fn schedule_deletion(&self, region: &str, name: &str) {
        let _ = self.state.lock().secrets.schedule_deletion(region, name);
    }

    /// The ARN of a secret of this name.
    #[must_use]
    pub fn arn(&self, region: &str, name: &str) -> String {
        self.state.lock().secrets.arn(region, name)
    }

    /// Creates a SecureString or gives it a new version. Returns the version's number.
    pub fn set_parameter(&self, region: &str, name: &str, value: impl AsRef<str>) -> u64 {
        self.set_parameter_as(region, name, ParameterType::SecureString, value)
    }

    /// Creates a parameter of this type or gives it a new version. A name that is an ARN makes one that
    /// another account shares.
    pub fn set_parameter_as(&self, region: &str, name: &str, kind: ParameterType, value: impl AsRef<str>) -> u64 {
        self.state.lock().parameters.set(region, name, kind, value.as_ref())
    }

    /// Moves a label to a version of a parameter; `None` when there is no such version.
    #[must_use]
    pub fn label_parameter(&self, region: &str, name: &str, version: u64, label: &str) -> Option<()> {
        self.state.lock().parameters.label(region, name, version, label).ok()
    }

    /// Deletes a parameter; no effect when it is absent.
    pub fn remove_parameter(&self, region: &str, name: &str) {
        let _ = self.state.lock().parameters.remove(region, name);
    }

    /// The ARN of a parameter of this name.
    #[must_use]
    pub fn parameter_arn(&self, region: &str, name: &str) -> String {
        self.state.lock().parameters.arn(region, name)
    }

    /// Adds a user with an access key of its own.
    pub fn add_user(&self, name: &str, access_key_id: &str, secret_access_key: &str) {
        let mut state = self.state.lock();
        let account = state.account.clone();
        state.keyring.add_user(&account, name, access_key_id, secret_access_key);
    }

    /// Denies something until [`FakeAws::clear_denials`].
    pub fn deny(&self, deny: Deny) {
        self.state.lock().denials.push(deny);
    }

    /// Allows everything again.
    pub fn clear_denials(&self) {
        self.state.lock().denials.clear();
    }

    /// From now on only `principal` (user or role ARN) may assume `role_arn`.
    pub fn trust_only(&self, role_arn: &str, principal: &str) {
        self.state
            .lock()
            .trust
            .insert(role_arn.to_owned(), principal.to_owned());
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.state.lock().faults.add(fault);
    }

    /// Shorthand for a fault that hits every request of an operation.
    pub fn fault_on(&self, operation: &str, effect: Effect) {
        self.fault(Fault::on(operation).effect(effect));
    }

    /// Ends all faults and throttles. Requests that hang already go on hanging.
    pub fn clear_faults(&self) {
        let mut state = self.state.lock();
        state.faults.clear();
        state.throttles.clear();
    }

    /// Lets `per_second` requests of an operation pass after a burst, and throttles the rest.
    pub fn throttle(&self, operation: &str, per_second: f64, burst: f64) {
        self.quota(&[operation], per_second, burst);
    }

    /// The same for a family of operations that share a quota, in each account and region.
    pub fn quota(&self, operations: &[&str], per_second: f64, burst: f64) {
        self.state.lock().throttles.limit(operations, per_second, burst);
    }

    /// Every answer takes this long from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.state.lock().latency = latency;
    }

    /// Sessions minted from now on live this long.
    pub fn set_session_lifetime(&self, lifetime: Option<Duration>) {
        self.state.lock().session_lifetime = lifetime;
    }

    /// Ends every session; its next use answers `ExpiredTokenException`.
    pub fn expire_sessions(&self) {
        self.state.lock().keyring.expire_sessions(jiff::Timestamp::now());
    }

    /// What was called how often.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.lock().ledger.counts.clone()
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.lock().ledger.records()
    }

    /// Forgets counts and requests.
    pub fn reset_counts(&self) {
        self.state.lock().ledger.clear();
    }

    /// Every secret key and session token that exists or existed, to search logs for.
    #[must_use]
    pub fn credential_secrets(&self) -> Vec<String> {
        self.state.lock().keyring.secrets()
    }
}

impl Drop for FakeAws {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket::new(stream, Arc::clone(&reset));
    let service = service_fn(move |request| {
        let (state, reset) = (Arc::clone(&state), Arc::clone(&reset));
        async move {
            answer(request, &state).await.map_err(|Reset| {
                reset.store(true, Ordering::SeqCst);
                io::Error::from(io::ErrorKind::ConnectionReset)
            })
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn answer(request: Request<Incoming>, state: &State) -> Result<Response<FaultyBody>, Reset> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|_| Reset)?
        .to_bytes();
    if let Some(path) = head.uri.path().strip_prefix("/_fake/") {
        return crate::control::answer(&head.method, path, &body, state);
    }
    let host = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let authority = head
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or(host)
        .unwrap_or_default();
    state
        .answer(&Arrived {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
            authority,
            body: &body,
        })
        .await
}
