//! The credentials that exist: access keys of users, and the sessions that were minted for roles.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An access key with everything that belongs to it, as a client configures it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`, for sessions.
    pub session_token: Option<String>,
}

/// Who a verified request comes from.
#[derive(Clone, Debug)]
pub struct Principal {
    /// `arn:aws:iam::ACCOUNT:user/NAME` or `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub arn: String,
    /// The role behind a session.
    pub role_arn: Option<String>,
    /// `AIDA...` or `AROA...:SESSION`.
    pub user_id: String,
}

impl Principal {
    /// The account that it belongs to.
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// Whether `arn` names this principal: itself, or the role that it plays.
    pub fn is(&self, arn: &str) -> bool {
        self.arn == arn || self.role_arn.as_deref() == Some(arn)
    }
}

pub struct Key {
    pub secret: String,
    pub token: Option<String>,
    pub principal: Principal,
    expires: Option<Timestamp>,
}

impl Key {
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

/// All keys by access key id, and the tokens of web identities that were shown.
#[derive(Default)]
pub struct Keyring(BTreeMap<String, Key>, Vec<String>);

impl Keyring {
    pub fn find(&self, access_key_id: &str) -> Option<&Key> {
        self.0.get(access_key_id)
    }

    pub fn add_user(&mut self, account: &str, name: &str, access_key_id: &str, secret_access_key: &str) {
        let principal = Principal {
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            role_arn: None,
            user_id: format!("AIDA{}", random(17)),
        };
        let key = Key {
            secret: secret_access_key.to_owned(),
            token: None,
            principal,
            expires: None,
        };
        self.0.insert(access_key_id.to_owned(), key);
    }

    /// A new session of a role, as `AssumeRole` hands it out.
    pub fn mint(
        &mut self,
        role_arn: &str,
        session_name: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> (Credentials, Principal, Timestamp) {
        let mut parts = role_arn.split(':');
        let partition = parts.nth(1).unwrap_or("aws").to_owned();
        let account = parts.nth(2).unwrap_or_default().to_owned();
        let role = role_arn.rsplit('/').next().unwrap_or_default();
        let principal = Principal {
            arn: format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session_name}"),
            role_arn: Some(role_arn.to_owned()),
            user_id: format!("AROA{}:{session_name}", random(17)),
        };
        let credentials = Credentials {
            access_key_id: format!("ASIA{}", random(16)),
            secret_access_key: random(40),
            session_token: Some(format!("FwoGZXIvYXdzE{}", random(200))),
        };
        let expires = now + jiff::SignedDuration::try_from(lifetime).unwrap_or(jiff::SignedDuration::from_hours(1));
        let key = Key {
            secret: credentials.secret_access_key.clone(),
            token: credentials.session_token.clone(),
            principal: principal.clone(),
            expires: Some(expires),
        };
        self.0.insert(credentials.access_key_id.clone(), key);
        (credentials, principal, expires)
    }

    /// Remembers a token of a web identity.
    pub fn shown(&mut self, token: &str) {
        if !token.is_empty() && !self.1.iter().any(|known| known == token) {
            self.1.push(token.to_owned());
        }
    }

    /// Ends every session now; users' keys stay.
    pub fn expire_sessions(&mut self, now: Timestamp) {
        for key in self.0.values_mut().filter(|key| key.token.is_some()) {
            key.expires = Some(now);
        }
    }

    /// Everything that must never be seen outside a request: secret keys, session tokens, tokens of web identities.
    pub fn secrets(&self) -> Vec<String> {
        self.0
            .values()
            .flat_map(|key| [Some(key.secret.clone()), key.token.clone()])
            .flatten()
            .chain(self.1.iter().cloned())
            .collect()
    }
}

pub fn random(length: usize) -> String {
    std::iter::repeat_with(|| char::to_ascii_uppercase(&fastrand::alphanumeric()))
        .take(length)
        .collect()
}
