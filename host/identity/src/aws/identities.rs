//! The session of every identity that a call can have.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::Region;
use aws_smithy_async::time::SharedTimeSource;
use futures::future::BoxFuture;
use keyhole_core::identity::InvalidRoleArn;
use keyhole_core::{CallError, Identity, RoleArn, ServiceAccount};
use keyhole_sandbox::egress::Proxy;
use keyhole_sandbox::{AwsSessions, CredentialError, EndpointOverrides};

use super::base::Base;
use super::http_client;
use super::sts::{Refused, SESSION_NAME, Sts, StsEndpointType};
use crate::accounts::Accounts;
use crate::session_cache::SessionCache;

/// As EKS has it: the role of a service account.
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
/// For whom tokens are that STS takes.
const STS_AUDIENCE: &str = "sts.amazonaws.com";

/// What the operator says about identities.
#[derive(Clone, Debug, Default)]
pub struct IdentityConfig {
    /// The operator's region, e.g. from `AWS_REGION`. STS is asked there.
    pub region: Option<String>,
    /// `AWS_INTERMEDIATE_ROLE_ARN`: assumed first whenever an object names a role.
    pub intermediate_role: Option<RoleArn>,
    /// `AWS_STS_ENDPOINT_TYPE`.
    pub sts_endpoint_type: StsEndpointType,
    /// Endpoints that were moved; `sts` is the one that counts here.
    pub endpoints: EndpointOverrides,
    /// What stands between this process and AWS.
    pub proxy: Option<Proxy>,
    /// The operator's own credentials, in place of the standard chain.
    pub credentials: Option<SharedCredentialsProvider>,
    /// The service accounts whose tokens are exchanged for roles. Objects that name one fail without.
    pub accounts: Option<Arc<dyn Accounts>>,
    /// The time by which sessions age. The system's unless a test says otherwise.
    pub clock: SharedTimeSource,
}

/// Finds, exchanges and keeps the host's AWS sessions. Clones share them.
#[derive(Clone, Debug)]
pub struct Identities(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Base,
    sts: Sts,
    intermediate_role: Option<RoleArn>,
    sessions: SessionCache<Who, Credentials, CallError>,
    accounts: Option<Arc<dyn Accounts>>,
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Operator,
    Intermediate,
    Role(RoleArn, Option<Arc<str>>),
    /// Reached with a token of the account, by no way of the operator's.
    Account(ServiceAccount, RoleArn),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Intermediate => f.write_str("intermediate role"),
            Self::Role(role, _) => write!(f, "{role}"),
            Self::Account(account, role) => write!(f, "{role} of service account {account}"),
        }
    }
}

impl Identities {
    /// Nothing is asked before the first session is needed.
    #[must_use]
    pub fn new(config: IdentityConfig) -> Self {
        let http = http_client::build(config.proxy.as_ref());
        let region = config.region.clone().unwrap_or_else(|| "us-west-2".to_owned());
        let sts = Sts {
            http: http.clone(),
            region: config.region,
            endpoint_type: config.sts_endpoint_type,
            endpoint: config
                .endpoints
                .get("sts")
                .map(|url| url.as_str().trim_end_matches('/').to_owned()),
        };
        Self(Arc::new(Inner {
            base: Base::new(http, Region::new(region), sts.clone(), config.credentials),
            sts,
            accounts: config.accounts,
            intermediate_role: config.intermediate_role,
            sessions: SessionCache::new(config.clock),
        }))
    }
}

impl Inner {
    async fn session(&self, identity: &Identity) -> Result<Credentials, CallError> {
        match (&identity.account, &identity.role) {
            (Some(account), role) => self.account(account, role.as_ref()).await,
            (None, None) => self.operator().await,
            (None, Some(role)) => {
                let who = Who::Role(role.clone(), identity.namespace_tag.clone());
                let tag = identity.namespace_tag.as_deref();
                self.sessions.get(&who, || self.assume(role, tag)).await
            }
        }
    }

    async fn operator(&self) -> Result<Credentials, CallError> {
        self.sessions.get(&Who::Operator, || self.base.credentials()).await
    }

    /// The role of a service account: the one that the object names, else the one of the account's annotation.
    /// Neither the operator's own identity nor the intermediate role has a part in it.
    async fn account(&self, account: &ServiceAccount, role: Option<&RoleArn>) -> Result<Credentials, CallError> {
        let Some(accounts) = &self.accounts else {
            return Err(CredentialError::NoCluster.into());
        };
        let role = match role {
            Some(role) => role.clone(),
            None => annotated(account, accounts.annotation(account, ROLE_ANNOTATION).await?.as_deref())?,
        };
        let who = Who::Account(account.clone(), role.clone());
        let exchange = || async {
            let token = accounts.token(account, STS_AUDIENCE).await?;
            let whose = format!("service account {account}");
            let assumed = self.sts.assume_with_token(&token, &role, SESSION_NAME, &whose).await;
            assumed.map_err(|refused| refused.error)
        };
        self.sessions.get(&who, exchange).await
    }

    /// Assumes the role of an object, by way of the intermediate role if there is one.
    async fn assume(&self, role: &RoleArn, tag: Option<&str>) -> Result<Credentials, CallError> {
        let Some(intermediate) = &self.intermediate_role else {
            let caller = self.operator().await?;
            return self.called(&Who::Operator, self.sts.assume(caller, role, tag, None).await);
        };
        let first_hop = || async {
            let caller = self.operator().await?;
            self.called(&Who::Operator, self.sts.assume(caller, intermediate, None, None).await)
        };
        let caller = self.sessions.get(&Who::Intermediate, first_hop).await?;
        self.called(
            &Who::Intermediate,
            self.sts.assume(caller, role, tag, Some(intermediate)).await,
        )
    }

    /// Credentials that STS does not accept are had anew at the next call.
    fn called(&self, source: &Who, answer: Result<Credentials, Refused>) -> Result<Credentials, CallError> {
        answer.map_err(|refused| {
            if refused.caller_rejected {
                self.sessions.forget(source);
            }
            refused.error
        })
    }
}

/// The role that an account's annotation names.
fn annotated(account: &ServiceAccount, annotation: Option<&str>) -> Result<RoleArn, CallError> {
    let message = match annotation.filter(|text| !text.is_empty()).map(str::parse) {
        Some(Ok(role)) => return Ok(role),
        Some(Err(error)) => {
            let error: InvalidRoleArn = error;
            format!("annotation {ROLE_ANNOTATION} of service account {account}: {error}")
        }
        None => format!(
            "service account {account} has no role; annotate it with {ROLE_ANNOTATION}, or set spec.roleArn of the object"
        ),
    };
    Err(CallError::Identity {
        message,
        transient: false,
    })
}

impl AwsSessions for Identities {
    fn session<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Credentials, CallError>> {
        Box::pin(self.0.session(identity))
    }
}
