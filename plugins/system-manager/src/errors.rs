//! What only Parameter Store means by its faults, in words.

use keyhole_aws::words::{Asked, coded};
use keyhole_aws::{Cause, Class, Fault};
use keyhole_sdk::Error;

use crate::ask::{Ask, Path};
use crate::path::{LARGEST, Unread};

const SERVICE: &str = "Parameter Store";
const NOT_FOUND: &str = "ParameterNotFound";
const STALE_PAGE: &str = "InvalidNextToken";

/// What is said of a name in `InvalidParameters`.
pub fn absent() -> Fault {
    Fault::refused(Some(NOT_FOUND.to_owned()), None)
}

/// The error of a single parameter.
pub fn explain(fault: &Fault, ask: &Ask, region: &str) -> Error {
    let parameter = format!("parameter {:?} in {region}", ask.0);
    match (fault.class(), fault.cause, ask.selector()) {
        (Class::NotFound, Cause::NoValue, _) => Error::not_found(format!("{parameter} came without a value")),
        (Class::NotFound, _, Some(selector)) if fault.code.as_deref() != Some(NOT_FOUND) => {
            let message = format!("{parameter} has no version or label {selector:?}");
            coded(Error::not_found(message), fault)
        }
        // KES's line, to the letter: the host shows a message that starts with its code as it is.
        (Class::NotFound, ..) => {
            Error::not_found(format!("{NOT_FOUND}: {} could not be found.", ask.0)).code(NOT_FOUND)
        }
        _ => Asked {
            service: SERVICE,
            region,
            what: &parameter,
            permission: "ssm:GetParameter",
            pointer: "/key",
        }
        .explain(fault),
    }
}

/// The error of a path.
pub fn unread(why: &Unread, path: &Path, region: &str) -> Error {
    let what = format!("path {:?} in {region}", path.path);
    match why {
        // The parameters changed, or the page was asked for too late: a new reading has new tokens.
        Unread::Fault(fault) if fault.code.as_deref() == Some(STALE_PAGE) => {
            let message = format!("{what} changed while it was read; it will be read again");
            coded(Error::unavailable(None, message), fault)
        }
        Unread::Fault(fault) => Asked {
            service: SERVICE,
            region,
            what: &what,
            permission: "ssm:GetParametersByPath",
            pointer: "/path",
        }
        .explain(fault),
        Unread::TooMany(read) => Error::too_large(format!(
            "{what} has more than the {read} parameters that one call can read; divide it into several paths"
        )),
        Unread::TooLarge => Error::too_large(format!(
            "the parameters under {what} take more than {LARGEST} bytes, the most that a Secret can hold; \
             divide it into several paths"
        )),
        Unread::Circle => Error::unavailable(
            None,
            format!("{SERVICE} keeps answering with the same page of {what}; it will be read again later"),
        ),
        Unread::Crowded(read) => Error::unavailable(
            None,
            format!(
                "{what} has more than {read} parameters, too many to be read beside other paths; it will be read again later"
            ),
        ),
    }
}

/// The error of a value that is no list of pairs, although the options say so.
pub fn no_pairs(what: &str, ask: &Ask, region: &str) -> Error {
    Error::invalid_value(format!("parameter {:?} in {region} is no list of pairs: {what}", ask.0))
}

/// The error of a request that nobody answered, which the road of a call excludes.
pub fn unanswered(region: &str) -> Error {
    Asked::unanswered(SERVICE, region)
}

#[cfg(test)]
mod tests;
