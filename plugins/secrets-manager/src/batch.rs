//! Current secrets by name, many in one call.
//!
//! A batch is an optimisation that may always fail: whatever it does not answer beyond doubt is left
//! to be asked singly. Identities of clusters that come from KES may use GetSecretValue only; that
//! they may not batch is remembered for an hour, so that they pay for the attempt once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use keyhole_sdk::{log, session};

use crate::api::{Api, Fetched};
use crate::ask::Ask;
use crate::fault::{Class, Fault};

/// Names in one call, from the API reference of BatchGetSecretValue.
pub const NAMES: usize = 20;

/// A page holds at least one entry, so more pages than names are a fault of the store.
const PAGES: usize = NAMES;

const DENIED: &str = "batch-denied";
const DENIED_FOR: Duration = Duration::from_secs(3600);

/// Answers by position in the asks.
pub type Answers = Vec<Option<Result<Fetched, Fault>>>;

/// Whether it is known that this identity may not batch.
pub fn is_denied() -> bool {
    session::get_bytes(DENIED).is_some()
}

/// Asks for all of `wanted` (positions in `asks`) and writes what is answered into `answers`.
pub async fn ask(api: &impl Api, asks: &[Ask], wanted: &[usize], answers: &mut Answers) {
    let by_name: HashMap<&str, usize> = wanted
        .iter()
        .filter_map(|&position| Some((asks.get(position)?.secret.as_str(), position)))
        .collect();
    let mut names: Vec<&str> = by_name.keys().copied().collect();
    names.sort_unstable();

    let mut doubtful = HashSet::new();
    let mut next: Option<String> = None;
    for _ in 0..PAGES {
        let page = match api.batch(&names, next.as_deref()).await {
            Ok(page) => page,
            Err(fault) => {
                failed(&fault, wanted, answers);
                break;
            }
        };
        for entry in page.entries {
            let mut positions = entry.names.iter().filter_map(|name| by_name.get(name.as_str()));
            let Some(&position) = positions.next() else { continue };
            let Some(answer) = answers.get_mut(position) else {
                continue;
            };
            if answer.replace(entry.answer).is_some() {
                doubtful.insert(position);
            }
        }
        if page.next.is_none() || page.next == next {
            break;
        }
        next = page.next;
    }
    for position in doubtful {
        if let Some(answer) = answers.get_mut(position) {
            *answer = None;
        }
    }
}

/// The batch as a whole failed. Who would fare alike singly has that answer; the rest is left open.
fn failed(fault: &Fault, wanted: &[usize], answers: &mut Answers) {
    match fault.class() {
        Class::Throttled | Class::Unauthenticated => {
            for &position in wanted {
                if let Some(answer) = answers.get_mut(position) {
                    answer.get_or_insert_with(|| Err(fault.clone()));
                }
            }
        }
        // A denial without a code is a proxy's, and may be over in a moment.
        Class::Denied if fault.code.is_none() => {}
        Class::Denied | Class::UnknownAction => {
            let code = fault.code.as_deref().unwrap_or_default();
            log::info(
                "BatchGetSecretValue is not permitted, so secrets are asked one by one for an hour; \
                 allow secretsmanager:BatchGetSecretValue to save calls",
                &[("code", code)],
            );
            // A host that cannot keep it costs one call each time, no more.
            let _ = session::set_bytes(DENIED, b"1", DENIED_FOR);
        }
        _ => {}
    }
}
