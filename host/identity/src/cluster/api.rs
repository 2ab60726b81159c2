//! Requests to the API server, with a bound, and what of an error may be shown.
//!
//! The client library's errors may print the answer, and an answer here holds a credential.

use std::time::Duration;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of a server's message that are shown.
const LONGEST_MESSAGE: usize = 200;

/// What came in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such object.
    NotFound,
    /// The operator has no right to ask.
    Forbidden,
    /// Refused for another reason, in the server's words.
    Refused(String),
    /// No answer for now.
    Unavailable(String),
}

/// The answer to `request`.
pub(super) async fn ask<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| trouble(&error)),
        Err(_) => Err(Trouble::Unavailable(format!(
            "the API server did not answer within {} s",
            TIMEOUT.as_secs()
        ))),
    }
}

fn trouble(error: &kube::Error) -> Trouble {
    match error {
        kube::Error::Api(status) => match status.code {
            404 => Trouble::NotFound,
            403 => Trouble::Forbidden,
            401 | 408 | 429 | 500.. => {
                Trouble::Unavailable(format!("the API server answered with status {}", status.code))
            }
            _ => Trouble::Refused(cut(&status.message)),
        },
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            Trouble::Refused("the API server's answer cannot be read".to_owned())
        }
        _ => Trouble::Unavailable("the API server cannot be reached".to_owned()),
    }
}

fn cut(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_MESSAGE)
        .collect()
}
