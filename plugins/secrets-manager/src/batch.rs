//! Current secrets by name, many in one call.
//!
//! Whatever a batch does not answer beyond doubt is left to be asked singly.

use std::collections::{HashMap, HashSet};

use keyhole_aws::batch::{Verdict, failed, remember_denied};

use crate::api::{Api, Fetched};
use crate::ask::Ask;

/// Names in one call, from the API reference of BatchGetSecretValue.
pub const NAMES: usize = 20;

/// A page holds at least one entry, so more pages than names are a fault of the store.
const PAGES: usize = NAMES;

/// Answers by position in the asks.
pub type Answers = keyhole_aws::batch::Answers<Fetched>;

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
                if failed(&fault, wanted, answers) == Verdict::NotPermitted {
                    remember_denied("secretsmanager:BatchGetSecretValue", "secrets", &fault);
                }
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
