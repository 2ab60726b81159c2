//! The road of a call: requests become asks and paths, asks are batched or put singly, answers become
//! outcomes.

use keyhole_aws::batch::is_denied;
use keyhole_aws::single;
use keyhole_sdk::{NamedValue, Outcome, Request, Value};

use crate::api::{Api, Parameter};
use crate::ask::{Ask, Path, Plan, Slot};
use crate::batch::{self, Answers};
use crate::options::{Options, StringList};
use crate::path::{self, Read};
use crate::{errors, naming, pairs};

/// Calls of GetParameter under way at once. All calls of Parameter Store share a rate of 40 a second by
/// default, which more of them would only exhaust sooner.
pub const CONCURRENCY: usize = 4;

/// One outcome for each request, in their order.
pub async fn fetch(api: &impl Api, region: &str, requests: &[Request<Options>]) -> Vec<Outcome> {
    let Plan { asks, paths, slots } = Plan::new(requests);
    let answers = ask(api, &asks).await;
    let read = path::read(api, &paths).await;
    let outcome = |slot, request: &Request<Options>| match slot {
        Ok(Slot::Ask(position)) => match (asks.get(position), answers.get(position)) {
            (Some(ask), Some(Some(Ok(parameter)))) => value(parameter, ask, request, region),
            (Some(ask), Some(Some(Err(fault)))) => errors::explain(fault, ask, region).into(),
            _ => errors::unanswered(region).into(),
        },
        Ok(Slot::Path(position)) => match (paths.get(position), read.get(position)) {
            (Some(path), Some(read)) => values(read, path, request, region),
            _ => errors::unanswered(region).into(),
        },
        Err(error) => Outcome::Failed(error),
    };
    slots
        .into_iter()
        .zip(requests)
        .map(|(slot, request)| outcome(slot, request))
        .collect()
}

/// An answer for each ask.
async fn ask(api: &impl Api, asks: &[Ask]) -> Answers {
    let mut answers: Answers = vec![None; asks.len()];
    let batchable: Vec<usize> = asks
        .iter()
        .enumerate()
        .filter(|(_, ask)| ask.is_batchable())
        .map(|(position, _)| position)
        .collect();
    let mut denied = None;
    for wanted in batchable.chunks(batch::NAMES) {
        // One parameter needs no batch, and a user with one parameter needs no further permission.
        if wanted.len() < 2 || denied.is_some() || is_denied() {
            break;
        }
        denied = batch::ask(api, asks, wanted, &mut answers).await.err();
    }
    single::ask(asks, &mut answers, CONCURRENCY, async |ask: &Ask| api.get(&ask.0).await).await;
    if let Some(denied) = denied {
        denied.judge(&answers);
    }
    answers
}

/// The value of a single parameter, unless the host has this version already.
fn value(parameter: &Parameter, ask: &Ask, request: &Request<Options>, region: &str) -> Outcome {
    if request.knows(parameter.version.as_deref()) {
        return Outcome::Unchanged;
    }
    let text = match request.options.string_list {
        StringList::Text => parameter.text.clone(),
        StringList::Pairs if !parameter.is_list => {
            return errors::no_pairs("it is no StringList", ask, region).into();
        }
        StringList::Pairs => match pairs::object(&parameter.text) {
            Ok(object) => object,
            Err(what) => return errors::no_pairs(&what, ask, region).into(),
        },
    };
    Value {
        version: parameter.version.clone(),
        ..Value::text(text)
    }
    .into()
}

/// Everything under a path, by the names that the options want.
fn values(read: &Read, path: &Path, request: &Request<Options>, region: &str) -> Outcome {
    let parameters = match read {
        Ok(parameters) => parameters,
        Err(why) => return errors::unread(why, path, region).into(),
    };
    let named = parameters.iter().map(|parameter| NamedValue {
        name: naming::key(&path.path, &parameter.name, request.options.join_path_with),
        full_name: parameter.name.clone(),
        value: Value {
            version: parameter.version.clone(),
            ..Value::text(parameter.text.as_str())
        },
    });
    named.collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
