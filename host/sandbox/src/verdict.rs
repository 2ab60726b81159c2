//! Whose word counts about a call that failed, and how it may be shown.
//!
//! A guest words a failed exchange as it likes, so what the host recorded stands in its place. But the
//! host's own words hold names that the guest chose: hosts, actions, headers. A plugin that takes a value
//! for an address asks for `https://hunter2.example/`, and the refusal would carry that value to the status
//! and the events of an object. So the secrets of the call are replaced in the host's words too, in any
//! case, because hosts are in lower case when they are refused.

use keyhole_core::mask::Mask;
use keyhole_core::{CallError, EgressError, Outcome, StoreError, StoreErrorKind};

/// `error` with the secrets of the call replaced in every text that a guest may have had a part in.
pub(crate) fn masked(error: &CallError, mask: &Mask) -> CallError {
    let shown = |text: &str| mask.apply_in_any_case(text);
    match error {
        CallError::Trap(text) => CallError::Trap(shown(text)),
        CallError::Protocol(text) => CallError::Protocol(shown(text)),
        CallError::Host(text) => CallError::Host(shown(text)),
        CallError::Identity { message, transient } => CallError::Identity {
            message: shown(message),
            transient: *transient,
        },
        CallError::Egress(error) => CallError::Egress(masked_egress(error, shown)),
        // What a plugin says of its store is masked where it is taken over; the rest are numbers.
        CallError::Store(_)
        | CallError::Cpu(_)
        | CallError::Wall(_)
        | CallError::Memory(_)
        | CallError::Output { .. } => error.clone(),
    }
}

fn masked_egress(error: &EgressError, shown: impl Fn(&str) -> String) -> EgressError {
    use EgressError as E;
    match error.clone() {
        E::HostNotGranted { host } => E::HostNotGranted { host: shown(&host) },
        E::SchemeNotGranted { scheme, host } => E::SchemeNotGranted {
            scheme: shown(&scheme),
            host: shown(&host),
        },
        E::AddressProhibited { host, address, why } => E::AddressProhibited {
            host: shown(&host),
            address,
            why,
        },
        E::Forbidden(what) => E::Forbidden(shown(&what)),
        // The header is the grant's.
        E::HeaderOfHost { header, host } => E::HeaderOfHost {
            header,
            host: shown(&host),
        },
        E::ActionNotGranted { service, action } => E::ActionNotGranted {
            service,
            action: shown(&action),
        },
        // The region is the call's.
        E::WrongRegion { host, region } => E::WrongRegion {
            host: shown(&host),
            region,
        },
        E::ForeignSignature { host } => E::ForeignSignature { host: shown(&host) },
        E::TooManyExchanges(most) => E::TooManyExchanges(most),
        E::BodyTooLarge { direction, host, limit } => E::BodyTooLarge {
            direction,
            host: shown(&host),
            limit,
        },
        E::TimedOut { host, what, after } => E::TimedOut {
            host: shown(&host),
            what,
            after,
        },
        // A certificate for another name is described with both names.
        E::Unreachable { host, why } => E::Unreachable {
            host: shown(&host),
            why: shown(&why),
        },
    }
}

/// Whether a guest may well have made this error up from what the host refused or lost. `not-found` and
/// the like are news from the store. `denied` and `unauthenticated` are too, unless the host itself had
/// refused something: a lost connection to one host must not hide that another one said no.
pub(crate) fn host_knows_better(error: &StoreError, host: &CallError) -> bool {
    use StoreErrorKind as Kind;
    match error.kind {
        Kind::Unavailable(_) | Kind::Internal | Kind::Other(_) => true,
        Kind::Denied | Kind::Unauthenticated => match host {
            CallError::Egress(error) => error.is_refusal(),
            CallError::Identity { .. } => true,
            _ => false,
        },
        _ => false,
    }
}

/// An outcome in which the host's record, masked, stands where the guest could not know better.
pub(crate) fn corrected(outcome: Outcome, host: Option<&CallError>) -> Outcome {
    match (outcome, host) {
        (Outcome::Failed(error), Some(host)) if host_knows_better(&error, host) => Outcome::Failed(StoreError {
            kind: StoreErrorKind::Host(Box::new(host.clone())),
            message: host.to_string(),
            store_code: error.store_code,
        }),
        (outcome, _) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keyhole_core::SecretBytes;

    use super::*;

    const SECRET: &str = "HunTer2_Long";

    #[test]
    fn whatever_a_guest_named_after_a_secret_is_in_no_error() {
        let name = || format!("x{}.example", SECRET.to_lowercase());
        let (what, why) = ("answer", "private");
        let errors: Vec<CallError> = vec![
            CallError::Trap(format!("a crash, after: host {SECRET}")),
            CallError::Protocol(name()),
            CallError::Host(format!("a request to {} could not be signed", name())),
            CallError::Identity {
                message: format!("no credential for {} within 1 s", name()),
                transient: true,
            },
            EgressError::HostNotGranted { host: name() }.into(),
            EgressError::SchemeNotGranted {
                scheme: SECRET.to_lowercase(),
                host: name(),
            }
            .into(),
            EgressError::AddressProhibited {
                host: name(),
                address: [10, 0, 0, 1].into(),
                why,
            }
            .into(),
            EgressError::Forbidden(format!("a header x-amz-{} that is no text", SECRET.to_lowercase())).into(),
            EgressError::HeaderOfHost {
                header: "x-token".to_owned(),
                host: name(),
            }
            .into(),
            EgressError::ActionNotGranted {
                service: "secretsmanager".to_owned(),
                action: SECRET.to_owned(),
            }
            .into(),
            EgressError::WrongRegion {
                host: name(),
                region: "eu-west-1".to_owned(),
            }
            .into(),
            EgressError::ForeignSignature { host: name() }.into(),
            EgressError::BodyTooLarge {
                direction: "request",
                host: name(),
                limit: 1,
            }
            .into(),
            EgressError::TimedOut {
                host: name(),
                what,
                after: Duration::from_secs(1),
            }
            .into(),
            EgressError::Unreachable {
                host: name(),
                why: format!("certificate not valid for name {:?}", name()),
            }
            .into(),
        ];
        let mut mask = Mask::default();
        mask.add(&SecretBytes::from(SECRET.to_owned()));
        for error in errors {
            let told = masked(&error, &mask);
            let text = told.to_string();
            assert!(
                text.contains("***") && !text.to_lowercase().contains("hunter2"),
                "{error:?}: {text}"
            );
            assert_eq!(told.label(), error.label());
            assert_eq!(
                masked(&error, &Mask::default()),
                error,
                "nothing to hide, nothing changed"
            );
        }
        assert_eq!(
            masked(&CallError::Memory(1), &mask),
            CallError::Memory(1),
            "numbers stay"
        );
    }
}
