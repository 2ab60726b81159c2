//! The session of every identity that a call can have.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::Region;
use aws_smithy_async::time::SharedTimeSource;
use futures::future::BoxFuture;
use keyhole_core::{CallError, Identity, RoleArn};
use keyhole_sandbox::egress::Proxy;
use keyhole_sandbox::{AwsSessions, EndpointOverrides};

use crate::base::Base;
use crate::http_client;
use crate::session_cache::SessionCache;
use crate::sts::{Refusal, Sts, StsEndpointType};

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
    sessions: SessionCache<Who>,
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Operator,
    Intermediate,
    Role(RoleArn, Option<Arc<str>>),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Intermediate => f.write_str("intermediate role"),
            Self::Role(role, _) => write!(f, "{role}"),
        }
    }
}

impl Identities {
    /// Nothing is asked before the first session is needed.
    #[must_use]
    pub fn new(config: IdentityConfig) -> Self {
        let http = http_client::build(config.proxy.as_ref());
        let region = config.region.clone().unwrap_or_else(|| "us-west-2".to_owned());
        Self(Arc::new(Inner {
            base: Base::new(http.clone(), Region::new(region), config.credentials),
            sts: Sts {
                http,
                region: config.region,
                endpoint_type: config.sts_endpoint_type,
                endpoint: config
                    .endpoints
                    .get("sts")
                    .map(|url| url.as_str().trim_end_matches('/').to_owned()),
            },
            intermediate_role: config.intermediate_role,
            sessions: SessionCache::new(config.clock),
        }))
    }
}

impl Inner {
    async fn session(&self, identity: &Identity) -> Result<Credentials, CallError> {
        match &identity.role {
            None => self.operator().await,
            Some(role) => {
                let who = Who::Role(role.clone(), identity.namespace_tag.clone());
                let tag = identity.namespace_tag.as_deref();
                self.sessions.get(&who, || self.assume(role, tag)).await
            }
        }
    }

    async fn operator(&self) -> Result<Credentials, CallError> {
        self.sessions.get(&Who::Operator, || self.base.credentials()).await
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
    fn called(&self, source: &Who, answer: Result<Credentials, Refusal>) -> Result<Credentials, CallError> {
        answer.map_err(|refusal| {
            if refusal.caller_rejected {
                self.sessions.forget(source);
            }
            refusal.error
        })
    }
}

impl AwsSessions for Identities {
    fn session<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Credentials, CallError>> {
        Box::pin(self.0.session(identity))
    }
}
