//! One token for all calls of a role.
//!
//! An instance lives for one call, so the token lives in the session store, until shortly before its lease
//! ends. Whoever finds it past two thirds of its lease renews it; whoever finds none logs in. A token can also
//! die early: an operator revokes it, or Vault is restored from a backup. All calls that are under way notice at
//! the same moment, and each would log in. So whoever wants to log in says so in the session store first, and
//! the others wait for what comes of it. The store has no compare-and-swap; after a short pause the last who
//! said so is the one.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use keyhole_sdk::{Error, credentials, session};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::api::{Answer, Server};
use crate::words;

/// The token.
const LOGIN: &str = "login";
/// Present until the token should be renewed.
const YOUNG: &str = "young";
/// Who is logging in.
const CLAIM: &str = "claim";

/// A claim of an instance that was dropped ends by itself.
const CLAIM_FOR: Duration = Duration::from_secs(10);
/// Two that claim at once both see the later claim after this.
const SETTLE: Duration = Duration::from_millis(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks until the last claim is surely over.
const LOOKS: u32 = 220;
/// A renewal that fails for a passing reason is tried again after this.
const RENEW_AGAIN: Duration = Duration::from_secs(15);
/// For tokens that never expire; the host keeps nothing longer.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// A client token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub text: String,
    /// What the login gave, in seconds; 0 for ever.
    lease: u64,
    renewable: bool,
}

/// Logs in at one server with one role.
pub struct Login<'a> {
    server: &'a Server<'a>,
    pause: fn(Duration),
}

impl<'a> Login<'a> {
    pub fn new(server: &'a Server<'a>, pause: fn(Duration)) -> Self {
        Self { server, pause }
    }

    /// The role as people read it.
    pub fn role(&self) -> &'a str {
        self.server.settings.vault_role.as_deref().unwrap_or_default()
    }

    /// A token that should be valid, and whether this call itself earned it.
    ///
    /// # Errors
    /// When there is none and none can be had.
    pub fn token(&self) -> Result<(Token, bool), Error> {
        match session::get::<Token>(LOGIN) {
            Some(token) if token.renewable && session::get_bytes(YOUNG).is_none() => self.renewed(token),
            Some(token) => Ok((token, false)),
            None => self.earned(None),
        }
    }

    /// Another token than this one, which Vault does not accept any more.
    ///
    /// # Errors
    /// When none can be had.
    pub fn replaced(&self, dead: &Token) -> Result<Token, Error> {
        self.earned(Some(dead)).map(|(token, _)| token)
    }

    /// Whether Vault knows the token. A token without Vault's default policy may not ask, and then this says
    /// no.
    ///
    /// # Errors
    /// When Vault does not say.
    pub fn is_alive(&self, token: &Token) -> Result<bool, Error> {
        let request = self.server.request("GET", "auth/token/lookup-self", Some(&token.text));
        match self.server.send(request) {
            Ok(_) => Ok(true),
            Err(fault) if fault.status() == Some(403) => Ok(false),
            Err(fault) => Err(words::lookup(&fault)),
        }
    }

    fn renewed(&self, token: Token) -> Result<(Token, bool), Error> {
        // Others need not try at the same time.
        keep_young(RENEW_AGAIN);
        let request = self.server.request("POST", "auth/token/renew-self", Some(&token.text));
        let answer = self.server.send(request.json(&json!({})));
        match answer.map(|body| auth(&body)) {
            Ok(Some((_, lease, renewable))) => {
                // Towards its longest life a token is renewed for less and less.
                let ends_soon = !renewable || lease < token.lease / 2;
                let token = Token { renewable, ..token };
                keep(&token, lease);
                match ends_soon.then(|| self.earned(Some(&token))) {
                    Some(Ok(earned)) => Ok(earned),
                    // Nothing is lost yet: the old one is still valid.
                    Some(Err(_)) => {
                        keep(&token, lease);
                        Ok((token, false))
                    }
                    None => Ok((token, false)),
                }
            }
            // Gone, or not for this token to renew.
            Err(fault) if matches!(fault.status(), Some(400 | 403 | 404)) => self.earned(Some(&token)),
            // Its lease is not over.
            _ => Ok((token, false)),
        }
    }

    /// A token other than `old`: one that somebody else earned meanwhile, or a new one.
    fn earned(&self, old: Option<&Token>) -> Result<(Token, bool), Error> {
        let mine = RandomState::new().hash_one(()).to_string();
        let mut contested = old.is_some();
        for _ in 0..LOOKS {
            if let Some(token) = session::get::<Token>(LOGIN)
                && Some(&token.text) != old.map(|old| &old.text)
            {
                return Ok((token, true));
            }
            match session::get::<String>(CLAIM) {
                None => {
                    // A host that keeps nothing cannot settle claims either.
                    if session::set(CLAIM, &mine, CLAIM_FOR).is_err() {
                        break;
                    }
                    // The first call of a scope is alone: the host sees to it.
                    if !contested {
                        break;
                    }
                    (self.pause)(SETTLE);
                }
                Some(claim) if claim == mine => break,
                Some(_) => {
                    contested = true;
                    (self.pause)(LOOK_EVERY);
                }
            }
        }
        let outcome = self.log_in();
        match &outcome {
            Ok(token) => keep(token, token.lease),
            // With nothing kept, the next calls take turns.
            Err(_) => {
                session::remove(LOGIN);
                session::remove(YOUNG);
            }
        }
        session::remove(CLAIM);
        outcome.map(|token| (token, true))
    }

    fn log_in(&self) -> Result<Token, Error> {
        let settings = self.server.settings;
        let Some(role) = settings.vault_role.as_deref().filter(|role| !role.is_empty()) else {
            let message =
                "no role to log in with; set spec.vaultRole, or ask for vaultRole in the settings of the BackendPlugin";
            return Err(Error::invalid("/settings/vaultRole", message));
        };
        let jwt = credentials::text(credentials::SERVICE_ACCOUNT_TOKEN)?;
        let path = format!("auth/{}/login", settings.vault_mount_point.trim_matches('/'));
        let body = json!({ "role": role, "jwt": jwt.trim() });
        let answer: Answer = self.server.send(self.server.request("POST", &path, None).json(&body));
        match answer {
            Ok(body) => match auth(&body) {
                Some((text, lease, renewable)) if !text.is_empty() => Ok(Token { text, lease, renewable }),
                _ => Err(words::no_token(settings, role)),
            },
            Err(fault) => Err(words::login(&fault, settings, role)),
        }
    }
}

/// Token, lease and whether it can be renewed, from `auth` of an answer.
fn auth(body: &Json) -> Option<(String, u64, bool)> {
    let auth = body.get("auth")?;
    let text = auth.get("client_token")?.as_str()?.to_owned();
    let lease = auth.get("lease_duration").and_then(Json::as_u64).unwrap_or_default();
    let renewable = auth.get("renewable").and_then(Json::as_bool).unwrap_or_default();
    Some((text, lease, renewable))
}

/// Keeps a token until shortly before its lease ends. A host that cannot keep it costs a login, no more.
fn keep(token: &Token, lease: u64) {
    let lease = match lease {
        0 => FOR_EVER,
        seconds => Duration::from_secs(seconds),
    };
    let margin = (lease / 5).min(Duration::from_secs(30));
    let _ = session::set(LOGIN, token, lease.saturating_sub(margin));
    if token.renewable {
        keep_young(lease * 2 / 3);
    }
}

fn keep_young(time: Duration) {
    let _ = session::set_bytes(YOUNG, b"", time);
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
