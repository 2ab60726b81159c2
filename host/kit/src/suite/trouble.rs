//! What a plugin makes of refusals and of a store in trouble.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keyhole_core::{CallError, Outcome, StoreErrorKind};

use super::answers::usual;
use super::rig::{Play, Rig};
use super::{Material, Verdict};
use crate::case::{Asked, Case};
use crate::kit_error::KitError;
use crate::recording::{Exchange, RecordedResponse};
use crate::words;

/// What a refusal should take at most. A fresh instance and its answer take a millisecond or two.
const AT_ONCE: Duration = Duration::from_millis(50);
/// From when on it counts as slow: five times as much, in the fastest of [`TRIES`], so that a busy machine is
/// not held against a plugin. One that waits or tries again takes seconds.
const SLOW: Duration = Duration::from_millis(250);
/// Times that a refusal is measured.
const TRIES: usize = 5;
/// The retry-after of a store that throttles.
const RETRY_AFTER: Duration = Duration::from_secs(7);

const NOTHING: &str =
    "no case asks the store for one key; record one with `keyhole plugin run --key KEY --record tests/a-key`";

/// Without any granted host, the host's own refusal must come out, and quickly.
pub(super) async fn denied_host(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let Some((case, exchanges, asked)) = usual(material) else {
        return Ok(Verdict::skipped(NOTHING));
    };
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        let plugin = rig.plugin_of(rig.grant_without_hosts(), case).await?;
        rig.stage.play(exchanges.to_vec());
        let play = rig.call(&plugin, case, &[asked.planned()]).await;
        if let Some(said) = not_the_refusal(&play) {
            return Ok(Verdict::failed(
                format!("its host was not granted, and it said: {said}"),
                "report a request that could not be made as unavailable (or let the SDK do it); the host then tells the user which host to grant",
            ));
        }
        fastest = fastest.min(play.stats.wall);
    }
    if fastest > SLOW {
        return Ok(Verdict::failed(
            format!(
                "a refused request took {} ms; {} are enough, and {} are the limit here",
                fastest.as_millis(),
                AT_ONCE.as_millis(),
                SLOW.as_millis()
            ),
            "do not wait and do not try again: turn retries of your HTTP client or SDK off; the host retries",
        ));
    }
    Ok(Verdict::ok(format!(
        "the host's error, after {:.2} ms",
        fastest.as_secs_f64() * 1000.0
    )))
}

/// What came in place of the host's refusal.
fn not_the_refusal(play: &Play) -> Option<String> {
    let refused = |error: &CallError| matches!(error, CallError::Egress(error) if error.is_refusal());
    match &play.result {
        Err(error) if refused(error) => None,
        Err(error) => Some(words::call_error(error)),
        Ok(outcomes) => outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Failed(error) if words::verdict(error).is_some_and(refused) => None,
            other => Some(words::outcome(other)),
        }),
    }
}

/// One call against a store that answers everything like this.
async fn troubled(
    rig: &Rig<'_>,
    (case, exchanges, asked): (&Case, &[Exchange], &Asked),
    answer: RecordedResponse,
) -> Result<Play, KitError> {
    let plugin = rig.plugin_of(rig.full_grant(exchanges), case).await?;
    rig.stage.always(answer);
    Ok(rig.call(&plugin, case, &[asked.planned()]).await)
}

/// Nothing is asked twice, whatever the store says.
pub(super) async fn no_retries(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let Some(usual) = usual(material) else {
        return Ok(Verdict::skipped(NOTHING));
    };
    for (what, answer) in [("500", failing(rig)), ("429", throttling(rig))] {
        let play = troubled(rig, usual, answer).await?;
        let mut seen = BTreeSet::new();
        if let Some(again) = play.heard.iter().find(|heard| !seen.insert(*heard)) {
            let times = play.heard.iter().filter(|heard| *heard == again).count();
            return Ok(Verdict::failed(
                format!(
                    "when the store answers {what}, it asks {} {} {times} times in one call",
                    again.method,
                    words::line(&again.url)
                ),
                "turn retries of your HTTP client or SDK off: the host calls again, with back-off, for all objects together",
            ));
        }
    }
    Ok(Verdict::ok("each exchange once"))
}

/// A store that fails is unavailable, so that the host tries again.
pub(super) async fn server_error(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let Some(usual) = usual(material) else {
        return Ok(Verdict::skipped(NOTHING));
    };
    let play = troubled(rig, usual, failing(rig)).await?;
    Ok(match kind(&play) {
        Ok(StoreErrorKind::Unavailable(_)) => Verdict::ok("unavailable"),
        Ok(StoreErrorKind::Host(verdict)) => Verdict::failed(
            format!("when the store answers 500, the host had to stop it: {verdict}"),
            "report the error of the store and end",
        ),
        Ok(_) | Err(_) => Verdict::failed(
            format!("when the store answers 500, it says {}", said(&play)),
            "report a server error as unavailable: the host tries again with back-off, and tells the user that the store is at fault",
        ),
    })
}

/// A store that throttles is throttled, and says until when.
pub(super) async fn throttled(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let Some(usual) = usual(material) else {
        return Ok(Verdict::skipped(NOTHING));
    };
    let play = troubled(rig, usual, throttling(rig)).await?;
    let shown = if rig.speaks_aws() { "ThrottlingException" } else { "429" };
    Ok(match kind(&play) {
        Ok(StoreErrorKind::Throttled(_)) if rig.speaks_aws() => Verdict::ok("throttled; AWS names no retry-after"),
        Ok(StoreErrorKind::Throttled(Some(after))) if after == RETRY_AFTER => {
            Verdict::ok("throttled, with the store's retry-after")
        }
        Ok(StoreErrorKind::Throttled(after)) => Verdict::failed(
            format!(
                "the store said retry-after: {}, and it passed on {}",
                RETRY_AFTER.as_secs(),
                after.map_or_else(|| "none".to_owned(), |after| format!("{} ms", after.as_millis()))
            ),
            "read the header retry-after (seconds) and put it, in milliseconds, into the error throttled",
        ),
        Ok(_) | Err(_) => Verdict::failed(
            format!("when the store answers {shown}, it says {}", said(&play)),
            "report it as throttled with the store's retry-after: the host then slows down for all objects",
        ),
    })
}

/// The kind of error that a call of one request ended with.
fn kind(play: &Play) -> Result<StoreErrorKind, ()> {
    match &play.result {
        Err(CallError::Store(error)) => Ok(error.kind.clone()),
        Ok(outcomes) => match outcomes.first() {
            Some(Outcome::Failed(error)) => Ok(error.kind.clone()),
            _ => Err(()),
        },
        Err(_) => Err(()),
    }
}

fn said(play: &Play) -> String {
    match &play.result {
        Err(error) => words::call_error(error),
        Ok(outcomes) => outcomes.first().map(words::outcome).unwrap_or_default(),
    }
}

fn failing(rig: &Rig<'_>) -> RecordedResponse {
    let code = if rig.speaks_aws() {
        "InternalServiceError"
    } else {
        "internal"
    };
    answer(500, code, None)
}

/// As the store would throttle: AWS answers 400 and names the reason in the body.
fn throttling(rig: &Rig<'_>) -> RecordedResponse {
    if rig.speaks_aws() {
        answer(400, "ThrottlingException", None)
    } else {
        answer(
            429,
            "throttled",
            Some(("retry-after", RETRY_AFTER.as_secs().to_string())),
        )
    }
}

fn answer(status: u16, code: &str, header: Option<(&str, String)>) -> RecordedResponse {
    let mut headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    headers.extend(header.map(|(name, value)| (name.to_owned(), value)));
    RecordedResponse {
        status,
        headers,
        body: Some(format!(
            r#"{{"__type":"{code}","code":"{code}","message":"the store is in trouble"}}"#
        )),
        body_base64: None,
    }
}
