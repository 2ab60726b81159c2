//! Bodies in both directions, bounded in size and time.
//!
//! A guest that writes a byte a second, and a server that answers so, would hold a connection and a
//! call's slot for as long as they like. Trailers are dropped both ways: nothing that a store says is
//! in them, and they would be headers that nobody checked.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use keyhole_core::EgressError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::cause::unreachable;
use super::policy::Policy;
use super::record::Record;

/// Bytes that a guest may write at once into the body of a request.
///
/// What it writes waits in the host until the request is sent, which may be never, and takes no handle of
/// its own. With wasi-http's 1 MiB, a thousand requests held 2 GiB; with this they hold 16 MiB.
pub(crate) const WRITTEN_AT_ONCE: usize = 8 << 10;
/// Such writes that wait; wasi-http queues one more than it is told.
pub(crate) const WRITES_QUEUED: usize = 1;

/// What became of a streamed request body, seen from the exchange.
#[derive(Debug, Default)]
pub(super) struct Progress {
    finished: AtomicBool,
    broken: OnceLock<EgressError>,
}

impl Progress {
    /// Whether the guest wrote all of it.
    pub(super) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// Why it broke off, if it did.
    pub(super) fn broken(&self) -> Option<&EgressError> {
        self.broken.get()
    }
}

/// A guest that let go of a request before it was whole.
pub(super) fn broken_off(host: &str) -> EgressError {
    EgressError::Unreachable {
        host: host.to_owned(),
        why: "the plugin broke its request off".to_owned(),
    }
}

/// A request body on its way out.
pub(super) struct Outgoing {
    inner: WasiBody,
    left: usize,
    limit: usize,
    host: String,
    progress: Arc<Progress>,
}

impl Outgoing {
    pub(super) fn new(inner: WasiBody, limit: usize, host: String) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        progress.finished.store(inner.is_end_stream(), Ordering::Relaxed);
        (
            Self {
                inner,
                left: limit,
                limit,
                host,
                progress: Arc::clone(&progress),
            },
            progress,
        )
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Err(error))) => {
                let _ = self.progress.broken.set(broken_off(&self.host));
                return Poll::Ready(Some(Err(error)));
            }
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            Poll::Ready(None) => None,
        };
        let Some(data) = frame else {
            self.progress.finished.store(true, Ordering::Relaxed);
            return Poll::Ready(None);
        };
        match self.left.checked_sub(data.len()) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            None => {
                let host = self.host.clone();
                let _ = self.progress.broken.set(EgressError::BodyTooLarge {
                    direction: "request",
                    host,
                    limit: self.limit,
                });
                Poll::Ready(Some(Err(Error::HttpRequestBodySize(None))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What an exchange holds until its answer is read: its turn among the call's exchanges, and the policy
/// whose connection it uses.
#[expect(dead_code, reason = "what counts is when they are dropped")]
pub(super) struct Hold {
    pub(super) turn: OwnedSemaphorePermit,
    pub(super) policy: Arc<Policy>,
}

/// Bounds of an answer.
pub(super) struct Bounds {
    pub(super) host: String,
    pub(super) bytes: usize,
    pub(super) between: Duration,
    /// When the exchange has to be over, and how long it had.
    pub(super) deadline: Instant,
    pub(super) total: Duration,
}

/// An answer's body on its way in.
pub(super) struct Incoming {
    open: Option<(hyper::body::Incoming, Hold)>,
    left: usize,
    bounds: Bounds,
    idle: Pin<Box<Sleep>>,
    deadline: Pin<Box<Sleep>>,
    record: Record,
}

impl Incoming {
    pub(super) fn new(body: hyper::body::Incoming, hold: Hold, bounds: Bounds, record: Record) -> Self {
        Self {
            open: Some((body, hold)),
            left: bounds.bytes,
            idle: Box::pin(tokio::time::sleep(bounds.between)),
            deadline: Box::pin(tokio::time::sleep_until(bounds.deadline)),
            bounds,
            record,
        }
    }

    fn break_off(&mut self, why: EgressError, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.open = None;
        self.record.note_egress(&why);
        Poll::Ready(Some(Err(error)))
    }

    fn timed_out(&mut self, what: &'static str, after: Duration) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let host = self.bounds.host.clone();
        self.break_off(
            EgressError::TimedOut { host, what, after },
            Error::ConnectionReadTimeout,
        )
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some((body, _)) = &mut this.open else {
            return Poll::Ready(None);
        };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else {
                    this.open = None;
                    return Poll::Ready(None);
                };
                let Some(left) = this.left.checked_sub(data.len()) else {
                    let (host, limit) = (this.bounds.host.clone(), this.bounds.bytes);
                    return this.break_off(
                        EgressError::BodyTooLarge {
                            direction: "response",
                            host,
                            limit,
                        },
                        Error::HttpResponseBodySize(None),
                    );
                };
                this.left = left;
                this.idle.as_mut().reset(Instant::now() + this.bounds.between);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(error))) => {
                let why = unreachable(&this.bounds.host, &error);
                this.break_off(why, Error::HttpResponseIncomplete)
            }
            Poll::Ready(None) => {
                this.open = None;
                Poll::Ready(None)
            }
            Poll::Pending if this.deadline.as_mut().poll(cx).is_ready() => {
                let total = this.bounds.total;
                this.timed_out("finish its answer", total)
            }
            Poll::Pending if this.idle.as_mut().poll(cx).is_ready() => {
                let between = this.bounds.between;
                this.timed_out("send the next part of its answer", between)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.open.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.open
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}
