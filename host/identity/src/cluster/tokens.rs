//! Bound tokens of service accounts, from `TokenRequest`.
//!
//! A token has exactly one audience and lives for the shortest time that the API takes. An empty audience is
//! refused: it would mean the API server's own, and its holder could act in the cluster as the account.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::SharedTimeSource;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount as AccountObject;
use keyhole_core::{SecretBytes, ServiceAccount};
use keyhole_sandbox::CredentialError;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::OnceCell;

use super::api::{Trouble, ask};
use crate::session_cache::{Kept, Life, SessionCache};

/// The least that the API takes.
const LIFETIME: Duration = Duration::from_secs(600);
/// Annotations are read anew after this.
const ANNOTATIONS_FRESH: Duration = Duration::from_secs(15);
/// While the API server cannot be reached, annotations serve for this long.
const ANNOTATIONS_VALID: Duration = Duration::from_secs(120);

/// What mends a missing right.
const RIGHTS: &str = "apply the rules of `keyhole manifests --service-account-tokens`";

#[derive(Clone)]
struct Token {
    text: SecretBytes,
    expires: SystemTime,
}

impl Kept for Token {
    fn life(&self, now: SystemTime) -> Life {
        Life::until(self.expires, now)
    }
}

/// An annotation, as far as there is one.
#[derive(Clone)]
struct Annotation(Option<String>);

impl Kept for Annotation {
    fn life(&self, _: SystemTime) -> Life {
        Life {
            fresh: ANNOTATIONS_FRESH,
            valid: ANNOTATIONS_VALID,
        }
    }
}

/// Whose token and for whom, or whose annotation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Whose {
    account: ServiceAccount,
    what: Arc<str>,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of service account {}", self.what, self.account)
    }
}

/// Tokens and annotations of service accounts.
pub(super) struct Tokens {
    client: Client,
    tokens: SessionCache<Whose, Token, CredentialError>,
    annotations: SessionCache<Whose, Annotation, CredentialError>,
    clock: SharedTimeSource,
    own: OnceCell<ServiceAccount>,
}

impl Tokens {
    pub(super) fn new(client: Client, clock: SharedTimeSource) -> Self {
        Self {
            client,
            tokens: SessionCache::new(clock.clone()),
            annotations: SessionCache::new(clock.clone()),
            clock,
            own: OnceCell::new(),
        }
    }

    /// A token of `account`, or of the operator's own where there is none.
    pub(super) async fn of(
        &self,
        account: Option<&ServiceAccount>,
        audience: &str,
    ) -> Result<SecretBytes, CredentialError> {
        let account = match account {
            Some(account) => account,
            None => self.own.get_or_try_init(|| self.who_am_i(audience)).await?,
        };
        if audience.trim().is_empty() {
            return Err(refused(
                account,
                audience,
                "an audience must be named".to_owned(),
                false,
            ));
        }
        let whose = Whose {
            account: account.clone(),
            what: audience.into(),
        };
        let token = self.tokens.get(&whose, || self.request(account, audience)).await?;
        Ok(token.text)
    }

    async fn request(&self, account: &ServiceAccount, audience: &str) -> Result<Token, CredentialError> {
        let api: Api<AccountObject> = Api::namespaced(self.client.clone(), account.namespace());
        let seconds = i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![audience.to_owned()]),
                expiration_seconds: Some(seconds),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = ask(api.create_token_request(account.name(), &PostParams::default(), &wanted)).await;
        let answer = answer.map_err(|trouble| match trouble {
            Trouble::NotFound => refused(
                account,
                audience,
                "there is no such service account; create it".to_owned(),
                false,
            ),
            Trouble::Forbidden => refused(
                account,
                audience,
                format!("the operator may not create serviceaccounts/token there; {RIGHTS}"),
                false,
            ),
            Trouble::Refused(why) => refused(account, audience, why, false),
            Trouble::Unavailable(why) => refused(account, audience, why, true),
        })?;
        let unreadable = || {
            refused(
                account,
                audience,
                "the API server's answer cannot be read".to_owned(),
                true,
            )
        };
        let status = answer.status.ok_or_else(unreadable)?;
        // Counted from here: the two clocks need not agree.
        let longest = self.clock.now() + LIFETIME;
        let stated = status.expiration_timestamp.map(|time| SystemTime::from(time.0));
        Ok(Token {
            text: status
                .token
                .filter(|token| !token.is_empty())
                .ok_or_else(unreadable)?
                .into(),
            expires: stated.map_or(longest, |stated| stated.min(longest)),
        })
    }

    pub(super) async fn annotation(
        &self,
        account: &ServiceAccount,
        name: &'static str,
    ) -> Result<Option<String>, CredentialError> {
        let whose = Whose {
            account: account.clone(),
            what: name.into(),
        };
        let annotation = self.annotations.get(&whose, || self.read(account, name)).await?;
        Ok(annotation.0)
    }

    async fn read(&self, account: &ServiceAccount, name: &str) -> Result<Annotation, CredentialError> {
        let api: Api<AccountObject> = Api::namespaced(self.client.clone(), account.namespace());
        let unreadable = |why: String, transient| CredentialError::AccountUnreadable {
            account: account.to_string(),
            why,
            transient,
        };
        let found = ask(api.get_metadata(account.name()))
            .await
            .map_err(|trouble| match trouble {
                Trouble::NotFound => unreadable("there is none; create it".to_owned(), false),
                Trouble::Forbidden => unreadable(
                    format!("the operator may not get service accounts there; {RIGHTS}"),
                    false,
                ),
                Trouble::Refused(why) => unreadable(why, false),
                Trouble::Unavailable(why) => unreadable(why, true),
            })?;
        let annotations = found.metadata.annotations.unwrap_or_default();
        Ok(Annotation(annotations.get(name).cloned()))
    }

    /// The service account that this process speaks to the API server as.
    async fn who_am_i(&self, audience: &str) -> Result<ServiceAccount, CredentialError> {
        let nobody = |why: String, transient| CredentialError::NoToken {
            account: "of the operator itself".to_owned(),
            audience: audience.to_owned(),
            why,
            transient,
        };
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let answer = ask(api.create(&PostParams::default(), &SelfSubjectReview::default())).await;
        let answer = answer.map_err(|trouble| match trouble {
            Trouble::Unavailable(why) => nobody(why, true),
            other => nobody(format!("the API server does not say who it is: {other:?}"), false),
        })?;
        let user = answer
            .status
            .and_then(|status| status.user_info)
            .and_then(|user| user.username);
        let user = user.unwrap_or_default();
        let account = user
            .strip_prefix("system:serviceaccount:")
            .and_then(|account| account.split_once(':'))
            .and_then(|(namespace, name)| ServiceAccount::new(namespace, name).ok());
        account.ok_or_else(|| nobody(format!("it runs as {user:?}, which is no service account"), false))
    }
}

fn refused(account: &ServiceAccount, audience: &str, why: String, transient: bool) -> CredentialError {
    CredentialError::NoToken {
        account: account.to_string(),
        audience: audience.to_owned(),
        why,
        transient,
    }
}
