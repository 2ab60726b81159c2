//! The road of a call: requests become entries and trees, all under one token, and answers become outcomes.

use std::time::Duration;

use keyhole_sdk::{Error, Outcome, Request, Selector, Value};

use crate::api::Server;
use crate::entry::Entry;
use crate::login::Login;
use crate::options::Options;
use crate::reader::{Question, Reader};
use crate::settings::{Kv, Settings};
use crate::tree::{self, Tree};
use crate::{kv, words};

/// Requests of one call. When a token turns out to be dead, every entry is asked twice, and the host allows 64
/// exchanges.
pub const MAX_BATCH: u32 = 25;

/// What a request means.
enum Ask {
    Entry(Entry),
    Tree(Tree),
}

/// One outcome for each request, in their order.
///
/// # Errors
/// When nothing could be asked, because there is no login.
pub fn fetch(settings: &Settings, requests: &[Request<Options>], pause: fn(Duration)) -> Result<Vec<Outcome>, Error> {
    let asks: Vec<Result<Ask, Error>> = requests.iter().map(|request| ask(settings, request)).collect();
    if asks.iter().all(Result::is_err) {
        return Ok(asks
            .into_iter()
            .map(|ask| Outcome::from(ask.map(|_| Vec::new())))
            .collect());
    }
    let server = Server::new(settings);
    let mut reader = Reader::new(&server, Login::new(&server, pause))?;

    let entries: Vec<&Entry> = asks
        .iter()
        .filter_map(|ask| match ask {
            Ok(Ask::Entry(entry)) => Some(entry),
            _ => None,
        })
        .collect();
    let questions: Vec<Question> = entries.iter().map(|entry| question(entry)).collect();
    let mut answers = reader.ask(&questions).into_iter();

    let alone = asks.len() == 1;
    let mut used = 0;
    let mut outcome = |ask: Result<Ask, Error>, request: &Request<Options>| match ask {
        Err(error) => Outcome::Failed(error),
        Ok(Ask::Tree(tree)) => tree::read(&mut reader, &tree, &mut used, alone).into(),
        Ok(Ask::Entry(entry)) => match answers.next() {
            Some(Ok(body)) => kv::value(&body, &entry, settings.kv())
                .map_or_else(Outcome::Failed, |value| unless_known(value, request)),
            Some(Err(fault)) => words::entry(&fault, &entry, settings.kv(), reader.role()).into(),
            None => Error::internal("a question to Vault got no answer").into(),
        },
    };
    Ok(asks
        .into_iter()
        .zip(requests)
        .map(|(ask, request)| outcome(ask, request))
        .collect())
}

fn ask(settings: &Settings, request: &Request<Options>) -> Result<Ask, Error> {
    let kv = settings.kv();
    match &request.selector {
        Selector::Key(key) => {
            let entry = Entry::new(key, &request.options)?;
            if kv == Kv::One && entry.version.is_some() {
                let message =
                    "version 1 of the key-value engine keeps no versions; remove the version, or set kvVersion to 2";
                return Err(Error::invalid("/options/version", message));
            }
            Ok(Ask::Entry(entry))
        }
        Selector::Prefix { path, recursive } => {
            if request.options.version()?.is_some() {
                let message = "a version has no effect beside path; remove it, or ask for the entry by key";
                return Err(Error::invalid("/options/version", message));
            }
            Tree::new(path, *recursive, kv).map(Ask::Tree)
        }
    }
}

fn question(entry: &Entry) -> Question {
    Question {
        path: entry.path.clone(),
        query: entry.version.map(|version| ("version", version.to_string())),
    }
}

/// To ask for the version alone would be a call too, and one that fewer policies allow.
fn unless_known(value: Value, request: &Request<Options>) -> Outcome {
    if request.knows(value.version.as_deref()) {
        Outcome::Unchanged
    } else {
        value.into()
    }
}

#[cfg(test)]
mod tests;
