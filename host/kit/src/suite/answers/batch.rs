//! Batches, as recorded and as put together from single cases.
//!
//! A plugin that asks its store once for each key needs no recording of a batch: the exchanges of several
//! cases together answer it. Whether they do shows when it is tried; a plugin that asks for several keys at
//! once asks something that is not recorded, and then only recorded batches count.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;

use super::super::Material;
use crate::case::{Asked, Case, Recorded};
use crate::recording::Exchange;

/// What a path segment need not encode.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Requests of one call and how the store answers them.
pub(super) struct Batch {
    /// For people.
    pub(super) name: String,
    pub(super) case: Case,
    pub(super) exchanges: Vec<Exchange>,
    /// As a batch, and not put together here.
    pub(super) is_recorded: bool,
}

impl Batch {
    fn recorded(recorded: &Recorded) -> Self {
        Self {
            name: format!("case {}", recorded.name),
            case: recorded.case.clone(),
            exchanges: recorded.exchanges.clone(),
            is_recorded: true,
        }
    }

    /// Several single cases with the same settings as one call.
    fn joined(cases: &[&Recorded]) -> Option<Self> {
        let [first, rest @ ..] = cases else { return None };
        let mut batch = Self::recorded(first);
        batch.is_recorded = false;
        let mut names = vec![first.name.clone()];
        for recorded in rest {
            let asked_already = |asked: &Asked| {
                batch
                    .case
                    .requests
                    .iter()
                    .any(|other| other.name() == asked.name() && other.options == asked.options)
            };
            if recorded.case.requests.iter().any(asked_already) {
                continue;
            }
            batch.case.requests.extend(recorded.case.requests.clone());
            for exchange in &recorded.exchanges {
                if !batch.exchanges.iter().any(|known| known.request == exchange.request) {
                    batch.exchanges.push(exchange.clone());
                }
            }
            names.push(recorded.name.clone());
        }
        batch.name = format!("cases {} together", names.join(", "));
        (batch.case.requests.len() > 1).then_some(batch)
    }

    /// The requests as recorded, in reverse, and then in orders of chance, always the same ones.
    pub(super) fn shuffled(&self, seed: u64) -> Vec<Asked> {
        let mut requests = self.case.requests.clone();
        match seed {
            0 => {}
            1 => requests.reverse(),
            seed => fastrand::Rng::with_seed(seed).shuffle(&mut requests),
        }
        requests
    }
}

fn alike(one: &Recorded, other: &Recorded) -> bool {
    one.case.settings == other.case.settings && one.case.credentials == other.case.credentials
}

fn singles(material: &Material) -> impl Iterator<Item = &Recorded> {
    material
        .cases
        .iter()
        .filter(|recorded| recorded.case.requests.len() == 1)
}

fn fails(recorded: &Recorded) -> bool {
    recorded.case.requests.iter().any(Asked::expects_failure)
}

/// Batches in which every request succeeds.
pub(super) fn whole(material: &Material, most: usize) -> Vec<Batch> {
    let several = |recorded: &&Recorded| (2..=most).contains(&recorded.case.requests.len());
    let mut batches: Vec<_> = material
        .cases
        .iter()
        .filter(several)
        .filter(|recorded| !fails(recorded))
        .map(Batch::recorded)
        .collect();
    let good: Vec<_> = singles(material).filter(|recorded| !fails(recorded)).collect();
    if let Some(first) = good.first() {
        let together: Vec<_> = good
            .iter()
            .copied()
            .filter(|other| alike(first, other))
            .take(most)
            .collect();
        batches.extend(Batch::joined(&together));
    }
    batches
}

/// Batches in which some requests succeed and some fail.
pub(super) fn mixed(material: &Material, most: usize) -> Vec<Batch> {
    let is_mixed = |recorded: &&Recorded| {
        let failing = recorded
            .case
            .requests
            .iter()
            .filter(|asked| asked.expects_failure())
            .count();
        failing > 0 && (failing + 1..=most).contains(&recorded.case.requests.len())
    };
    let mut batches: Vec<_> = material.cases.iter().filter(is_mixed).map(Batch::recorded).collect();
    let absent = |recorded: &&Recorded| {
        recorded
            .case
            .requests
            .iter()
            .all(|asked| asked.expect.error.as_deref() == Some("not-found"))
    };
    if let Some(missing) = singles(material).find(absent)
        && let Some(good) = singles(material).find(|other| !fails(other) && alike(missing, other))
    {
        // The failing one first: that is the order in which plugins stumble.
        batches.extend(Batch::joined(&[missing, good]));
    }
    batches
}

/// One case as `most` cases of other keys: what was recorded of a key holds for any.
pub(super) fn multiplied(material: &Material, most: usize) -> Option<Batch> {
    singles(material)
        .filter(|recorded| !fails(recorded))
        .find_map(|recorded| {
            let [asked] = recorded.case.requests.as_slice() else {
                return None;
            };
            let key = asked.key.as_deref()?;
            let mut batch = Batch::recorded(recorded);
            batch.is_recorded = false;
            batch.case.requests.clear();
            batch.exchanges.clear();
            for number in 0..most {
                let other = format!("{key}-{number}");
                let mut named = false;
                for exchange in &recorded.exchanges {
                    let renamed = renamed(exchange, key, &other);
                    named |= renamed.request != exchange.request;
                    if !batch.exchanges.iter().any(|known| known.request == renamed.request) {
                        batch.exchanges.push(renamed);
                    }
                }
                if !named {
                    return None;
                }
                let mut asked = asked.clone();
                asked.key = Some(other);
                batch.case.requests.push(asked);
            }
            Some(batch)
        })
}

/// The same exchange about another key: its name in path and query, and where a JSON text of a body is the name.
fn renamed(exchange: &Exchange, key: &str, other: &str) -> Exchange {
    let mut renamed = exchange.clone();
    let (origin, rest) = split_origin(&exchange.request.url);
    let encoded = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
    let replaced = if rest.contains(key) {
        rest.replace(key, other)
    } else {
        rest.replace(&encoded(key), &encoded(other))
    };
    renamed.request.url = format!("{origin}{replaced}");
    let in_json = |body: &mut Option<String>| {
        if let Some(text) = body {
            *text = text.replace(&Json::from(key).to_string(), &Json::from(other).to_string());
        }
    };
    in_json(&mut renamed.request.body);
    in_json(&mut renamed.response.body);
    renamed
}

/// Scheme and host, and what follows.
fn split_origin(url: &str) -> (&str, &str) {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(begin..)
        .and_then(|rest| rest.find('/'))
        .map_or(url.len(), |at| begin + at);
    url.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{RecordedRequest, RecordedResponse};

    fn recorded(name: &str, key: &str, expect: &str, settings: &str) -> Recorded {
        let yaml = format!("{{settings: {settings}, requests: [{{key: {key}, expect: {expect}}}]}}");
        Recorded {
            name: name.into(),
            case: serde_saphyr::from_str(&yaml).unwrap(),
            exchanges: vec![Exchange {
                request: RecordedRequest {
                    method: "GET".into(),
                    url: format!("https://db.example.com/v1/{key}"),
                    ..RecordedRequest::default()
                },
                response: RecordedResponse {
                    status: 200,
                    body: Some(format!(r#"{{"name":"{key}","value":"of {key}"}}"#)),
                    ..RecordedResponse::default()
                },
            }],
        }
    }

    fn material(cases: Vec<Recorded>) -> Material {
        Material {
            cases,
            bad_settings: Vec::new(),
        }
    }

    #[test]
    fn single_cases_of_the_same_settings_make_a_batch() {
        let material = material(vec![
            recorded("a", "a", "{value: v}", "{}"),
            recorded("b", "b", "{value: v}", "{}"),
            recorded("elsewhere", "c", "{value: v}", "{x: 1}"),
            recorded("absent", "d", "{error: not-found}", "{}"),
        ]);
        let whole = whole(&material, 10);
        assert_eq!(whole.len(), 1);
        assert_eq!((whole[0].case.requests.len(), whole[0].exchanges.len()), (2, 2));
        let mixed = mixed(&material, 10);
        let keys: Vec<_> = mixed[0].case.requests.iter().map(Asked::name).collect();
        assert_eq!(keys, ["d", "a"]);
    }

    #[test]
    fn orders_differ_and_are_the_same_each_time() {
        let keys: Vec<_> = (0..6)
            .map(|n| recorded(&n.to_string(), &format!("k{n}"), "{value: v}", "{}"))
            .collect();
        let batch = Batch::joined(&keys.iter().collect::<Vec<_>>()).unwrap();
        let order = |seed| {
            batch
                .shuffled(seed)
                .iter()
                .map(|asked| asked.name().to_owned())
                .collect::<Vec<_>>()
        };
        let orders: std::collections::BTreeSet<_> = (0..5).map(order).collect();
        assert_eq!(orders.len(), 5);
        assert_eq!(order(3), order(3));
    }

    #[test]
    fn one_key_becomes_many_and_the_host_stays() {
        let batch = multiplied(&material(vec![recorded("a", "db", "{value: v}", "{}")]), 3).unwrap();
        let urls: Vec<_> = batch
            .exchanges
            .iter()
            .map(|exchange| exchange.request.url.as_str())
            .collect();
        assert_eq!(
            urls,
            [
                "https://db.example.com/v1/db-0",
                "https://db.example.com/v1/db-1",
                "https://db.example.com/v1/db-2"
            ]
        );
        assert_eq!(
            batch.exchanges[2].response.body.as_deref(),
            Some(r#"{"name":"db-2","value":"of db"}"#)
        );
        assert_eq!(batch.case.requests[2].name(), "db-2");
    }
}
