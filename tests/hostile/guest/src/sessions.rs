//! The session store and the credentials.

use std::time::Duration;

use serde_json::Value as Json;

use crate::bindings::keyhole::backend::credentials;
use crate::bindings::keyhole::backend::log::{Level, write};
use crate::bindings::keyhole::backend::session_store as store;
use crate::bindings::keyhole::backend::types::{ErrorKind, Request};
use crate::{Outcomes, failed, number, to_all};

const HOUR_MS: u64 = 3_600_000;

/// Offers a session and says what became of it.
pub fn keep(token: &str) -> String {
    format!("{token}: {:?}", store::set("token", token.as_bytes(), HOUR_MS))
}

pub fn fetch(habit: &str, settings: &Json, requests: &[Request]) -> Option<Outcomes> {
    let said = match habit {
        // Answers with the session that it finds; makes one where there is none.
        "session" => match store::get("token") {
            Some(token) => format!("found {}", String::from_utf8_lossy(&token)),
            None => {
                let token = settings["token"].as_str().unwrap_or("t");
                std::thread::sleep(Duration::from_millis(number(settings, "login-ms", 0)));
                let stored = store::set("token", token.as_bytes(), number(settings, "ttl", HOUR_MS));
                format!("stored {stored:?}")
            }
        },
        "session-drop" => {
            store::remove("token");
            "removed".to_owned()
        }
        "session-flood" => {
            let results: Vec<_> = (0..70)
                .map(|n| store::set(&n.to_string(), &[7; 1 << 10], HOUR_MS))
                .collect();
            let full = results
                .iter()
                .filter(|result| **result == Err(store::SessionError::Full))
                .count();
            let large = store::set("large", &[7; (16 << 10) + 1], HOUR_MS) == Err(store::SessionError::TooLarge);
            format!("{full} full, too large {large}")
        }
        "session-large" => {
            // Each another one, so that none is known already.
            let results: Vec<_> = (0..number(settings, "times", 300))
                .map(|n| {
                    let mut value = vec![7; (16 << 10) + 1];
                    value[..8].copy_from_slice(&n.to_le_bytes());
                    store::set("large", &value, HOUR_MS)
                })
                .collect();
            let large = results
                .iter()
                .filter(|result| **result == Err(store::SessionError::TooLarge))
                .count();
            let name = store::set(&"k".repeat(257), b"value", HOUR_MS) == Err(store::SessionError::TooLarge);
            format!(
                "{large} too large, name {name}, then {:?}",
                store::set("small", b"small", HOUR_MS)
            )
        }
        "session-endless" => loop {
            for n in 0..64_u64 {
                let fresh = wasip2::random::random::get_random_bytes(16 << 10);
                let _ = store::set(&n.to_string(), &fresh, HOUR_MS);
            }
        },
        "session-logged" => {
            let _ = store::set("token", settings["token"].as_str().unwrap_or("t").as_bytes(), HOUR_MS);
            write(
                Level::Info,
                &format!("my token is {}", settings["token"].as_str().unwrap_or("t")),
                &[],
            );
            "logged".to_owned()
        }
        "session-then-fail" => return Some(Err(failed(ErrorKind::Unauthenticated, "no luck"))),
        "credential" => match credentials::get(settings["name"].as_str().unwrap_or_default()) {
            Ok(value) => {
                write(Level::Info, &format!("I see {}", String::from_utf8_lossy(&value)), &[]);
                format!("{} bytes", value.len())
            }
            Err(_) if settings["fail"] == true => {
                return Some(Err(failed(
                    ErrorKind::Unavailable(None),
                    "something is wrong somewhere",
                )));
            }
            Err(error) => format!("{error:?}"),
        },
        _ => return None,
    };
    to_all(requests, &said)
}
