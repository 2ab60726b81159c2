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

    /// Several requests of cases with the same settings as one call.
    fn joined(singles: &[Single<'_>], most: usize) -> Option<Self> {
        let first = singles.first()?;
        let mut batch = first.batch();
        let mut names = vec![first.recorded.name.as_str()];
        for single in singles.iter().filter(|other| alike(first.recorded, other.recorded)) {
            let Single { recorded, asked, .. } = *single;
            let requests = &mut batch.case.requests;
            let is_there = |other: &Asked| other.name() == asked.name() && other.options == asked.options;
            if requests.iter().any(is_there) || requests.len() >= most {
                continue;
            }
            requests.push(asked.clone());
            for exchange in &recorded.exchanges {
                if !batch.exchanges.iter().any(|known| known.request == exchange.request) {
                    batch.exchanges.push(exchange.clone());
                }
            }
            if !names.contains(&recorded.name.as_str()) {
                names.push(&recorded.name);
            }
        }
        batch.name = format!("requests of {} together", names.join(", "));
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

/// One request of a case, alone.
#[derive(Clone, Copy)]
pub(in crate::suite) struct Single<'a> {
    pub(in crate::suite) recorded: &'a Recorded,
    pub(in crate::suite) asked: &'a Asked,
    /// Alone in its case. One of several may be asked for in another way when it is alone.
    pub(in crate::suite) is_recorded: bool,
}

impl Single<'_> {
    /// As a call of its own.
    fn batch(&self) -> Batch {
        let mut batch = Batch::recorded(self.recorded);
        batch.case.requests = vec![self.asked.clone()];
        batch.is_recorded = self.is_recorded;
        batch
    }

    pub(in crate::suite) fn is_absent(&self) -> bool {
        self.asked.expect.error.as_deref() == Some("not-found")
    }
}

/// Every request of every case; those that are alone in their case first.
pub(in crate::suite) fn singles(material: &Material) -> Vec<Single<'_>> {
    let mut singles: Vec<_> = material
        .cases
        .iter()
        .flat_map(|recorded| {
            let is_recorded = recorded.case.requests.len() == 1;
            let single = move |asked| Single {
                recorded,
                asked,
                is_recorded,
            };
            recorded.case.requests.iter().map(single)
        })
        .collect();
    singles.sort_by_key(|single| !single.is_recorded);
    singles
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
    let mut good = singles(material);
    good.retain(|single| !single.asked.expects_failure());
    batches.extend(Batch::joined(&good, most));
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
    let singles = singles(material);
    if let Some(missing) = singles.iter().find(|single| single.is_absent())
        && let Some(good) = singles
            .iter()
            .find(|other| !other.asked.expects_failure() && alike(missing.recorded, other.recorded))
    {
        // The failing one first: that is the order in which plugins stumble.
        batches.extend(Batch::joined(&[*missing, *good], most));
    }
    batches
}

/// One case as `most` cases of other keys: what was recorded of a key holds for any.
pub(super) fn multiplied(material: &Material, most: usize) -> Option<Batch> {
    let mut good = singles(material);
    good.retain(|single| single.asked.expect.value.is_some());
    good.iter().find_map(|single| {
        let key = single.asked.key.as_deref()?;
        let mut batch = single.batch();
        batch.is_recorded = false;
        batch.case.requests.clear();
        batch.exchanges.clear();
        for number in 0..most {
            let other = format!("{key}-{number}");
            let mut named = false;
            for exchange in &single.recorded.exchanges {
                let renamed = renamed(exchange, key, &other);
                named |= renamed.request != exchange.request;
                if !batch.exchanges.iter().any(|known| known.request == renamed.request) {
                    batch.exchanges.push(renamed);
                }
            }
            if !named {
                return None;
            }
            let mut asked = single.asked.clone();
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
        let material = material(keys);
        let batch = Batch::joined(&singles(&material), 10).unwrap();
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
