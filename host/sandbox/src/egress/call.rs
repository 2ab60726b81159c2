//! The network of one call, as wasi:http sees it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::header::HeaderName;
use http::uri::Scheme;
use http::{Request, Response};
use keyhole_core::{CallError, EgressError, Identity};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::body::{WRITES_QUEUED, WRITTEN_AT_ONCE};
use super::exchange::Exchange;
use super::policy::Policy;
use super::record::Record;
use super::request;
use super::tap::Listening;
use crate::call::{Call, Exchanges};
use crate::handled::Handled;
use crate::ports::{AwsSessions, Credentials, Ports};

/// Exchanges of one call that may be under way at once, answers being read included. The rest wait, so
/// a guest that starts a thousand opens 16 sockets.
const IN_FLIGHT: usize = 16;

/// What a call's `wasi:http/outgoing-handler` does.
pub struct CallEgress {
    policy: Arc<Policy>,
    identity: Identity,
    region: Option<Arc<str>>,
    sessions: Arc<dyn AwsSessions>,
    credentials: Arc<dyn Credentials>,
    handled: Handled,
    turns: Arc<Semaphore>,
    record: Record,
    exchanges: Exchanges,
}

impl CallEgress {
    /// The network of `call`. Credentials that are put on its requests go into `handled`.
    #[must_use]
    pub(crate) fn new(policy: Arc<Policy>, call: &Call, ports: &Ports, handled: Handled) -> Self {
        Self {
            policy,
            identity: call.identity.clone(),
            region: call.region.clone(),
            sessions: Arc::clone(&ports.sessions),
            credentials: Arc::clone(&ports.credentials),
            handled,
            turns: Arc::new(Semaphore::new(IN_FLIGHT)),
            record: Record::default(),
            exchanges: call.exchanges.clone(),
        }
    }

    /// The account of what went wrong. Stays valid when `self` is gone.
    #[must_use]
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    /// Everything that can be refused without waiting.
    fn begin(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Result<Exchange, EgressError> {
        let begun = self.record.count();
        self.exchanges.begin();
        let allowed = self.policy.limits().exchanges;
        if begun > allowed {
            return Err(EgressError::TooManyExchanges(allowed));
        }
        let (head, body) = request.into_parts();
        let route = self.policy.route(&head, self.region.as_ref())?;
        Ok(Exchange {
            timeouts: self.policy.timeouts().at_most(options),
            policy: Arc::clone(&self.policy),
            route,
            head,
            body,
            identity: self.identity.clone(),
            sessions: Arc::clone(&self.sessions),
            credentials: Arc::clone(&self.credentials),
            handled: self.handled.clone(),
            turns: Arc::clone(&self.turns),
            record: self.record.clone(),
            exchanges: self.exchanges.clone(),
        })
    }
}

type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Driver), Error>;

impl WasiHttpHooks for CallEgress {
    /// Only guests meet this: answers lose these headers before they get here.
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        let forbidden = request::is_hop_by_hop(name);
        if forbidden {
            self.record.note_egress(&request::forbidden_header(name));
        }
        forbidden
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(request::is_hop_by_hop)
    }

    /// Whether plain http is granted depends on the host, which [`Policy::route`] knows.
    fn is_supported_scheme(&mut self, scheme: &Scheme) -> bool {
        let supported = *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
        if !supported {
            let scheme = scheme.as_str().chars().take(32).collect();
            self.record.note_egress(&EgressError::SchemeNotGranted {
                scheme,
                host: "any host".to_owned(),
            });
        }
        supported
    }

    /// The host header is made from the URI that was checked.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        WRITTEN_AT_ONCE
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        WRITES_QUEUED
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _consumed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let record = self.record.clone();
        let (listening, request) = Listening::to(self.policy.tap(), request);
        match self.begin(request, options) {
            Ok(exchange) => Box::new(async move {
                let answer = exchange.run().await.map_err(|error| {
                    record.note(&error);
                    for_guest(&error)
                })?;
                let done: Driver = Box::new(std::future::ready(Ok(())));
                Ok((listening.answered(answer), done))
            }),
            Err(refused) => {
                let refused = CallError::Egress(refused);
                record.note(&refused);
                let error = for_guest(&refused);
                Box::new(std::future::ready(Err(error)))
            }
        }
    }
}

/// The nearest that wasi:http can say. The guest's report of it does not count.
fn for_guest(error: &CallError) -> Error {
    match error {
        CallError::Egress(error) => match error {
            EgressError::AddressProhibited { .. } => Error::DestinationIpProhibited,
            EgressError::BodyTooLarge {
                direction: "request", ..
            } => Error::HttpRequestBodySize(None),
            EgressError::BodyTooLarge { .. } => Error::HttpResponseBodySize(None),
            EgressError::TimedOut { .. } => Error::HttpResponseTimeout,
            EgressError::Unreachable { .. } => Error::DestinationUnavailable,
            _ => Error::HttpRequestDenied,
        },
        _ => Error::HttpRequestDenied,
    }
}

impl fmt::Debug for CallEgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallEgress")
            .field("identity", &self.identity)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
