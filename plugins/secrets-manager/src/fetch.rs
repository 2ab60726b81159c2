//! The road of a call: requests become asks, asks are batched or put singly, answers become outcomes.

use keyhole_aws::batch::is_denied;
use keyhole_aws::single;
use keyhole_aws::words::Asked;
use keyhole_sdk::{Content, Outcome, Request, Value};

use crate::api::{Api, Fetched};
use crate::ask::{Ask, Plan};
use crate::batch::{self, Answers};
use crate::errors;
use crate::settings::Options;

/// Calls of GetSecretValue under way at once. It is allowed 10,000 times a second in a region, so this
/// bounds connections rather than calls.
pub const CONCURRENCY: usize = 8;

/// One outcome for each request, in their order.
pub async fn fetch(api: &impl Api, region: &str, requests: &[Request<Options>]) -> Vec<Outcome> {
    let plan = Plan::new(requests);
    let mut answers: Answers = vec![None; plan.asks.len()];

    let batchable: Vec<usize> = plan
        .asks
        .iter()
        .enumerate()
        .filter(|(_, ask)| ask.is_batchable())
        .map(|(position, _)| position)
        .collect();
    for wanted in batchable.chunks(batch::NAMES) {
        // One secret needs no batch: GetSecretValue has the larger quota, and a user with one secret
        // needs no further permission.
        if wanted.len() < 2 || is_denied() {
            break;
        }
        batch::ask(api, &plan.asks, wanted, &mut answers).await;
    }
    single::ask(&plan.asks, &mut answers, CONCURRENCY, async |ask: &Ask| {
        api.get(ask).await
    })
    .await;

    let asks = plan.asks.clone();
    plan.outcomes(requests, |position, request| {
        match (asks.get(position), answers.get(position)) {
            (_, Some(Some(Ok(fetched)))) => value(fetched, request),
            (Some(ask), Some(Some(Err(fault)))) => errors::explain(fault, ask, region).into(),
            _ => Asked::unanswered("Secrets Manager", region).into(),
        }
    })
}

/// The value, unless the host has this version already.
fn value(fetched: &Fetched, request: &Request<Options>) -> Outcome {
    if request.knows(fetched.version_id.as_deref()) {
        return Outcome::Unchanged;
    }
    let content: Content = fetched.content.clone();
    Value {
        content,
        version: fetched.version_id.clone(),
    }
    .into()
}

#[cfg(test)]
mod tests;
