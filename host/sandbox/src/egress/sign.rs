//! AWS signatures that no plugin can make.
//!
//! The guest's SDK signs with a placeholder. What it signed is checked here (one granted action of a
//! JSON service, nothing else), its signature is dropped, and the request is signed anew with the
//! session of the call's identity. Service and region come from the call, never from the guest's
//! credential scope. A request that brings credentials of its own is refused: with them a plugin could
//! carry a value out to an account of its author's.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use keyhole_core::EgressError;

use super::destination::Destination;
use crate::grant::AwsGrant;

/// What a signature is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) service: String,
    pub(super) region: Arc<str>,
}

/// The key id that guests sign with.
const PLACEHOLDER: &str = "KEYHOLE";

const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// Whether this is one request of an action that `grant` names, with no credentials but the placeholder.
pub(super) fn check(head: &Parts, grant: &AwsGrant, to: &Destination) -> Result<(), EgressError> {
    if is_presigned(head) || !only_placeholder(&head.headers) {
        return Err(EgressError::ForeignSignature { host: to.to_string() });
    }
    // A service may take the same action in another protocol, where the path, a query or a form names
    // it; then X-Amz-Target would be an innocent header beside the real action.
    let only_json = head.method == Method::POST
        && head.uri.path() == "/"
        && head.uri.query().unwrap_or_default().is_empty()
        && !head.headers.contains_key(SMITHY_PROTOCOL)
        && single(&head.headers, &CONTENT_TYPE).is_some_and(is_aws_json);
    if !only_json {
        return Err(EgressError::Forbidden(
            "a request to an AWS service that is not POST / with application/x-amz-json-1.x".to_owned(),
        ));
    }
    if let Some((name, _)) = signed_headers(&head.headers).find(|(_, value)| value.to_str().is_err()) {
        return Err(EgressError::Forbidden(format!("a header {name} that is no text")));
    }
    let target = single(&head.headers, &X_AMZ_TARGET)
        .and_then(action)
        .unwrap_or("(none)");
    if grant.actions.iter().any(|granted| granted == target) {
        Ok(())
    } else {
        Err(EgressError::ActionNotGranted {
            service: grant.service.clone(),
            action: target.to_owned(),
        })
    }
}

/// Whether a request to a host that is not signed for brings credentials of AWS's or any other kind.
pub(super) fn carries_credentials(head: &Parts) -> bool {
    head.headers.contains_key(AUTHORIZATION) || head.headers.contains_key(X_AMZ_SECURITY_TOKEN) || is_presigned(head)
}

/// Drops the guest's signature and signs `head`, whose URI is the real destination, and `body`.
pub(super) fn sign(
    head: &mut Parts,
    body: &[u8],
    scope: &Scope,
    credentials: Credentials,
    now: SystemTime,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // The length is the body's own, and hyper sets it.
    for name in [
        AUTHORIZATION,
        X_AMZ_DATE,
        X_AMZ_SECURITY_TOKEN,
        X_AMZ_CONTENT_SHA256,
        DATE,
        CONTENT_LENGTH,
    ] {
        head.headers.remove(name);
    }
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(&scope.service)
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signed = signed_headers(&head.headers)
        .map(|(name, value)| Ok((name.as_str(), value.to_str()?)))
        .collect::<Result<Vec<_>, http::header::ToStrError>>()?;
    let uri = head.uri.to_string();
    let request = SignableRequest::new(
        head.method.as_str(),
        uri.as_str(),
        signed.into_iter(),
        SignableBody::Bytes(body),
    )?;
    let (instructions, _signature) = sign_request(request, &params)?.into_parts();
    let (headers, _query) = instructions.into_parts();
    for header in headers {
        let mut value = HeaderValue::from_str(header.value())?;
        value.set_sensitive(true);
        head.headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}

/// The headers that a signature covers, beside those that it brings. Proxies on the way may change
/// others, such as `User-Agent`, and the signature would no longer fit.
fn signed_headers(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    headers
        .iter()
        .filter(|(name, _)| **name == CONTENT_TYPE || name.as_str().starts_with("x-amz-"))
}

/// No `Authorization`, or a SigV4 one whose key id is the placeholder.
fn only_placeholder(headers: &HeaderMap) -> bool {
    if !headers.contains_key(AUTHORIZATION) {
        return true;
    }
    single(headers, &AUTHORIZATION)
        .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 "))
        .is_some_and(|parameters| {
            let mut keys = parameters
                .split(',')
                .filter_map(|parameter| parameter.trim().strip_prefix("Credential="));
            match (keys.next(), keys.next()) {
                (Some(credential), None) => credential.split('/').next() == Some(PLACEHOLDER),
                _ => false,
            }
        })
}

/// A signature in the query instead of a header.
fn is_presigned(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name.to_ascii_lowercase().starts_with("x-amz-"))
}

/// The only value of a header.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// `GetSecretValue` of `secretsmanager.GetSecretValue`.
fn action(target: &str) -> Option<&str> {
    let (prefix, action) = target.split_once('.')?;
    let word =
        |text: &str| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (word(prefix) && word(action)).then_some(action)
}

fn is_aws_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["application/x-amz-json-1.0", "application/x-amz-json-1.1"]
        .iter()
        .any(|json| essence.eq_ignore_ascii_case(json))
}

#[cfg(test)]
mod tests;
