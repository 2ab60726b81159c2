//! Questions under one token, which may turn out to be dead.
//!
//! Vault answers 403 to a token that was revoked and to one that may not read the path, in the same words. So
//! at the first 403 the token itself is looked up: if Vault knows it, the answer stands; if not, a new one is
//! earned, once, and what was refused is asked again. Without the look-up every entry that a policy denies
//! would cost a login at every attempt, and each login is a lease that Vault has to keep.

use std::time::Duration;

use keyhole_sdk::http::RequestBuilder;
use keyhole_sdk::{Error, session};

use crate::api::{Answer, Fault, Server};
use crate::login::{Login, Token};

/// Present while a role whose tokens may not look themselves up was just found to be denied something.
const BLIND: &str = "blind";
/// How often such a role may log in for entries that it may not read.
const BLIND_FOR: Duration = Duration::from_secs(60);

/// Asks the server as one role.
pub struct Reader<'a> {
    server: &'a Server<'a>,
    login: Login<'a>,
    token: Token,
    /// The token is known to be valid: a 403 is about the entry.
    proven: bool,
}

/// A path that is escaped already, with a query.
#[derive(Clone, Debug)]
pub struct Question {
    pub path: String,
    pub query: Option<(&'static str, String)>,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// When there is no token and none can be had.
    pub fn new(server: &'a Server<'a>, login: Login<'a>) -> Result<Self, Error> {
        let (token, proven) = login.token()?;
        Ok(Self {
            server,
            login,
            token,
            proven,
        })
    }

    /// As whom it asks.
    pub fn role(&self) -> &'a str {
        self.login.role()
    }

    /// How many more questions this call may put.
    pub fn left(&self) -> usize {
        let left = self.server.left();
        // A dead token would make it put all of them twice.
        if self.proven { left } else { left / 2 }
    }

    /// One answer for each question, in their order.
    pub fn ask(&mut self, questions: &[Question]) -> Vec<Answer> {
        let mut answers = self.put(questions.iter());
        let refused: Vec<usize> = (0..answers.len())
            .filter(|&position| answers.get(position).is_some_and(is_refused))
            .collect();
        if refused.is_empty() || self.proven {
            // Vault has taken the token for the others.
            self.proven |= answers.iter().any(Result::is_ok);
            return answers;
        }
        let again = match self.revive() {
            Ok(false) => return answers,
            Ok(true) => self.put(refused.iter().filter_map(|&position| questions.get(position))),
            Err(error) => refused.iter().map(|_| Err(Fault::NoAnswer(error.clone()))).collect(),
        };
        if again.iter().any(is_refused) && matches!(self.login.is_alive(&self.token), Ok(false)) {
            // Not even a new token may look itself up, so nothing was found out about the old one.
            let _ = session::set_bytes(BLIND, b"", BLIND_FOR);
        }
        for (position, answer) in refused.into_iter().zip(again) {
            if let Some(slot) = answers.get_mut(position) {
                *slot = answer;
            }
        }
        answers
    }

    /// Whether there is a new token with which to ask again.
    fn revive(&mut self) -> Result<bool, Error> {
        self.proven = session::get_bytes(BLIND).is_some() || self.login.is_alive(&self.token)?;
        if self.proven {
            return Ok(false);
        }
        self.token = self.login.replaced(&self.token)?;
        self.proven = true;
        Ok(true)
    }

    fn put<'q>(&self, questions: impl Iterator<Item = &'q Question>) -> Vec<Answer> {
        let requests = questions.map(|question| question.request(self.server, &self.token.text));
        self.server.send_all(requests.collect())
    }
}

impl Question {
    fn request(&self, server: &Server<'_>, token: &str) -> RequestBuilder {
        let request = server.request("GET", &self.path, Some(token));
        match &self.query {
            Some((name, value)) => request.query(name, value),
            None => request,
        }
    }
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Err(fault) if fault.status() == Some(403))
}
