//! Refusals and errors with the codes, status and words of AWS, in both protocols.
//!
//! Clients decide by these codes whether to retry, to renew a session or to give up, so a fake that
//! answers "400" to everything would test nothing.

/// Why a signature was not accepted.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// No `Authorization` header.
    MissingToken,
    /// A part of it is missing or malformed.
    Incomplete(String),
    /// The key, or the session token beside it, is not one of ours.
    UnknownKey,
    /// The session is over.
    Expired,
    /// Too old or too early.
    Skew(String),
    /// Another region, service or date than the request's.
    Scope(String),
    /// The token of a web identity is not one that STS takes.
    Token(AwsError),
    /// A header that must be signed is not.
    Unsigned(String),
    /// The signature is not the one that we compute. The text is for the request log alone.
    Mismatch(String),
}

/// What AWS answers instead of a result.
#[derive(Clone, Debug)]
pub struct AwsError {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub retry_after_seconds: Option<u64>,
}

impl AwsError {
    /// An error that is the caller's fault.
    pub fn client(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: code.to_owned(),
            message: message.into(),
            retry_after_seconds: None,
        }
    }

    /// Denied, in the words that IAM uses for a missing identity-based policy.
    pub fn denied(json: bool, principal: &str, action: &str, resource: Option<&str>) -> Self {
        let on = resource
            .map(|resource| format!(" on resource: {resource}"))
            .unwrap_or_default();
        let (status, code) = if json {
            (400, "AccessDeniedException")
        } else {
            (403, "AccessDenied")
        };
        Self {
            status,
            code: code.to_owned(),
            message: format!(
                "User: {principal} is not authorized to perform: {action}{on} because no identity-based policy allows the {action} action"
            ),
            retry_after_seconds: None,
        }
    }

    /// Too many requests.
    pub fn throttled(json: bool, retry_after_seconds: Option<u64>) -> Self {
        let code = if json { "ThrottlingException" } else { "Throttling" };
        Self {
            retry_after_seconds,
            ..Self::client(code, "Rate exceeded")
        }
    }
}

impl Refusal {
    /// The answer in the protocol of the request: JSON services answer 400, query services 403.
    pub fn answer(&self, json: bool) -> AwsError {
        const TOKEN: &str = "The security token included in the request is invalid.";
        const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
        let (json_code, query_code, message) = match self {
            Self::Token(error) => return error.clone(),
            Self::MissingToken => (
                "MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
                "Missing Authentication Token",
            ),
            Self::Incomplete(text) => ("IncompleteSignatureException", "IncompleteSignature", text.as_str()),
            Self::UnknownKey => ("UnrecognizedClientException", "InvalidClientTokenId", TOKEN),
            Self::Expired => (
                "ExpiredTokenException",
                "ExpiredToken",
                "The security token included in the request is expired",
            ),
            Self::Skew(text) | Self::Scope(text) | Self::Unsigned(text) => {
                ("InvalidSignatureException", "SignatureDoesNotMatch", text.as_str())
            }
            Self::Mismatch(_) => ("InvalidSignatureException", "SignatureDoesNotMatch", MISMATCH),
        };
        let mut error = AwsError::client(if json { json_code } else { query_code }, message);
        error.status = if json { 400 } else { 403 };
        error
    }

    /// What the request log keeps: the answer's message, and of a mismatch what was wrong, which AWS would not say.
    pub fn reason(&self) -> String {
        match self {
            Self::Mismatch(detail) => detail.clone(),
            other => other.answer(true).message,
        }
    }
}
