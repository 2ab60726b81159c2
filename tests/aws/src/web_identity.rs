//! Tokens of web identities, as STS takes them from a service account of a cluster.
//!
//! What STS checks without asking the issuer is checked here: that it is a token, for whom, of whom, and until
//! when. The issuer's signature is not: there is no issuer to ask for keys. Tests that need to know whether a
//! token is genuine ask the API server that made it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use crate::error::AwsError;
use crate::keyring::Principal;

/// For whom a token must be.
const AUDIENCE: &str = "sts.amazonaws.com";

/// Who a token says that its holder is.
pub struct WebIdentity {
    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    pub issuer: String,
}

impl WebIdentity {
    pub fn of(token: &str, now: Timestamp) -> Result<Self, AwsError> {
        let invalid = |why: &str| AwsError::client("InvalidIdentityToken", why);
        let malformed = || {
            invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
        };
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(malformed());
        };
        let json = |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
        let (Some(header), Some(claims)) = (json(header), json(claims)) else {
            return Err(malformed());
        };
        if !header.get("alg").is_some_and(Value::is_string) || signature.is_empty() {
            return Err(malformed());
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let audiences = match claims.get("aud") {
            Some(Value::Array(all)) => all.clone(),
            one => one.cloned().into_iter().collect(),
        };
        if audiences != [Value::from(AUDIENCE)] {
            return Err(invalid("Incorrect token audience"));
        }
        let expires = claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
        if expires <= now.as_second() {
            let message = format!(
                "Token expired: current date/time {} must be before the expiration date/time {expires}",
                now.as_second()
            );
            return Err(AwsError::client("ExpiredTokenException", message));
        }
        let (subject, issuer) = (text("sub"), text("iss"));
        let account = subject.strip_prefix("system:serviceaccount:").unwrap_or_default();
        let named = account.split(':').filter(|part| !part.is_empty()).count() == 2;
        if !named || issuer.is_empty() {
            return Err(invalid("Missing or malformed claims in the token"));
        }
        Ok(Self { subject, issuer })
    }

    /// As denials and trust name it.
    pub fn principal(&self) -> Principal {
        Principal {
            arn: self.subject.clone(),
            role_arn: None,
            user_id: self.subject.clone(),
        }
    }
}
