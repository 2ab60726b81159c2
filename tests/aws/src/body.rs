//! Response bodies that a well-behaved server would not send.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body given in pieces, with a pause before each but the first, and perhaps cut off at its end.
pub struct FaultyBody {
    pieces: VecDeque<Bytes>,
    length: u64,
    every: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    torn: bool,
}

impl FaultyBody {
    /// The bytes as they are.
    pub fn whole(bytes: Bytes) -> Self {
        Self {
            length: bytes.len() as u64,
            pieces: VecDeque::from([bytes]),
            every: Duration::ZERO,
            pause: None,
            torn: false,
        }
    }

    /// Announces all bytes and sends half of them.
    pub fn truncated(bytes: &Bytes) -> Self {
        let half = bytes.slice(..bytes.len() / 2);
        // The error comes a moment after the half, so that hyper has written the half by then.
        let every = Duration::from_millis(5);
        Self {
            length: bytes.len() as u64,
            torn: true,
            every,
            ..Self::whole(half)
        }
    }

    /// A few bytes at a time.
    pub fn dripped(bytes: &Bytes, size: usize, every: Duration) -> Self {
        let pieces = bytes.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
        Self {
            length: bytes.len() as u64,
            pieces,
            every,
            pause: None,
            torn: false,
        }
    }
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let Some(piece) = self.pieces.pop_front() else {
            return Poll::Ready(self.torn.then(|| Err(io::Error::other("torn on purpose"))));
        };
        if !self.every.is_zero() {
            self.pause = Some(Box::pin(sleep(self.every)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.torn
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

impl From<Bytes> for FaultyBody {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}
