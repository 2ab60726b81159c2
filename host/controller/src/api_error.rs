//! What the API server, or the way to it, answered instead of what was asked for.
//!
//! The client library's errors print whole answers, and an answer about a Secret may hold its values.
//! Here an error keeps its class, which decides what is done, and one line that is safe to show.

use std::time::Duration;

/// Why a request to the API server gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// There is no such object, or no such resource.
    #[error("not found")]
    NotFound,
    /// Created by somebody else in the meantime.
    #[error("already exists")]
    AlreadyExists,
    /// Changed by somebody else in the meantime.
    #[error("changed in the meantime")]
    Conflict,
    /// The namespace is being deleted.
    #[error("the namespace is being deleted")]
    Terminating,
    /// Not permitted: by RBAC, a quota or an admission webhook.
    #[error("{0}")]
    Forbidden(String),
    /// Not a valid object.
    #[error("{0}")]
    Invalid(String),
    /// Too large for the API server.
    #[error("{0}")]
    TooLarge(String),
    /// Not now: overloaded, starting, not reachable, or no answer in time.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl ApiError {
    /// No answer within this time.
    #[must_use]
    pub fn timed_out(after: Duration) -> Self {
        Self::Unavailable(format!("the API server did not answer within {} s", after.as_secs()))
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => from_status(&status),
            kube::Error::HyperError(error) => Self::Unavailable(unreachable(&error)),
            kube::Error::Service(error) => Self::Unavailable(unreachable(&*error)),
            kube::Error::ReadEvents(error) => Self::Unavailable(unreachable(&error)),
            kube::Error::Auth(error) => Self::Unavailable(format!("no credentials for the API server: {error}")),
            // The texts of these may quote the answer.
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                Self::Other("the API server's answer cannot be read".to_owned())
            }
            other => Self::Other(other.to_string()),
        }
    }
}

fn from_status(status: &kube::core::Status) -> ApiError {
    let message = if status.message.is_empty() {
        status.reason.clone()
    } else {
        status.message.clone()
    };
    let terminating = || {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
    };
    match status.code {
        404 => ApiError::NotFound,
        409 if status.is_already_exists() => ApiError::AlreadyExists,
        409 | 412 => ApiError::Conflict,
        403 if terminating() => ApiError::Terminating,
        401 => ApiError::Unavailable(format!(
            "the API server does not accept the host's credentials: {message}"
        )),
        403 => ApiError::Forbidden(message),
        413 => ApiError::TooLarge(message),
        400 | 422 => ApiError::Invalid(message),
        408 | 429 | 500.. => ApiError::Unavailable(message),
        _ => ApiError::Other(message),
    }
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("the API server cannot be reached: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use kube::core::response::{StatusCause, StatusDetails};

    fn status(code: u16, reason: &str, message: &str) -> ApiError {
        let status = Status {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            ..Status::default()
        };
        kube::Error::Api(Box::new(status)).into()
    }

    #[test]
    fn answers_are_told_apart_by_what_can_be_done() {
        assert_eq!(status(404, "NotFound", "x"), ApiError::NotFound);
        assert_eq!(status(409, "AlreadyExists", "x"), ApiError::AlreadyExists);
        assert_eq!(status(409, "Conflict", "x"), ApiError::Conflict);
        assert_eq!(
            status(403, "Forbidden", "exceeded quota"),
            ApiError::Forbidden("exceeded quota".to_owned())
        );
        assert_eq!(status(422, "Invalid", "bad"), ApiError::Invalid("bad".to_owned()));
        assert_eq!(
            status(503, "ServiceUnavailable", ""),
            ApiError::Unavailable("ServiceUnavailable".to_owned())
        );
    }

    #[test]
    fn a_namespace_that_is_being_deleted_is_no_missing_permission() {
        let cause = StatusCause {
            reason: "NamespaceTerminating".to_owned(),
            message: String::new(),
            field: String::new(),
        };
        let details = StatusDetails {
            causes: vec![cause],
            ..serde_json::from_str("{}").unwrap()
        };
        let status = Status {
            code: 403,
            reason: "Forbidden".to_owned(),
            details: Some(details),
            ..Status::default()
        };
        assert_eq!(from_status(&status), ApiError::Terminating);
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_repeated() {
        let error = serde_json::from_str::<u8>("\"hunter2\"").unwrap_err();
        assert!(
            !ApiError::from(kube::Error::SerdeError(error))
                .to_string()
                .contains("hunter2")
        );
    }
}
