//! Standard output and error of a guest, cut into lines.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::{HELD, Level, Output};

/// Bytes that a guest may write at once.
const PERMIT: usize = 64 << 10;

/// One standard stream. Always ready; what it does not hold is gone.
#[derive(Clone)]
pub(crate) struct Pipe {
    output: Output,
    level: Level,
    /// The line that is being written.
    partial: Arc<Mutex<Partial>>,
}

#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    begun: bool,
}

impl Pipe {
    pub(crate) fn new(output: &Output, level: Level) -> Self {
        Self {
            output: output.clone(),
            level,
            partial: Arc::default(),
        }
    }

    fn take_in(&self, bytes: &[u8]) {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = HELD.saturating_sub(partial.bytes.len());
            partial.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
            partial.begun |= !piece.is_empty();
            if pieces.peek().is_some() {
                self.end_line(&mut partial);
            }
        }
    }

    fn end_line(&self, partial: &mut Partial) {
        if partial.begun {
            self.output
                .push(self.level, &String::from_utf8_lossy(&partial.bytes), &[]);
        }
        partial.bytes.clear();
        partial.begun = false;
    }

    /// Ends a last line that has no line break.
    pub(crate) fn finish(&self) {
        self.end_line(&mut self.partial.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take_in(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take_in(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_from_pieces_and_bounded() {
        let output = Output::new(64);
        let pipe = Pipe::new(&output, Level::Info);
        for piece in ["one", " line\n\ntwo\nthr", "ee"] {
            pipe.take_in(piece.as_bytes());
        }
        for _ in 0..1000 {
            pipe.take_in(&[b'x'; PERMIT]);
        }
        pipe.finish();
        let lines: Vec<(usize, String)> = output.with(|held| {
            held.lines
                .iter()
                .map(|line| (line.text.len(), line.text.chars().take(8).collect()))
                .collect()
        });
        assert_eq!(
            lines,
            [
                (8, "one line".to_owned()),
                (3, "two".to_owned()),
                (HELD, "threexxx".to_owned())
            ]
        );
    }
}
