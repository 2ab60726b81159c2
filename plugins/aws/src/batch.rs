//! Questions that travel together.
//!
//! A batch is an optimisation that may always fail: whatever it does not answer beyond doubt is left
//! to be asked singly. Identities of clusters that come from KES may make single calls only; that they
//! may not batch is remembered for an hour, so that they pay for the attempt once.

use std::time::Duration;

use keyhole_sdk::{log, session};

use crate::fault::{Class, Fault};

const DENIED: &str = "batch-denied";
const DENIED_FOR: Duration = Duration::from_secs(3600);

/// Answers by position in the questions; `None` is still to be asked.
pub type Answers<T> = Vec<Option<Result<T, Fault>>>;

/// What the failure of a whole batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every member fares alike and has this answer now.
    Settled,
    /// The service does not let this identity batch, or knows no batches.
    NotPermitted,
    /// Nothing: each member is still to be asked.
    Open,
}

/// The batch of `wanted` (positions in `answers`) failed as a whole. Who would fare alike singly has
/// that answer; the rest is left open.
pub fn failed<T>(fault: &Fault, wanted: &[usize], answers: &mut Answers<T>) -> Verdict {
    match fault.class() {
        Class::Throttled | Class::Unauthenticated => {
            for &position in wanted {
                if let Some(answer) = answers.get_mut(position) {
                    answer.get_or_insert_with(|| Err(fault.clone()));
                }
            }
            Verdict::Settled
        }
        // A denial without a code is a proxy's, and may be over in a moment.
        Class::Denied if fault.code.is_none() => Verdict::Open,
        Class::Denied | Class::UnknownAction => Verdict::NotPermitted,
        _ => Verdict::Open,
    }
}

/// Whether it is known that this identity may not batch.
#[must_use]
pub fn is_denied() -> bool {
    session::get_bytes(DENIED).is_some()
}

/// Remembers for an hour that this identity may not batch. `permission` is what it lacks, e.g.
/// `secretsmanager:BatchGetSecretValue`; `entries` is what is asked for, e.g. `secrets`.
pub fn remember_denied(permission: &str, entries: &str, fault: &Fault) {
    let action = permission.rsplit(':').next().unwrap_or(permission);
    let code = fault.code.as_deref().unwrap_or_default();
    log::info(
        &format!(
            "{action} is not permitted, so {entries} are asked one by one for an hour; allow {permission} to save calls"
        ),
        &[("code", code)],
    );
    // A host that cannot keep it costs one call each time, no more.
    let _ = session::set_bytes(DENIED, b"1", DENIED_FOR);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: &str) -> Fault {
        Fault::refused(Some(code.to_owned()), None)
    }

    #[test]
    fn who_would_fare_alike_singly_has_the_answer_of_the_batch() {
        for code in ["ThrottlingException", "ExpiredTokenException"] {
            let mut answers: Answers<u8> = vec![None, Some(Ok(7)), None];
            assert_eq!(failed(&fault(code), &[0, 1], &mut answers), Verdict::Settled);
            assert_eq!(answers, [Some(Err(fault(code))), Some(Ok(7)), None]);
        }
    }

    #[test]
    fn only_a_denial_of_the_service_itself_speaks_of_permission() {
        let verdict = |fault: &Fault| {
            let mut answers: Answers<u8> = vec![None];
            let verdict = failed(fault, &[0], &mut answers);
            assert_eq!(answers, [None], "{fault:?}");
            verdict
        };
        assert_eq!(verdict(&fault("AccessDeniedException")), Verdict::NotPermitted);
        assert_eq!(verdict(&fault("UnknownOperationException")), Verdict::NotPermitted);
        assert_eq!(verdict(&fault("InternalServerError")), Verdict::Open);
        let proxy = Fault {
            status: Some(403),
            ..Fault::default()
        };
        assert_eq!(verdict(&proxy), Verdict::Open);
    }

    #[test]
    fn a_denial_is_remembered_and_said_once() {
        assert!(!is_denied());
        remember_denied("ssm:GetParameters", "parameters", &fault("AccessDeniedException"));
        assert!(is_denied());
        let lines = log::take();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].1.starts_with("GetParameters is not permitted"), "{lines:?}");
    }
}
