//! One HTTP exchange that policy allows: body, signature, answer, each with its bound.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use keyhole_core::{CallError, EgressError, Identity};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::WasiBody;

use super::body::{Bounds, Hold, Incoming, Outgoing, Progress, broken_off};
use super::cause::unreachable;
use super::network::Timeouts;
use super::policy::{Policy, Route};
use super::record::Record;
use super::{headers, request, sign};
use crate::call::Exchanges;
use crate::handled::Handled;
use crate::ports::{AwsSessions, Credentials};

/// Everything that an exchange needs from its call.
pub(super) struct Exchange {
    pub(super) policy: Arc<Policy>,
    pub(super) route: Route,
    pub(super) head: Parts,
    pub(super) body: WasiBody,
    pub(super) timeouts: Timeouts,
    pub(super) identity: Identity,
    pub(super) sessions: Arc<dyn AwsSessions>,
    pub(super) credentials: Arc<dyn Credentials>,
    pub(super) handled: Handled,
    /// The call's turns: as many as it may have exchanges in flight.
    pub(super) turns: Arc<Semaphore>,
    pub(super) record: Record,
    pub(super) exchanges: Exchanges,
}

impl Exchange {
    /// Sends the request and returns the answer as soon as its head is there.
    pub(super) async fn run(self) -> Result<Response<WasiBody>, CallError> {
        let total = self.timeouts.total;
        let deadline = Instant::now() + total;
        let host = self.route.destination.to_string();
        let late = |what| EgressError::TimedOut {
            host: host.clone(),
            what,
            after: total,
        };

        let turn = match timeout_at(deadline, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) | Err(_) => return Err(late("become free of this call's other exchanges").into()),
        };
        let limit = self.policy.limits().request_body;
        if declared_length(&self.head.headers).is_some_and(|length| length > limit) {
            return Err(too_large("request", &host, limit).into());
        }

        let mut head = self.head;
        head.uri = self
            .route
            .destination
            .uri(self.route.path.clone())
            .map_err(|_| EgressError::HostNotGranted { host: host.clone() })?;
        let (body, progress) = match &self.route.signing {
            None => {
                let (body, progress) = Outgoing::new(self.body, limit, host.clone());
                (body.boxed_unsync(), Some(progress))
            }
            Some(scope) => {
                let within = self.timeouts.request_body;
                let body = collect(self.body, limit, &host, within).await?;
                let credentials = timeout_at(deadline, self.sessions.session(&self.identity))
                    .await
                    .map_err(|_| CallError::Identity {
                        message: format!("no AWS session for {} within {} s", self.identity, total.as_secs_f32()),
                        transient: true,
                    })??;
                sign::sign(&mut head, &body, scope, credentials, SystemTime::now())
                    .map_err(|error| CallError::Host(format!("a request to {host} could not be signed: {error}")))?;
                (Full::new(body).map_err(|never| match never {}).boxed_unsync(), None)
            }
        };

        let granted = &self.route.headers;
        let applying = headers::apply(
            &mut head.headers,
            granted,
            &*self.credentials,
            &self.identity,
            &self.handled,
        );
        let applied = timeout_at(deadline, applying).await.map_err(|_| CallError::Identity {
            message: format!("no credential for {host} within {} s", total.as_secs_f32()),
            transient: true,
        })??;

        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.headers_mut() = head.headers;
        let answered_by = deadline.min(Instant::now() + self.timeouts.first_byte);
        let answer = timeout_at(answered_by, self.policy.client(&self.route).request(request)).await;
        let broken = progress.as_deref().and_then(Progress::broken).cloned();
        let answer = match (broken, answer) {
            (Some(broken), _) => return Err(broken.into()),
            (None, Ok(Ok(answer))) => answer,
            (None, Ok(Err(error))) => return Err(unreachable(&host, &error).into()),
            (None, Err(_)) => {
                let whole = progress.is_none_or(|progress| progress.is_finished());
                let what = if whole { "answer" } else { "get the whole request" };
                return Err(EgressError::TimedOut {
                    host,
                    what,
                    after: self.timeouts.first_byte.min(total),
                }
                .into());
            }
        };

        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(EgressError::Unreachable {
                host,
                why: "it switched to another protocol".to_owned(),
            }
            .into());
        }
        if answer.status().is_success() {
            self.exchanges.succeed();
        }
        let limit = self.policy.limits().response_body;
        let (mut head, body) = answer.into_parts();
        if !body.is_end_stream() && declared_length(&head.headers).is_some_and(|length| length > limit) {
            return Err(too_large("response", &host, limit).into());
        }
        request::strip(&mut head.headers);
        headers::hide(&mut head.headers, &applied);
        let hold = Hold {
            turn,
            policy: self.policy,
        };
        let bounds = Bounds {
            host,
            bytes: limit,
            between: self.timeouts.between_bytes,
            deadline,
            total,
        };
        Ok(Response::from_parts(
            head,
            Incoming::new(body, hold, bounds, self.record).boxed_unsync(),
        ))
    }
}

/// The whole body of a request that is signed.
async fn collect(body: WasiBody, limit: usize, host: &str, within: std::time::Duration) -> Result<Bytes, EgressError> {
    match tokio::time::timeout(within, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large("request", host, limit)),
        Ok(Err(_)) => Err(broken_off(host)),
        Err(_) => Err(EgressError::TimedOut {
            host: host.to_owned(),
            what: "get the whole request",
            after: within,
        }),
    }
}

fn too_large(direction: &'static str, host: &str, limit: usize) -> EgressError {
    EgressError::BodyTooLarge {
        direction,
        host: host.to_owned(),
        limit,
    }
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
