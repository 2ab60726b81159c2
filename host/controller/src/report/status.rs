//! An object's status: reading it, the next one, and whether that is worth a write.
//!
//! KES writes status at every poll, and each write wakes every watcher of the object. Here a status is
//! written when it says something new, compared over the fields that the installed CRD keeps: KES's
//! own CRD drops the condition, and a host that missed it in every answer would write for ever.

use std::sync::Arc;

use jiff::Timestamp;
use keyhole_api::{Condition, ConditionStatus, ExternalSecretStatus, parse_timestamp, timestamp};
use keyhole_core::{Failure, Reason};

/// What an object's status says, in a form that ten thousand of can be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `status.status`.
    pub line: Option<Arc<str>>,
    /// `status.lastSync`.
    pub last_sync: Option<Timestamp>,
    /// `status.observedGeneration`: generation of the last attempt, failed ones too.
    pub observed_generation: Option<i64>,
    /// `status.observedRefresh`: value of the refresh annotation that was last handled.
    pub observed_refresh: Option<Arc<str>>,
    /// The `Ready` condition.
    pub ready: Option<Ready>,
}

/// The `Ready` condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// `True` or not.
    pub holds: bool,
    /// One of [`Reason`]'s names.
    pub reason: Arc<str>,
    /// For people.
    pub message: Arc<str>,
    /// `lastTransitionTime`: when `holds` last changed.
    pub since: Option<Timestamp>,
    /// Generation that this is about.
    pub observed_generation: Option<i64>,
}

/// A sync that came to an end, as far as status tells of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Generation of the plan that was worked on.
    pub generation: i64,
    /// What came of it: a remark for the condition, or everything that failed, first in merge order.
    pub outcome: Result<&'static str, Vec<Failure>>,
    /// The refresh annotation that this attempt handles.
    pub refresh: Option<Arc<str>>,
    /// When.
    pub at: Timestamp,
}

/// Which fields the installed CRD keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `conditions`.
    pub conditions: bool,
    /// `observedGeneration`.
    pub observed_generation: bool,
    /// `observedRefresh`.
    pub observed_refresh: bool,
}

impl Attempt {
    /// The reason of the condition.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match &self.outcome {
            Ok(_) => Reason::Synced,
            Err(failures) => failures.first().map_or(Reason::Pending, |failure| failure.reason),
        }
    }

    /// The status after this attempt, given the one before it.
    #[must_use]
    pub fn status(&self, before: &Status) -> Status {
        let (line, message): (Arc<str>, Arc<str>) = match &self.outcome {
            Ok(remark) => (ExternalSecretStatus::SUCCESS.into(), (*remark).into()),
            Err(failures) => match failures.split_first() {
                Some((first, more)) => (first.status_line().into(), first.condition_message(more.len()).into()),
                None => ("ERROR, not synced yet".into(), "not synced yet".into()),
            },
        };
        let holds = self.outcome.is_ok();
        let since = before
            .ready
            .as_ref()
            .filter(|ready| ready.holds == holds)
            .and_then(|ready| ready.since);
        Status {
            line: Some(line),
            last_sync: Some(self.at),
            observed_generation: Some(self.generation),
            observed_refresh: self.refresh.clone().or_else(|| before.observed_refresh.clone()),
            ready: Some(Ready {
                holds,
                reason: self.reason().as_str().into(),
                message,
                since: since.or(Some(self.at)),
                observed_generation: Some(self.generation),
            }),
        }
    }
}

impl Status {
    /// The status of an object.
    #[must_use]
    pub fn read(status: &ExternalSecretStatus) -> Self {
        Self {
            line: status.status.as_deref().map(Arc::from),
            last_sync: status.last_sync.as_deref().and_then(parse_timestamp),
            observed_generation: status.observed_generation,
            observed_refresh: status.observed_refresh.as_deref().map(Arc::from),
            ready: status.ready().map(Ready::read),
        }
    }

    /// Whether the last attempt succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.line.as_deref() == Some(ExternalSecretStatus::SUCCESS)
    }

    /// Whether `self` is worth a write where `shown` is what the API server has.
    #[must_use]
    pub fn is_news(&self, shown: &Self, kept: Kept) -> bool {
        let same_ready = || match (&self.ready, &shown.ready) {
            (Some(new), Some(old)) => {
                (new.holds, &new.reason, &new.message, new.observed_generation)
                    == (old.holds, &old.reason, &old.message, old.observed_generation)
            }
            (new, old) => new.is_none() == old.is_none(),
        };
        self.line != shown.line
            || shown.last_sync.is_none()
            || (kept.observed_generation && self.observed_generation != shown.observed_generation)
            || (kept.observed_refresh && self.observed_refresh != shown.observed_refresh)
            || (kept.conditions && !same_ready())
    }

    /// As the API server takes it.
    #[must_use]
    pub fn to_api(&self) -> ExternalSecretStatus {
        ExternalSecretStatus {
            last_sync: self.last_sync.map(timestamp),
            status: self.line.as_deref().map(str::to_owned),
            observed_generation: self.observed_generation,
            conditions: self.ready.iter().map(Ready::to_api).collect(),
            observed_refresh: self.observed_refresh.as_deref().map(str::to_owned),
            rolled_out_revision: None,
        }
    }

    /// Which fields the CRD keeps, given that `self` was sent and `answer` came back. About a field that
    /// was not sent, what was `known` stands.
    #[must_use]
    pub fn kept_in(&self, answer: &Self, known: Kept) -> Kept {
        let kept = |sent: bool, came_back: bool, known: bool| if sent { came_back } else { known };
        Kept {
            conditions: kept(self.ready.is_some(), answer.ready.is_some(), known.conditions),
            observed_generation: kept(
                self.observed_generation.is_some(),
                answer.observed_generation.is_some(),
                known.observed_generation,
            ),
            observed_refresh: kept(
                self.observed_refresh.is_some(),
                answer.observed_refresh.is_some(),
                known.observed_refresh,
            ),
        }
    }
}

impl Ready {
    fn read(condition: &Condition) -> Self {
        Self {
            holds: condition.status == ConditionStatus::True,
            reason: condition.reason.as_str().into(),
            message: condition.message.as_str().into(),
            since: parse_timestamp(&condition.last_transition_time),
            observed_generation: condition.observed_generation,
        }
    }

    fn to_api(&self) -> Condition {
        Condition {
            type_: Condition::READY.to_owned(),
            status: if self.holds {
                ConditionStatus::True
            } else {
                ConditionStatus::False
            },
            reason: self.reason.to_string(),
            message: self.message.to_string(),
            last_transition_time: format!("{:.0}", self.since.unwrap_or_default()),
            observed_generation: self.observed_generation,
        }
    }
}

impl Kept {
    /// With the CRD of this host.
    pub const ALL: Self = Self {
        conditions: true,
        observed_generation: true,
        observed_refresh: true,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn success(second: i64) -> Attempt {
        Attempt {
            generation: 2,
            outcome: Ok("up to date"),
            refresh: None,
            at: at(second),
        }
    }

    fn failure(second: i64, message: &str) -> Attempt {
        let first = Failure::new(Reason::NotFound, message).at("data[0]");
        let second_failure = Failure::new(Reason::AccessDenied, "no").at("data[1]");
        Attempt {
            generation: 2,
            outcome: Err(vec![first, second_failure]),
            refresh: None,
            at: at(second),
        }
    }

    /// What a CRD that keeps everything gives back.
    fn stored(status: &Status) -> Status {
        Status::read(&serde_json::from_value(serde_json::to_value(status.to_api()).unwrap()).unwrap())
    }

    #[test]
    fn a_status_survives_the_api_server() {
        let mut status = failure(1_700_000_000, "gone").status(&Status::default());
        status.observed_refresh = Some("now".into());
        assert_eq!(stored(&status), status);
    }

    #[test]
    fn times_read_as_those_of_kes() {
        let json = serde_json::to_value(success(0).status(&Status::default()).to_api()).unwrap();
        assert_eq!(json["lastSync"], "1970-01-01T00:00:00.000Z");
        assert_eq!(json["status"], "SUCCESS");
        assert_eq!(json["observedGeneration"], 2);
        assert_eq!(json["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_first_failure_is_shown_and_the_rest_are_counted() {
        let status = failure(0, "gone").status(&Status::default());
        assert_eq!(status.line.as_deref(), Some("ERROR, data[0]: gone"));
        let ready = status.ready.unwrap();
        assert_eq!((ready.holds, &*ready.reason), (false, "NotFound"));
        assert_eq!(&*ready.message, "data[0]: gone (and 1 more)");
    }

    #[test]
    fn the_same_again_is_no_news() {
        let first = stored(&success(0).status(&Status::default()));
        let second = success(60).status(&first);
        assert!(!second.is_news(&first, Kept::ALL));
        assert_eq!(second.last_sync, Some(at(60)));
        assert_eq!(second.ready.unwrap().since, Some(at(0)), "no transition");
    }

    #[test]
    fn another_message_generation_or_refresh_is_news() {
        let shown = stored(&failure(0, "gone").status(&Status::default()));
        assert!(failure(1, "still gone").status(&shown).is_news(&shown, Kept::ALL));
        assert!(
            Attempt {
                generation: 3,
                ..failure(1, "gone")
            }
            .status(&shown)
            .is_news(&shown, Kept::ALL)
        );
        assert!(
            Attempt {
                refresh: Some("x".into()),
                ..failure(1, "gone")
            }
            .status(&shown)
            .is_news(&shown, Kept::ALL)
        );
        let healed = success(1).status(&shown);
        assert!(healed.is_news(&shown, Kept::ALL));
        assert_eq!(healed.ready.unwrap().since, Some(at(1)), "a transition");
    }

    #[test]
    fn a_crd_that_drops_our_fields_gives_no_endless_news() {
        let sent = Attempt {
            refresh: Some("x".into()),
            ..success(0)
        }
        .status(&Status::default());
        let shown = Status {
            line: sent.line.clone(),
            last_sync: sent.last_sync,
            ..Status::default()
        };
        assert!(sent.is_news(&shown, Kept::ALL), "that would be a loop");
        let kept = sent.kept_in(&shown, Kept::ALL);
        assert_eq!(
            kept,
            Kept {
                conditions: false,
                observed_generation: false,
                observed_refresh: false
            }
        );
        assert!(!success(60).status(&shown).is_news(&shown, kept));
        assert!(failure(60, "gone").status(&shown).is_news(&shown, kept));
    }

    #[test]
    fn a_refresh_that_was_handled_stays_on_record() {
        let shown = Attempt {
            refresh: Some("x".into()),
            ..success(0)
        }
        .status(&Status::default());
        assert_eq!(success(1).status(&shown).observed_refresh.as_deref(), Some("x"));
    }

    #[test]
    fn a_crd_that_was_upgraded_is_noticed() {
        let sent = Attempt {
            refresh: Some("x".into()),
            ..success(0)
        }
        .status(&Status::default());
        let old = Kept {
            conditions: false,
            observed_generation: false,
            observed_refresh: false,
        };
        assert_eq!(sent.kept_in(&stored(&sent), old), Kept::ALL);
        let nothing_sent = Status::default();
        assert_eq!(nothing_sent.kept_in(&Status::default(), old), old);
    }
}
