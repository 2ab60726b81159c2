//! What a plugin answers, alone and in batches.

mod batch;

use keyhole_core::{CallError, Outcome};
use keyhole_sandbox::PlannedRequest;

use super::rig::{Play, Rig};
use super::{Material, Verdict};
use crate::case::{Asked, Case};
use crate::kit_error::KitError;
use crate::recording::Exchange;
use crate::words;
use batch::Single;

/// Orders in which each batch is asked for.
const ORDERS: u64 = 5;
/// Requests in one batch, whatever a plugin takes: as the planner cuts them.
const MOST: usize = 256;

/// What to do about a request that no recording answers.
const RECORD_AGAIN: &str = "record the case again with `keyhole plugin run --record`, or mend the recording by hand";

/// Requests, each alone, that do not ask for what is absent.
pub(super) async fn recordings(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    judge_singles(
        rig,
        material,
        |single| !single.is_absent(),
        |tried| match tried {
            0 => Verdict::skipped(
                "no case asks for one key; record one with `keyhole plugin run --key KEY --record tests/a-key`",
            ),
            1 => Verdict::ok("1 request"),
            tried => Verdict::ok(format!("{tried} requests")),
        },
    )
    .await
}

/// Requests, each alone, that ask for what is absent.
pub(super) async fn not_found(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    judge_singles(rig, material, |single| single.is_absent(), |tried| match tried {
        0 => Verdict::skipped(
            "no case asks for a key that is absent; record one with `keyhole plugin run --key NO-SUCH-KEY --record tests/not-found`",
        ),
        _ => Verdict::ok("an absent key is not-found"),
    })
    .await
}

async fn judge_singles(
    rig: &Rig<'_>,
    material: &Material,
    concerns: impl Fn(&Single<'_>) -> bool,
    passed: impl Fn(usize) -> Verdict,
) -> Result<Verdict, KitError> {
    let mut tried = 0;
    for single in batch::singles(material).into_iter().filter(concerns) {
        let Single {
            recorded,
            asked,
            is_recorded,
        } = single;
        let name = &recorded.name;
        let play = rig
            .play(&recorded.case, &recorded.exchanges, &[asked.planned()])
            .await?;
        match unrecorded(&play, name) {
            Some(verdict) if is_recorded => return Ok(verdict),
            Some(_) => continue,
            None => {}
        }
        let wrong = match &play.result {
            Ok(outcomes) => outcomes.first().map_or_else(
                || Some("no outcome".to_owned()),
                |outcome| asked.expect.mismatch(outcome),
            ),
            // A whole call that fails stands for each of its requests.
            Err(CallError::Store(error)) => asked.expect.mismatch(&Outcome::Failed(error.clone())),
            Err(error) => Some(words::call_error(error)),
        };
        if let Some(wrong) = wrong {
            let remedy = if single.is_absent() {
                "answer a key that the store does not have with the error not-found, so that the user reads which key is missing"
            } else {
                "mend the plugin, or the expectation in case.yaml"
            };
            return Ok(Verdict::failed(
                format!("case {name}, {:?}: {wrong}", asked.name()),
                remedy,
            ));
        }
        tried += 1;
    }
    Ok(passed(tried))
}

fn unrecorded(play: &Play, case: &str) -> Option<Verdict> {
    let heard = play.unrecorded()?;
    Some(Verdict::failed(
        format!(
            "case {case}: it asks {} {}, which is not recorded",
            heard.method,
            words::line(&heard.url)
        ),
        RECORD_AGAIN,
    ))
}

/// Batches in several orders: each request gets its own answer.
pub(super) async fn order(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let most = max_batch(rig);
    if most < 2 {
        return Ok(Verdict::skipped("it takes one request a call"));
    }
    let mut tried = 0;
    for batch in batch::whole(material, most) {
        if is_wrong_alone(rig, &batch).await? {
            return Ok(Verdict::skipped(
                "a request of a batch is answered wrongly when it is asked alone; mend that first",
            ));
        }
        for seed in 0..ORDERS {
            let shuffled = batch.shuffled(seed);
            let play = rig.play(&batch.case, &batch.exchanges, &planned(&shuffled)).await?;
            if play.unrecorded().is_some() {
                if batch.is_recorded && seed == 0 {
                    return Ok(unrecorded(&play, &batch.name).unwrap_or_else(|| Verdict::skipped(String::new())));
                }
                break;
            }
            if let Some(wrong) = first_mismatch(&shuffled, &play.result) {
                return Ok(Verdict::failed(
                    format!("{}, asked for {}: {wrong}", batch.name, names(&shuffled)),
                    "return one outcome for each request, in the order of the requests; take a store's batch answer apart by name, never by position",
                ));
            }
            tried += 1;
        }
    }
    Ok(match tried {
        0 => Verdict::skipped(
            "no case asks for several keys at once; record one with `keyhole plugin run --key A --key B --record tests/batch`",
        ),
        tried => Verdict::ok(format!("{tried} batches in shuffled orders")),
    })
}

/// Whether one of its requests, asked alone, is answered and not as expected: no matter of order then.
async fn is_wrong_alone(rig: &Rig<'_>, batch: &batch::Batch) -> Result<bool, KitError> {
    for asked in &batch.case.requests {
        let play = rig.play(&batch.case, &batch.exchanges, &[asked.planned()]).await?;
        if play.unrecorded().is_none() && first_mismatch(std::slice::from_ref(asked), &play.result).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn first_mismatch(asked: &[Asked], result: &Result<Vec<Outcome>, CallError>) -> Option<String> {
    match result {
        Err(error) => Some(words::call_error(error)),
        Ok(outcomes) => asked.iter().zip(outcomes).find_map(|(asked, outcome)| {
            let wrong = asked.expect.mismatch(outcome)?;
            Some(format!("the answer to {:?} is wrong: {wrong}", asked.name()))
        }),
    }
}

/// Batches in which one request fails.
pub(super) async fn isolation(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let most = max_batch(rig);
    if most < 2 {
        return Ok(Verdict::skipped("it takes one request a call"));
    }
    let mut tried = 0;
    for batch in batch::mixed(material, most) {
        let play = rig
            .play(&batch.case, &batch.exchanges, &planned(&batch.case.requests))
            .await?;
        if play.unrecorded().is_some() {
            if batch.is_recorded {
                return Ok(unrecorded(&play, &batch.name).unwrap_or_else(|| Verdict::skipped(String::new())));
            }
            continue;
        }
        let expected = batch
            .case
            .requests
            .iter()
            .filter(|asked| asked.expects_failure())
            .count();
        let came = play.result.as_ref().map(|outcomes| {
            outcomes
                .iter()
                .filter(|outcome| matches!(outcome, Outcome::Failed(_)))
                .count()
        });
        let wrong = match came {
            Ok(failed) if failed == expected => None,
            Ok(failed) => Some(format!("{failed} of its requests failed, and {expected} should")),
            Err(error) => Some(words::call_error(error)),
        };
        if let Some(wrong) = wrong {
            return Ok(Verdict::failed(
                format!("{}, asked for {}: {wrong}", batch.name, names(&batch.case.requests)),
                "make a request that fails an outcome of its own; return an error from fetch() only when nothing could be asked at all",
            ));
        }
        tried += 1;
    }
    Ok(match tried {
        0 => Verdict::skipped(
            "no case asks for a key that is there and one that is not; record one with `keyhole plugin run --key KEY --key NO-SUCH-KEY --record tests/mixed`",
        ),
        tried => Verdict::ok(format!("{tried} batches with a request that fails")),
    })
}

/// As many requests as it says that it takes.
pub(super) async fn big_batch(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let most = max_batch(rig);
    if most < 2 {
        return Ok(Verdict::skipped("it takes one request a call"));
    }
    let Some(batch) = batch::multiplied(material, most) else {
        return Ok(Verdict::skipped(
            "no case asks for one key whose name is in the request; record one with `keyhole plugin run --key KEY --record tests/a-key`",
        ));
    };
    let play = rig
        .play(&batch.case, &batch.exchanges, &planned(&batch.case.requests))
        .await?;
    if let Some(heard) = play.unrecorded() {
        let recorded = material
            .cases
            .iter()
            .any(|recorded| recorded.case.requests.len() >= most);
        return Ok(if recorded {
            Verdict::ok(format!("a recorded case has {most} requests"))
        } else {
            Verdict::skipped(format!(
                "it asks for several keys at once ({} {}); record a case of {most} keys",
                heard.method,
                words::line(&heard.url)
            ))
        });
    }
    let wrong = match &play.result {
        Err(error) => Some(words::call_error(error)),
        Ok(outcomes) => outcomes
            .iter()
            .zip(&batch.case.requests)
            .find_map(|(outcome, asked)| match outcome {
                Outcome::Failed(_) => Some(format!(
                    "the answer to {:?} is {}",
                    asked.name(),
                    words::outcome(outcome)
                )),
                _ => None,
            }),
    };
    Ok(match wrong {
        Some(wrong) => Verdict::failed(
            format!("a batch of {most} requests fails: {wrong}"),
            "lower max-batch in describe(): a call has 64 exchanges, 2 s of CPU time and 30 s in all; or ask the store for several at once",
        ),
        None => Verdict::ok(format!("{most} requests in {} exchanges", play.stats.exchanges)),
    })
}

fn max_batch(rig: &Rig<'_>) -> usize {
    usize::try_from(rig.description.max_batch.get())
        .unwrap_or(MOST)
        .min(MOST)
}

fn planned(asked: &[Asked]) -> Vec<PlannedRequest> {
    asked.iter().map(Asked::planned).collect()
}

fn names(asked: &[Asked]) -> String {
    let names: Vec<_> = asked
        .iter()
        .take(8)
        .map(|asked| format!("{:?}", asked.name()))
        .collect();
    let more = if asked.len() > names.len() { ", ..." } else { "" };
    format!("[{}{more}]", names.join(", "))
}

/// The first request that gets a value after asking the store something, alone.
pub(super) fn usual(material: &Material) -> Option<(&Case, &[Exchange], &Asked)> {
    let singles = batch::singles(material);
    let usual = singles.iter().find(|single| {
        let expect = &single.asked.expect;
        let gets = expect.value.is_some() || expect.value_base64.is_some() || expect.values.is_some();
        gets && !single.recorded.exchanges.is_empty()
    })?;
    Some((&usual.recorded.case, usual.recorded.exchanges.as_slice(), usual.asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_by_its_first_keys() {
        let asked = |key: usize| Asked {
            key: Some(key.to_string()),
            ..Asked::default()
        };
        assert_eq!(names(&[asked(1), asked(2)]), r#"["1", "2"]"#);
        assert!(names(&(0..20).map(asked).collect::<Vec<_>>()).ends_with(r#""7", ...]"#));
    }

    #[test]
    fn an_answer_to_the_wrong_request_is_named() {
        let asked: Asked = serde_saphyr::from_str("{key: a, expect: {value: of a}}").unwrap();
        let value = |text: &str| {
            Outcome::Value(keyhole_core::Value {
                bytes: keyhole_core::SecretBytes::from(text.to_owned()),
                is_text: true,
                version: None,
            })
        };
        assert_eq!(
            first_mismatch(std::slice::from_ref(&asked), &Ok(vec![value("of a")])),
            None
        );
        let wrong = first_mismatch(&[asked], &Ok(vec![value("of b")])).unwrap();
        assert!(wrong.contains("the answer to \"a\" is wrong"), "{wrong}");
    }
}
