//! Parameters by plain name, ten in one call.
//!
//! Unlike in Secrets Manager, a batch is permitted or denied as a whole: one parameter that the identity
//! may not read, or whose key it may not use, denies the batch for all. So a denial alone does not say
//! that this identity may not batch; it is remembered only when the same parameters could then be
//! asked singly.

use std::collections::HashMap;

use keyhole_aws::batch::{Verdict, failed, remember_denied};
use keyhole_aws::{Class, Fault};

use crate::api::{Api, Parameter};
use crate::ask::Ask;
use crate::errors;

/// Names in one call, from the API reference of GetParameters.
pub const NAMES: usize = 10;

/// Answers by position in the asks.
pub type Answers = keyhole_aws::batch::Answers<Parameter>;

/// A batch that was denied, and who was in it.
#[derive(Debug)]
pub struct Denied {
    fault: Fault,
    wanted: Vec<usize>,
}

/// Asks for all of `wanted` (positions in `asks`) and writes what is answered into `answers`.
///
/// # Errors
///
/// When the batch was denied, for [`Denied::judge`] once its members were asked singly.
pub async fn ask(api: &impl Api, asks: &[Ask], wanted: &[usize], answers: &mut Answers) -> Result<(), Denied> {
    let by_name: HashMap<&str, usize> = wanted
        .iter()
        .filter_map(|&position| Some((asks.get(position)?.0.as_str(), position)))
        .collect();
    let mut names: Vec<&str> = by_name.keys().copied().collect();
    names.sort_unstable();

    let batch = match api.batch(&names).await {
        Ok(batch) => batch,
        Err(fault) => {
            return match failed(&fault, wanted, answers) {
                Verdict::NotPermitted => Err(Denied {
                    fault,
                    wanted: wanted.to_vec(),
                }),
                Verdict::Settled | Verdict::Open => Ok(()),
            };
        }
    };
    let invalid = batch.invalid.into_iter().map(|name| (name, Err(errors::absent())));
    let mut heard: HashMap<usize, usize> = HashMap::new();
    for (name, answer) in batch.found.into_iter().chain(invalid) {
        let Some(&position) = by_name.get(name.as_str()) else {
            continue;
        };
        let times = heard.entry(position).or_default();
        *times += 1;
        // Two answers for one name are doubtful.
        if let Some(slot) = answers.get_mut(position) {
            *slot = (*times == 1).then_some(answer);
        }
    }
    Ok(())
}

impl Denied {
    /// Remembers that this identity may not batch, if its members fared better singly.
    pub fn judge(&self, answers: &Answers) {
        let mut allowed = false;
        for &position in &self.wanted {
            match answers.get(position) {
                Some(Some(Ok(_))) => allowed = true,
                Some(Some(Err(fault))) => match fault.class() {
                    Class::NotFound => allowed = true,
                    Class::Denied => return,
                    _ => {}
                },
                _ => {}
            }
        }
        if allowed {
            remember_denied("ssm:GetParameters", "parameters", &self.fault);
        }
    }
}
