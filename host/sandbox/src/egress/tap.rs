//! Listening to a plugin's exchanges, for whoever writes a plugin and records what its store says.
//!
//! What is heard is the plugin's own side: the request as the plugin made it, before the host signs it or
//! sets a header, and the answer as the plugin gets it. So no credential that the host applies is ever in
//! it; what the plugin itself handles is reported by [`Tap::handled`]. Nobody listens in the operator: a tap
//! is put into a [`super::Network`] by hand.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use keyhole_core::SecretBytes;
use wasmtime_wasi_http::{Error, WasiBody};

/// Hears what a plugin and its store say to each other. Called on the thread that runs the call, so it must
/// not wait.
pub trait Tap: Send + Sync {
    /// An exchange ended: its answer was read, or let go of.
    fn exchange(&self, exchange: Observed);

    /// The plugin had this session entry or credential in its hands.
    fn handled(&self, secret: &SecretBytes);
}

/// One exchange, as the plugin had it.
#[derive(Debug)]
pub struct Observed {
    /// Of the request.
    pub method: Method,
    /// Where the plugin meant it to go, whatever override it went to.
    pub uri: Uri,
    /// Of the request, as the plugin set them.
    pub request_headers: HeaderMap,
    /// Of the request, as far as it was sent.
    pub request_body: SecretBytes,
    /// Of the answer.
    pub status: StatusCode,
    /// Of the answer.
    pub response_headers: HeaderMap,
    /// Of the answer, as far as it was read.
    pub response_body: SecretBytes,
}

/// An exchange that is listened to, or not.
pub(super) struct Listening(Option<Heard>);

struct Heard {
    tap: Arc<dyn Tap>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Copied,
}

/// What went by so far. The bodies themselves are bounded by whoever sends and reads them.
#[derive(Clone, Default)]
struct Copied(Arc<Mutex<Vec<u8>>>);

impl Copied {
    fn add(&self, data: &[u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(data);
    }

    fn take(&self) -> SecretBytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Listening {
    /// Begins with the request.
    pub(super) fn to(tap: Option<&Arc<dyn Tap>>, request: Request<WasiBody>) -> (Self, Request<WasiBody>) {
        let Some(tap) = tap else { return (Self(None), request) };
        let (head, body) = request.into_parts();
        let heard = Heard {
            tap: Arc::clone(tap),
            method: head.method.clone(),
            uri: head.uri.clone(),
            headers: head.headers.clone(),
            body: Copied::default(),
        };
        let body = Copying {
            inner: body,
            copied: heard.body.clone(),
            ended: None,
        };
        (Self(Some(heard)), Request::from_parts(head, body.boxed_unsync()))
    }

    /// Goes on with the answer.
    pub(super) fn answered(self, answer: Response<WasiBody>) -> Response<WasiBody> {
        let Some(heard) = self.0 else { return answer };
        let (head, body) = answer.into_parts();
        let body = Copying {
            inner: body,
            copied: Copied::default(),
            ended: Some((heard, head.status, head.headers.clone())),
        };
        Response::from_parts(head, body.boxed_unsync())
    }
}

/// A body that is copied as it goes by, and tells the tap when it has gone.
struct Copying {
    inner: WasiBody,
    copied: Copied,
    ended: Option<(Heard, StatusCode, HeaderMap)>,
}

impl Body for Copying {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.copied.add(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if let Some((heard, status, response_headers)) = self.ended.take() {
            heard.tap.exchange(Observed {
                method: heard.method,
                uri: heard.uri,
                request_headers: heard.headers,
                request_body: heard.body.take(),
                status,
                response_headers,
                response_body: self.copied.take(),
            });
        }
    }
}
