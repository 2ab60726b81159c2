//! Headers with a credential that the host sets on the way out, so that the plugin never has it.
//!
//! A granted header goes only where [`super::policy::Policy::route`] let the request go, and there only to the
//! hosts that the header is for; endpoints of AWS that are signed for never get one. A guest that sends the
//! header itself is refused: with two of them, a store could take the guest's, and the guest's work would be
//! done as somebody else. Servers that read `x_vault_token` as `x-vault-token` (CGI, and what grew out of it)
//! make the underscore the same header.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use keyhole_core::{CallError, EgressError, Identity, SecretBytes};
use zeroize::Zeroizing;

use super::destination::Destination;
use super::policy::GrantError;
use super::request::is_hop_by_hop;
use crate::credential_error::CredentialError;
use crate::grant::HeaderGrant;
use crate::handled::Handled;
use crate::ports::Credentials;

/// Bytes of a header that the host sets. Servers take 8 KiB at most.
const LONGEST: usize = 8 << 10;
/// The shortest credential that is looked for in what a server answers.
const SHORTEST: usize = keyhole_core::mask::SHORTEST;

/// Whether a grant's headers can be set at all.
pub(super) fn check_grants(grants: &[HeaderGrant]) -> Result<(), GrantError> {
    for (position, grant) in grants.iter().enumerate() {
        let refused = |why| Err(GrantError::Header(grant.name.to_string(), why));
        if is_hop_by_hop(&grant.name) || grant.name == CONTENT_LENGTH {
            return refused("it belongs to the connection; name another");
        }
        if HeaderValue::from_str(&grant.prefix).is_err() {
            return refused("its prefix has characters that no header may have");
        }
        let earlier = grants
            .iter()
            .take(position)
            .filter(|other| is_same(&other.name, &grant.name));
        for other in earlier {
            let shared = other.hosts.is_empty()
                || grant.hosts.is_empty()
                || other.hosts.iter().any(|host| grant.hosts.contains(host));
            if shared {
                return refused("two credentials are granted for it on one host");
            }
        }
    }
    Ok(())
}

/// The headers that the host sets on requests to `to`, one of each name.
pub(super) fn of(grants: &[Arc<HeaderGrant>], to: &Destination) -> Vec<Arc<HeaderGrant>> {
    let host = to.host().to_string();
    let mut found: Vec<Arc<HeaderGrant>> = Vec::new();
    for grant in grants {
        let here = grant.hosts.is_empty()
            || grant
                .hosts
                .iter()
                .any(|pattern| pattern.matches(to.scheme(), &host, to.port()));
        if here && !found.iter().any(|other| is_same(&other.name, &grant.name)) {
            found.push(Arc::clone(grant));
        }
    }
    found
}

/// Refuses a guest that sends one of these itself.
pub(super) fn check(head: &Parts, headers: &[Arc<HeaderGrant>], to: &Destination) -> Result<(), EgressError> {
    for grant in headers {
        if head.headers.keys().any(|name| is_same(name, &grant.name)) {
            return Err(EgressError::HeaderOfHost {
                header: grant.name.to_string(),
                host: to.to_string(),
            });
        }
    }
    Ok(())
}

/// Sets the headers, and gives the credentials in them.
pub(super) async fn apply(
    headers: &mut HeaderMap,
    grants: &[Arc<HeaderGrant>],
    port: &dyn Credentials,
    identity: &Identity,
    handled: &Handled,
) -> Result<Vec<SecretBytes>, CallError> {
    let mut applied = Vec::with_capacity(grants.len());
    for grant in grants {
        let credential = port.credential(&grant.credential, identity).await?;
        let value = value(grant, &credential)?;
        if !handled.note_applied(&credential) {
            return Err(CallError::Host("this call handled too many secrets".to_owned()));
        }
        headers.insert(grant.name.clone(), value);
        applied.push(credential);
    }
    Ok(applied)
}

fn value(grant: &HeaderGrant, credential: &SecretBytes) -> Result<HeaderValue, CredentialError> {
    let refused = |why| CredentialError::NoHeaderValue {
        credential: grant.credential.to_string(),
        header: grant.name.to_string(),
        why,
    };
    let bytes = credential.expose();
    if bytes.is_empty() {
        return Err(refused("it is empty"));
    }
    if bytes.ends_with(b"\n") {
        return Err(refused(
            "it ends with a line break; write it without one, e.g. with printf",
        ));
    }
    // HTTP allows a tab and bytes above ASCII; no credential has them, and servers read them in several ways.
    if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(refused("it has control characters, or others that are not ASCII"));
    }
    if grant.prefix.len() + bytes.len() > LONGEST {
        return Err(refused("it is longer than 8 KiB"));
    }
    let mut whole = Zeroizing::new(grant.prefix.clone().into_bytes());
    whole.extend_from_slice(bytes);
    let mut value = HeaderValue::from_bytes(&whole).map_err(|_| refused("it is no header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Takes from an answer's headers what repeats a credential. Only what is said plainly is found; a host that
/// echoes credentials in its bodies must not be granted one.
pub(super) fn hide(headers: &mut HeaderMap, applied: &[SecretBytes]) {
    for secret in applied.iter().filter(|secret| secret.len() >= SHORTEST) {
        for value in headers.values_mut() {
            if holds(value.as_bytes(), secret.expose()) {
                *value = HeaderValue::from_static(keyhole_core::mask::HIDDEN);
            }
        }
    }
}

/// Whether `text` holds `part`.
pub(crate) fn holds(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

fn is_same(a: &HeaderName, b: &HeaderName) -> bool {
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    let (a, b) = (a.as_str().as_bytes(), b.as_str().as_bytes());
    a.len() == b.len() && a.iter().map(plain).eq(b.iter().map(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::Credential;

    fn grant(name: &'static str, hosts: &[&str]) -> HeaderGrant {
        HeaderGrant {
            name: HeaderName::from_static(name),
            prefix: "Bearer ".to_owned(),
            credential: Credential::Secret {
                name: "login".into(),
                key: "token".into(),
            },
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        }
    }

    fn value_of(credential: &[u8]) -> Result<HeaderValue, CredentialError> {
        value(&grant("authorization", &[]), &SecretBytes::new(credential.to_vec()))
    }

    #[test]
    fn a_value_is_sensitive_and_has_its_prefix() {
        let value = value_of(b"t0ken").unwrap();
        assert_eq!(value, "Bearer t0ken");
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("t0ken"));
    }

    #[test]
    fn what_could_end_a_header_or_begin_another_is_refused_without_being_told() {
        for credential in [
            "",
            "t0ken\n",
            "t0ken\r\nx: y",
            "t0\0ken",
            "t0ken\t",
            "t0k\u{e9}n",
            "\u{7f}t0ken",
            "t0ken\r",
        ] {
            let error = value_of(credential.as_bytes()).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("entry \"token\" of Secret login cannot be sent as header authorization: "),
                "{text}"
            );
            assert!(!text.contains("t0k"), "{text}");
            assert!(!error.is_transient());
        }
        assert!(value_of(&[b'x'; LONGEST]).is_err());
    }

    #[test]
    fn headers_of_the_connection_and_ambiguous_ones_are_no_grant() {
        for name in [
            "host",
            "connection",
            "transfer-encoding",
            "content-length",
            "proxy-authorization",
        ] {
            assert!(check_grants(&[grant(name, &[])]).is_err(), "{name}");
        }
        let mut broken = grant("authorization", &[]);
        broken.prefix = "Bearer\r\nx: ".to_owned();
        assert!(check_grants(&[broken]).is_err());
        let two = |a: &[&str], b: &[&str]| check_grants(&[grant("x-token", a), grant("x_token", b)]).is_ok();
        assert!(two(&["a.example.com"], &["b.example.com"]));
        assert!(!two(&["a.example.com"], &["a.example.com"]));
        assert!(!two(&[], &["b.example.com"]) && !two(&["a.example.com"], &[]));
    }

    #[test]
    fn a_header_goes_to_its_own_hosts_only() {
        let grants = [
            Arc::new(grant("x-token", &["a.example.com"])),
            Arc::new(grant("x-all", &[])),
        ];
        let names = |uri: &str| -> Vec<String> {
            let to = Destination::of(&uri.parse().unwrap()).unwrap();
            of(&grants, &to).iter().map(|grant| grant.name.to_string()).collect()
        };
        assert_eq!(names("https://a.example.com/"), ["x-token", "x-all"]);
        assert_eq!(names("https://A.example.com./"), ["x-token", "x-all"]);
        for other in [
            "http://a.example.com/",
            "https://a.example.com:444/",
            "https://b.example.com/",
            "https://a.example.com.evil.example/",
        ] {
            assert_eq!(names(other), ["x-all"], "{other}");
        }
    }

    #[test]
    fn an_answer_that_repeats_the_credential_loses_it() {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("you sent Bearer t0ken-of-mine"));
        headers.insert("x-other", HeaderValue::from_static("fine"));
        hide(&mut headers, &["t0ken-of-mine".to_owned().into()]);
        assert_eq!(
            (&headers["x-echo"], &headers["x-other"]),
            (&HeaderValue::from_static("***"), &HeaderValue::from_static("fine"))
        );
    }
}
