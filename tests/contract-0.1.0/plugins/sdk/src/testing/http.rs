//! A store that is a closure.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;

use crate::http::{Failure, Received, Sent};

type Script = Rc<RefCell<dyn FnMut(&Sent) -> Answer>>;

thread_local! {
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
    static REQUESTS: RefCell<Vec<Sent>> = const { RefCell::new(Vec::new()) };
}

/// Answers this thread's requests until it is dropped.
#[must_use = "the script ends when this is dropped"]
#[derive(Debug)]
pub struct Http(());

impl Http {
    /// Answers each request by what `script` makes of it, and forgets the requests of an earlier script.
    pub fn serve(script: impl FnMut(&Sent) -> Answer + 'static) -> Self {
        REQUESTS.take();
        SCRIPT.set(Some(Rc::new(RefCell::new(script))));
        Self(())
    }

    /// The requests so far, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<Sent> {
        REQUESTS.with_borrow(Clone::clone)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        SCRIPT.take();
    }
}

/// What a scripted store answers.
pub struct Answer(Result<Received, String>);

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Ok(received) => write!(f, "Answer({})", received.status),
            Err(why) => write!(f, "Answer({why})"),
        }
    }
}

impl Answer {
    /// A status without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::bytes(status, Vec::new())
    }

    /// A body of bytes.
    pub fn bytes(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self(Ok(Received {
            status,
            headers: Vec::new(),
            body: body.into(),
        }))
    }

    /// A body of text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::bytes(status, body.into()).header("content-type", "text/plain")
    }

    /// A body of JSON. What cannot be written as JSON is an answer that breaks off.
    pub fn json(status: u16, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self::bytes(status, body).header("content-type", "application/json"),
            Err(error) => Self::unreachable(error.to_string()),
        }
    }

    /// No answer, for this reason.
    pub fn unreachable(why: impl Into<String>) -> Self {
        Self(Err(why.into()))
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        if let Ok(received) = &mut self.0 {
            received.headers.push((name.to_ascii_lowercase(), value.into()));
        }
        self
    }
}

/// The answer to a request, or none at all where no script is.
pub(super) fn answer(sent: Sent) -> Result<Received, Failure> {
    // Out of the cell, so that a script may itself look at the requests.
    let script = SCRIPT.with_borrow(Clone::clone);
    let Some(script) = script else {
        let why = "there is no host; a test sets up keyhole_sdk::testing::Http first";
        return Err(Failure::NoAnswer(why.to_owned()));
    };
    let Answer(answer) = (script.borrow_mut())(&sent);
    REQUESTS.with_borrow_mut(|requests| requests.push(sent));
    answer.map_err(Failure::NoAnswer)
}
