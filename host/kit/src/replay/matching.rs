//! Which recorded exchange answers a request.
//!
//! Method, URL and body must be the same. JSON bodies are compared by content, and their lists in any order:
//! a plugin that asks its store in batches may name the entries in another order than when it was recorded,
//! and whether it then takes the answers apart by name is what a test wants to know. Of several exchanges that
//! match, each answers once, in order; the last one goes on answering.

use serde_json::Value as Json;
use url::Url;

use super::{Heard, Played, Script};
use crate::recording::{Exchange, RecordedResponse};

/// The answer to a request; nothing when there is none.
pub(super) fn answer(played: &mut Played, heard: &Heard) -> Option<RecordedResponse> {
    match &played.script {
        Script::Silent => None,
        Script::Always(answer) => Some(answer.clone()),
        Script::Recorded(exchanges) => {
            let matching: Vec<usize> = exchanges
                .iter()
                .enumerate()
                .filter(|(_, exchange)| matches(exchange, heard))
                .map(|(number, _)| number)
                .collect();
            let unused = |number: &&usize| played.used.get(**number) == Some(&0);
            let number = *matching.iter().find(unused).or(matching.last())?;
            if let Some(used) = played.used.get_mut(number) {
                *used += 1;
            }
            exchanges.get(number).map(|exchange| exchange.response.clone())
        }
    }
}

fn matches(exchange: &Exchange, heard: &Heard) -> bool {
    exchange.request.method == heard.method
        && same_url(&exchange.request.url, &heard.url)
        && exchange
            .request
            .bytes()
            .is_none_or(|body| same_body(&body, &heard.body))
}

/// Whether two URLs are the same once written in one way.
fn same_url(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn same_body(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    let parsed = |body: &[u8]| serde_json::from_slice::<Json>(body).ok();
    match (parsed(one), parsed(other)) {
        (Some(one), Some(other)) => same_json(&one, &other),
        _ => false,
    }
}

fn same_json(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => {
            let mut left: Vec<&Json> = other.iter().collect();
            one.len() == other.len()
                && one.iter().all(|item| {
                    let found = left.iter().position(|candidate| same_json(item, candidate));
                    found.map(|at| left.swap_remove(at)).is_some()
                })
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, member)| other.get(name).is_some_and(|other| same_json(member, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::RecordedRequest;

    fn exchange(method: &str, url: &str, body: Option<&str>, answer: &str) -> Exchange {
        Exchange {
            request: RecordedRequest {
                method: method.into(),
                url: url.into(),
                body: body.map(Into::into),
                ..RecordedRequest::default()
            },
            response: RecordedResponse {
                status: 200,
                body: Some(answer.into()),
                ..RecordedResponse::default()
            },
        }
    }

    fn heard(method: &str, url: &str, body: &str) -> Heard {
        Heard {
            method: method.into(),
            url: url.into(),
            body: body.into(),
            answered: false,
        }
    }

    fn played(exchanges: Vec<Exchange>) -> Played {
        Played {
            used: vec![0; exchanges.len()],
            script: Script::Recorded(exchanges),
            heard: Vec::new(),
        }
    }

    fn said(played: &mut Played, method: &str, url: &str, body: &str) -> Option<String> {
        answer(played, &heard(method, url, body)).and_then(|answer| answer.body)
    }

    #[test]
    fn exchanges_answer_in_turn_and_the_last_goes_on() {
        let url = "https://s.example.com/a";
        let mut played = played(vec![
            exchange("GET", url, None, "one"),
            exchange("GET", url, None, "two"),
        ]);
        let said: Vec<_> = (0..3).map(|_| said(&mut played, "GET", url, "").unwrap()).collect();
        assert_eq!(said, ["one", "two", "two"]);
    }

    #[test]
    fn method_url_and_body_must_be_the_same() {
        let url = "https://s.example.com/a?x=1";
        let mut played = played(vec![exchange("POST", url, Some(r#"{"ids":["a","b"],"n":1}"#), "yes")]);
        for (method, url, body) in [
            ("GET", url, r#"{"ids":["a","b"],"n":1}"#),
            ("POST", "https://s.example.com/a", r#"{"ids":["a","b"],"n":1}"#),
            ("POST", url, r#"{"ids":["a","c"],"n":1}"#),
            ("POST", url, r#"{"ids":["a","b","b"],"n":1}"#),
        ] {
            assert_eq!(said(&mut played, method, url, body), None, "{method} {url} {body}");
        }
        let reordered = r#"{ "n": 1, "ids": ["b", "a"] }"#;
        assert_eq!(
            said(&mut played, "POST", "https://S.example.com:443/a?x=1", reordered).as_deref(),
            Some("yes")
        );
    }
}
