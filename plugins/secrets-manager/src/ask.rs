//! From requests to what Secrets Manager is asked.
//!
//! Two requests can differ in text and still mean one question (`{}` and
//! `{"versionStage":"AWSCURRENT"}`), and a batch that names a secret twice is refused as a whole. So
//! requests become *asks* without duplicates, and each request remembers which ask answers it.

use std::collections::HashMap;

use keyhole_sdk::{Error, Outcome, Request, Selector};

use crate::settings::{CURRENT, Options};

/// One question to the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// Name or ARN of the secret, as the user wrote it.
    pub secret: String,
    /// Which version of it.
    pub version: Version,
}

/// Which version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// The one with this staging label.
    Stage(String),
    /// This one.
    Id(String),
}

impl Ask {
    /// The question behind a key and its options. As in KES, an id wins over a stage, and empty text
    /// counts as absent.
    pub fn new(secret: &str, options: &Options) -> Self {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let version = match given(&options.version_id) {
            Some(id) => Version::Id(id),
            None => Version::Stage(given(&options.version_stage).unwrap_or_else(|| CURRENT.to_owned())),
        };
        Self {
            secret: secret.to_owned(),
            version,
        }
    }

    /// Whether a batch can answer it: batches know current versions only, and of an ARN nobody can say
    /// beforehand in which form (partial, other account) the answer will name it.
    pub fn is_batchable(&self) -> bool {
        !self.secret.starts_with("arn:") && matches!(&self.version, Version::Stage(stage) if stage == CURRENT)
    }
}

/// All requests of a call.
#[derive(Debug)]
pub struct Plan {
    /// The questions, each once, in the order of the requests.
    pub asks: Vec<Ask>,
    /// For each request, where its answer comes from.
    slots: Vec<Slot>,
}

#[derive(Debug)]
enum Slot {
    /// No question is needed.
    Settled(Outcome),
    /// The ask of this index answers it.
    Ask(usize),
}

impl Plan {
    /// The questions behind these requests.
    pub fn new(requests: &[Request<Options>]) -> Self {
        let mut asks = Vec::new();
        let mut known = HashMap::new();
        let slots = requests
            .iter()
            .map(|request| match ask(request) {
                Err(outcome) => Slot::Settled(outcome),
                Ok(ask) => Slot::Ask(*known.entry(ask).or_insert_with_key(|ask: &Ask| {
                    asks.push(ask.clone());
                    asks.len() - 1
                })),
            })
            .collect();
        Self { asks, slots }
    }

    /// One outcome for each request; `answer` gives it from the index of the ask.
    pub fn outcomes(
        self,
        requests: &[Request<Options>],
        mut answer: impl FnMut(usize, &Request<Options>) -> Outcome,
    ) -> Vec<Outcome> {
        let slots = self.slots.into_iter().zip(requests);
        slots
            .map(|(slot, request)| match slot {
                Slot::Settled(outcome) => outcome,
                Slot::Ask(index) => answer(index, request),
            })
            .collect()
    }
}

/// The question behind a request, or its outcome when there is nothing to ask.
fn ask(request: &Request<Options>) -> Result<Ask, Outcome> {
    let key = match &request.selector {
        Selector::Key(key) => key,
        // KES's wording, and what to do instead.
        Selector::Prefix { .. } => {
            let message = "_getByPath not implemented: secretsManager has no paths; use key and name";
            return Err(Error::unsupported(message).into());
        }
    };
    if key.trim().is_empty() {
        return Err(Error::invalid("/key", "the key is empty; write the name or the ARN of a secret").into());
    }
    let ask = Ask::new(key, &request.options);
    match &ask.version {
        // The content of a version never changes.
        Version::Id(id) if request.knows(Some(id)) => Err(Outcome::Unchanged),
        _ => Ok(ask),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_sdk::ErrorKind;

    fn request(key: &str, stage: Option<&str>, id: Option<&str>) -> Request<Options> {
        let options = Options {
            version_stage: stage.map(Into::into),
            version_id: id.map(Into::into),
        };
        Request {
            selector: Selector::key(key),
            options,
            known_version: None,
        }
    }

    fn version(request: &Request<Options>) -> Version {
        Plan::new(std::slice::from_ref(request)).asks[0].version.clone()
    }

    #[test]
    fn an_id_wins_over_a_stage_and_the_current_stage_is_the_default() {
        let stage = |text: &str| Version::Stage(text.to_owned());
        assert_eq!(version(&request("a", None, None)), stage("AWSCURRENT"));
        assert_eq!(version(&request("a", Some(""), Some(""))), stage("AWSCURRENT"));
        assert_eq!(version(&request("a", Some("AWSPREVIOUS"), None)), stage("AWSPREVIOUS"));
        assert_eq!(
            version(&request("a", Some("AWSPREVIOUS"), Some("7"))),
            Version::Id("7".to_owned())
        );
    }

    #[test]
    fn equal_questions_are_asked_once_and_answered_everywhere() {
        let requests = [
            request("a", None, None),
            request("b", None, None),
            request("a", Some("AWSCURRENT"), None),
            request("a", Some("AWSPREVIOUS"), None),
            request("A", None, None),
        ];
        let plan = Plan::new(&requests);
        assert_eq!(plan.asks.len(), 4, "names differ by case");
        let mut seen = Vec::new();
        plan.outcomes(&requests, |index, _| {
            seen.push(index);
            Outcome::Unchanged
        });
        assert_eq!(seen, [0, 1, 0, 2, 3]);
    }

    #[test]
    fn only_current_versions_by_name_can_travel_in_a_batch() {
        let batchable = |request: &Request<Options>| Plan::new(std::slice::from_ref(request)).asks[0].is_batchable();
        assert!(batchable(&request("prod/db", None, None)));
        assert!(batchable(&request("prod/arn:x", Some("AWSCURRENT"), None)));
        assert!(!batchable(&request("prod/db", Some("AWSPREVIOUS"), None)));
        assert!(!batchable(&request("prod/db", None, Some("7"))));
        assert!(!batchable(&request(
            "arn:aws:secretsmanager:eu-west-1:1:secret:prod/db-AbCdEf",
            None,
            None
        )));
    }

    #[test]
    fn a_pinned_version_that_the_host_has_needs_no_call() {
        let mut pinned = request("a", None, Some("7"));
        pinned.known_version = Some("7".to_owned());
        let mut staged = request("a", None, None);
        staged.known_version = Some("7".to_owned());
        let mut other = request("a", None, Some("8"));
        other.known_version = Some("7".to_owned());
        let requests = [pinned, staged, other];
        let plan = Plan::new(&requests);
        assert_eq!(plan.asks.len(), 2);
        let outcomes = plan.outcomes(&requests, |_, _| Error::internal("asked").into());
        assert_eq!(outcomes[0], Outcome::Unchanged);
        assert!(matches!(outcomes[1], Outcome::Failed(_)) && matches!(outcomes[2], Outcome::Failed(_)));
    }

    #[test]
    fn paths_and_empty_keys_are_settled_without_a_call() {
        let path = Request {
            selector: Selector::Prefix {
                path: "/x".to_owned(),
                recursive: true,
            },
            options: Options::default(),
            known_version: None,
        };
        let requests = [path, request(" ", None, None)];
        let plan = Plan::new(&requests);
        assert!(plan.asks.is_empty());
        let outcomes = plan.outcomes(&requests, |_, _| Outcome::Unchanged);
        let kind = |outcome: &Outcome| match outcome {
            Outcome::Failed(error) => error.kind.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(kind(&outcomes[0]), ErrorKind::Unsupported);
        assert_eq!(kind(&outcomes[1]), ErrorKind::Invalid("/key".to_owned()));
    }
}
