//! What went wrong at a service of AWS, before it is put into words.
//!
//! One table for all services: no code means two things, and a code that is common to all of them must
//! not come to be throttling in one plugin and an outage in the other.

use std::time::Duration;

/// Everything that is known about a failed exchange. Holds nothing of a response but the service's
/// own code and message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// How far the exchange came.
    pub cause: Cause,
    /// The service's code, e.g. `ResourceNotFoundException`.
    pub code: Option<String>,
    /// The service's message.
    pub message: Option<String>,
    /// HTTP status.
    pub status: Option<u16>,
    /// When the service wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// How far an exchange came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The service answered with an error.
    #[default]
    Refused,
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The answer is not of the service's protocol.
    Unreadable,
    /// The SDK could not make a request of the question.
    NotSent,
    /// The answer holds no value.
    NoValue,
}

/// Faults that are told apart, for what they mean to the user and to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// No such entry, or no such version of it.
    NotFound,
    /// The entry is there but cannot be read in its present state.
    NotReadable,
    /// The identity may not read it.
    Denied,
    /// The identity may not use its key.
    KeyDenied,
    /// Its key does not decrypt it.
    Undecryptable,
    /// The identity is not accepted.
    Unauthenticated,
    /// A parameter is refused.
    InvalidParameter,
    /// Too many calls.
    Throttled,
    /// The service does not know the action.
    UnknownAction,
    /// The service fails, or cannot be reached.
    Unavailable,
}

impl Fault {
    /// A fault that is no answer of the service.
    #[must_use]
    pub fn of(cause: Cause) -> Self {
        Self {
            cause,
            ..Self::default()
        }
    }

    /// An error that a batch reports for one of its members.
    #[must_use]
    pub fn refused(code: Option<String>, message: Option<String>) -> Self {
        Self {
            code,
            message,
            ..Self::default()
        }
    }

    /// What the fault means. The codes are those of the services' API references ("Errors" of the
    /// operations that plugins use, and "Common Error Types"), with the older spellings that gateways
    /// still use.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.cause {
            Cause::Refused => {}
            Cause::NotSent => return Class::InvalidParameter,
            Cause::NoValue => return Class::NotFound,
            Cause::Unreachable | Cause::TimedOut | Cause::Unreadable => return Class::Unavailable,
        }
        match self.code.as_deref().unwrap_or_default() {
            "ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound" => Class::NotFound,
            "InvalidRequestException" => Class::NotReadable,
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation"
                if self.mentions("access to kms") || self.mentions("kms:") || self.mentions("customer master key") =>
            {
                Class::KeyDenied
            }
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Class::Denied,
            "DecryptionFailure" | "DecryptionFailureException" | "InvalidKeyId" => Class::Undecryptable,
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "LimitExceededException"
            | "SlowDown" => Class::Throttled,
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "InvalidToken"
            | "OptInRequired"
            | "RequestExpired"
            | "RequestTimeTooSkewed" => Class::Unauthenticated,
            "InvalidParameterException"
            | "InvalidParameterValue"
            | "InvalidParameterCombination"
            | "InvalidNextTokenException"
            | "InvalidNextToken"
            | "ValidationException"
            | "ValidationError" => Class::InvalidParameter,
            "UnknownOperationException" | "InvalidAction" | "NotImplemented" => Class::UnknownAction,
            _ => match self.status.unwrap_or_default() {
                401 => Class::Unauthenticated,
                403 => Class::Denied,
                429 => Class::Throttled,
                405 | 501 => Class::UnknownAction,
                _ => Class::Unavailable,
            },
        }
    }

    /// Whether the service's message contains this, whatever the case.
    #[must_use]
    pub fn mentions(&self, words: &str) -> bool {
        self.message
            .as_deref()
            .is_some_and(|message| message.to_ascii_lowercase().contains(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> Fault {
        Fault {
            status: Some(400),
            ..Fault::refused(Some(code.to_owned()), Some(message.to_owned()))
        }
    }

    #[test]
    fn a_name_that_speaks_of_kms_is_not_taken_for_a_key() {
        let message = "User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: prod/kms-token";
        assert_eq!(refused("AccessDeniedException", message).class(), Class::Denied);
        let message = "User: x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:1:key/2";
        assert_eq!(refused("AccessDeniedException", message).class(), Class::KeyDenied);
        for message in [
            "Access to KMS is not allowed",
            "The ciphertext refers to a customer master key that does not exist, or you are not allowed to access.",
        ] {
            assert_eq!(refused("AccessDeniedException", message).class(), Class::KeyDenied);
        }
    }

    #[test]
    fn codes_of_all_services_have_their_class() {
        for (code, class) in [
            ("ResourceNotFoundException", Class::NotFound),
            ("ParameterNotFound", Class::NotFound),
            ("ParameterVersionNotFound", Class::NotFound),
            ("InvalidRequestException", Class::NotReadable),
            ("DecryptionFailure", Class::Undecryptable),
            ("InvalidKeyId", Class::Undecryptable),
            ("ThrottlingException", Class::Throttled),
            ("UnrecognizedClientException", Class::Unauthenticated),
            ("ValidationException", Class::InvalidParameter),
            ("InvalidNextToken", Class::InvalidParameter),
            ("UnknownOperationException", Class::UnknownAction),
            ("InternalServiceError", Class::Unavailable),
            ("InternalServerError", Class::Unavailable),
            ("SomethingNew", Class::Unavailable),
        ] {
            assert_eq!(refused(code, "").class(), class, "{code}");
        }
    }

    #[test]
    fn without_a_code_the_status_decides() {
        let status = |status| {
            Fault {
                status: Some(status),
                ..Fault::default()
            }
            .class()
        };
        assert_eq!(
            [401, 403, 429, 405, 500, 502, 503, 404].map(status),
            [
                Class::Unauthenticated,
                Class::Denied,
                Class::Throttled,
                Class::UnknownAction,
                Class::Unavailable,
                Class::Unavailable,
                Class::Unavailable,
                Class::Unavailable
            ]
        );
    }
}
