//! Credentials that the administrator granted this plugin to see. Most plugins need none of this:
//! the host signs AWS requests and sets headers by itself, see
//! [`Description::aws`](crate::Description::aws) and [`Description::header`](crate::Description::header).

use crate::{Error, ErrorKind};

/// The name under which a service-account token is had.
pub const SERVICE_ACCOUNT_TOKEN: &str = "service-account-token";

/// A credential by name: [`SERVICE_ACCOUNT_TOKEN`], or the name of an exposed one.
///
/// # Errors
/// `Denied` when the grant does not name it, `Unavailable` when it cannot be had now. Both are ready
/// to be returned from `fetch`.
pub fn get(name: &str) -> Result<Vec<u8>, Error> {
    host::get(name)
}

/// The same as text.
///
/// # Errors
/// As [`get`]; and `Unauthenticated` when it is no UTF-8.
pub fn text(name: &str) -> Result<String, Error> {
    String::from_utf8(get(name)?).map_err(|_| {
        Error::new(
            ErrorKind::Unauthenticated,
            format!("credential {name:?} is no UTF-8 text"),
        )
    })
}

#[cfg(target_family = "wasm")]
mod host {
    use crate::Error;
    use crate::bindings::keyhole::backend::credentials::{self, CredentialError};

    pub fn get(name: &str) -> Result<Vec<u8>, Error> {
        credentials::get(name).map_err(|error| match error {
            CredentialError::NotGranted(what) => Error::denied(format!("credential {name:?} is not granted: {what}")),
            CredentialError::Unavailable(why) => {
                Error::unavailable(None, format!("credential {name:?} cannot be had: {why}"))
            }
        })
    }
}

/// Outside WebAssembly a test grants.
#[cfg(not(target_family = "wasm"))]
mod host {
    use crate::Error;

    pub fn get(name: &str) -> Result<Vec<u8>, Error> {
        crate::testing::granted(name).ok_or_else(|| {
            Error::denied(format!(
                "credential {name:?} is not granted: there is no host; a test calls keyhole_sdk::testing::grant first"
            ))
        })
    }
}
