//! The operations of STS (query in, XML out): sessions for roles, and who am I.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::AwsError;
use crate::keyring::{Keyring, Principal, random};
use crate::policy::Deny;
use crate::web_identity::WebIdentity;

/// What STS knows beside the keys.
pub struct Rules<'a> {
    pub account: &'a str,
    pub denials: &'a [Deny],
    /// Lifetime of every session, whatever the caller asks for.
    pub lifetime: Option<Duration>,
    /// Roles that only these principals may assume, by role ARN.
    pub trust: &'a BTreeMap<String, String>,
}

/// The one operation that nobody signs: its token proves who asks.
pub const WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

/// Who shows a token.
pub fn who_shows(form: &Form, keyring: &mut Keyring, now: Timestamp) -> Result<Principal, AwsError> {
    let token = form.get("WebIdentityToken").map(String::as_str).unwrap_or_default();
    keyring.shown(token);
    Ok(WebIdentity::of(token, now)?.principal())
}

/// The form of a query request.
pub type Form = BTreeMap<String, String>;

pub fn parse(body: &[u8]) -> Form {
    url::form_urlencoded::parse(body).into_owned().collect()
}

/// Runs an operation; the answer is the XML document.
pub fn run(
    form: &Form,
    keyring: &mut Keyring,
    caller: &Principal,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<String, AwsError> {
    match form.get("Action").map(String::as_str) {
        Some("AssumeRole") => assume_role(form, keyring, caller, rules, now),
        Some(WEB_IDENTITY) => assume_with_token(form, keyring, caller, rules, now),
        Some("GetCallerIdentity") => Ok(document(
            "GetCallerIdentity",
            &format!(
                "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
                escape(&caller.arn),
                escape(&caller.user_id),
                rules.account
            ),
        )),
        other => {
            let message = format!(
                "Could not find operation {} for version 2011-06-15",
                other.unwrap_or_default()
            );
            Err(AwsError::client("InvalidAction", message))
        }
    }
}

fn assume_role(
    form: &Form,
    keyring: &mut Keyring,
    caller: &Principal,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<String, AwsError> {
    let Wanted {
        role,
        session_name,
        seconds,
    } = wanted(form)?;
    let denied = rules
        .denials
        .iter()
        .any(|deny| deny.hits(caller, "sts:AssumeRole", &[role]));
    let distrusted = rules.trust.get(role).is_some_and(|trusted| !caller.is(trusted));
    if denied || distrusted {
        let mut error = AwsError::denied(false, &caller.arn, "sts:AssumeRole", Some(role));
        error.message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {role}",
            caller.arn
        );
        return Err(error);
    }
    let lifetime = rules.lifetime.unwrap_or(Duration::from_secs(seconds));
    Ok(document(
        "AssumeRole",
        &minted(keyring, role, session_name, now, lifetime),
    ))
}

fn assume_with_token(
    form: &Form,
    keyring: &mut Keyring,
    caller: &Principal,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<String, AwsError> {
    let Wanted {
        role,
        session_name,
        seconds,
    } = wanted(form)?;
    let denied = rules
        .denials
        .iter()
        .any(|deny| deny.hits(caller, "sts:AssumeRoleWithWebIdentity", &[role]));
    let distrusted = rules.trust.get(role).is_some_and(|trusted| !caller.is(trusted));
    if denied || distrusted {
        let mut error = AwsError::denied(false, &caller.arn, "sts:AssumeRoleWithWebIdentity", Some(role));
        "Not authorized to perform sts:AssumeRoleWithWebIdentity".clone_into(&mut error.message);
        return Err(error);
    }
    let token = form.get("WebIdentityToken").map(String::as_str).unwrap_or_default();
    let identity = WebIdentity::of(token, now)?;
    let lifetime = rules.lifetime.unwrap_or(Duration::from_secs(seconds));
    let session = minted(keyring, role, session_name, now, lifetime);
    Ok(document(
        WEB_IDENTITY,
        &format!(
            "<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><Audience>sts.amazonaws.com</Audience>\
             <Provider>{}</Provider>{session}",
            escape(&identity.subject),
            escape(&identity.issuer),
        ),
    ))
}

/// What both ways to a role have in common.
struct Wanted<'a> {
    role: &'a str,
    session_name: &'a str,
    seconds: u64,
}

fn wanted(form: &Form) -> Result<Wanted<'_>, AwsError> {
    let parameter = |name: &str| {
        let missing = || {
            AwsError::client(
                "ValidationError",
                format!(
                    "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
                ),
            )
        };
        form.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let role = parameter("RoleArn")?;
    let session_name = parameter("RoleSessionName")?;
    if !(role.starts_with("arn:aws") && role.contains(":iam::") && role.contains(":role/")) {
        return Err(AwsError::client("ValidationError", format!("{role} is invalid")));
    }
    let asked: u64 = match form.get("DurationSeconds") {
        None => 3600,
        Some(text) => text.parse().unwrap_or(0),
    };
    if !(900..=43_200).contains(&asked) {
        return Err(AwsError::client(
            "ValidationError",
            format!("1 validation error detected: Value '{asked}' at 'durationSeconds' failed to satisfy constraint"),
        ));
    }
    Ok(Wanted {
        role,
        session_name,
        seconds: asked,
    })
}

fn minted(keyring: &mut Keyring, role: &str, session_name: &str, now: Timestamp, lifetime: Duration) -> String {
    let (credentials, principal, expires) = keyring.mint(role, session_name, now, lifetime);
    format!(
        "<AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>",
        escape(&principal.user_id),
        escape(&principal.arn),
        credentials.access_key_id,
        credentials.secret_access_key,
        credentials.session_token.unwrap_or_default(),
        expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
}

/// An error in the XML of the query protocol.
pub fn error_document(error: &AwsError) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{}</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        if error.status < 500 { "Sender" } else { "Receiver" },
        escape(&error.code),
        escape(&error.message),
        random(16),
    )
}

fn document(operation: &str, result: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{operation}Response>",
        random(16)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
