//! Answers that break the contract.

use serde_json::Value as Json;

use crate::bindings::keyhole::backend::types::{Content, ErrorKind, NamedValue, Outcome, Request, Value};
use crate::{Outcomes, failed, number, text, to_all, well_behaved};

pub fn fetch(habit: &str, settings: &Json, requests: &[Request]) -> Option<Outcomes> {
    let size = usize::try_from(number(settings, "bytes", 0)).ok()?;
    Some(match habit {
        "fewer" => Ok(requests.iter().skip(1).map(well_behaved).collect()),
        "more" => Ok(requests.iter().chain(requests.first()).map(well_behaved).collect()),
        "unchanged" => Ok(requests.iter().map(|_| Outcome::Unchanged).collect()),
        "values" => Ok(requests.iter().map(|_| Outcome::Values(Vec::new())).collect()),
        "big" => return to_all(requests, &"x".repeat(size)),
        "version" => Ok(requests
            .iter()
            .map(|_| {
                Outcome::Value(Value {
                    content: Content::Text(String::new()),
                    version: Some("v".repeat(size)),
                })
            })
            .collect()),
        "crowd" => Ok(requests
            .iter()
            .map(|_| Outcome::Values((0..size).map(named).collect()))
            .collect()),
        "message" => Err(failed(ErrorKind::Other("x".repeat(size)), "x".repeat(size))),
        "not-utf8" => {
            // What a guest in C might do.
            let broken = unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe]) };
            Ok(vec![text(broken)])
        }
        "wild-pointer" => {
            // A text of 3 GiB that nobody ever wrote. Never dropped: it is handed over.
            let lie = unsafe { String::from_raw_parts(16 as *mut u8, 0xc000_0000, 0xc000_0000) };
            Ok(vec![text(lie)])
        }
        "error" => Err(failed(kind(settings), settings["message"].as_str().unwrap_or_default())),
        "failed" => {
            let message = settings["message"].as_str().unwrap_or_default();
            Ok(requests
                .iter()
                .map(|_| Outcome::Failed(failed(kind(settings), message)))
                .collect())
        }
        _ => return None,
    })
}

fn kind(settings: &Json) -> ErrorKind {
    match settings["kind"].as_str() {
        Some("not-found") => ErrorKind::NotFound,
        Some("denied") => ErrorKind::Denied,
        Some("unauthenticated") => ErrorKind::Unauthenticated,
        Some("unavailable") => ErrorKind::Unavailable(None),
        Some("throttled") => ErrorKind::Throttled(settings["after"].as_u64()),
        _ => ErrorKind::Internal,
    }
}

fn named(number: usize) -> NamedValue {
    NamedValue {
        name: number.to_string(),
        full_name: String::new(),
        content: Content::Bytes(Vec::new()),
        version: None,
    }
}
