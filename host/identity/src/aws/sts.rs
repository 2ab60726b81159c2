//! `AssumeRole` and `AssumeRoleWithWebIdentity`.
//!
//! Sessions are not regional, so one call serves every region that an identity is used in. What STS says
//! is turned into a line that names the role and what to change where; its own message is passed on only
//! when it denies, because other refusals quote the request (and with it a session token).

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{BehaviorVersion, Config, IdentityCache, Region};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::types::{Credentials as Granted, Tag};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use keyhole_core::mask::Mask;
use keyhole_core::{CallError, RoleArn, SecretBytes};

use super::explain;

/// As in KES; trust policies and audit filters know it.
pub(super) const SESSION_NAME: &str = "k8s-external-secrets";

/// Which endpoint of STS is asked when none is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StsEndpointType {
    /// The one of the operator's region.
    #[default]
    Regional,
    /// The global one, `sts.amazonaws.com`.
    Legacy,
}

/// How STS is reached.
#[derive(Clone, Debug)]
pub(crate) struct Sts {
    pub(crate) http: SharedHttpClient,
    /// The operator's region, if it has one.
    pub(crate) region: Option<String>,
    pub(crate) endpoint_type: StsEndpointType,
    /// The operator's override of the endpoint.
    pub(crate) endpoint: Option<String>,
}

/// Why a role could not be assumed.
#[derive(Debug)]
pub(crate) struct Refused {
    /// For the object.
    pub(crate) error: CallError,
    /// STS did not accept the credentials that asked: they are not worth keeping.
    pub(crate) caller_rejected: bool,
}

impl Sts {
    /// Assumes `role` with the credentials of `caller`; `through` names the role behind these, if any.
    pub(crate) async fn assume(
        &self,
        caller: Credentials,
        role: &RoleArn,
        namespace_tag: Option<&str>,
        through: Option<&RoleArn>,
    ) -> Result<Credentials, Refused> {
        let secrets = mask(&caller);
        let mut call = Client::from_conf(self.config(Some(caller), role))
            .assume_role()
            .role_arn(role.as_str())
            .role_session_name(SESSION_NAME);
        if let Some(namespace) = namespace_tag
            && let Ok(tag) = Tag::builder().key("namespace").value(namespace).build()
        {
            call = call.tags(tag);
        }
        let path = match through {
            Some(intermediate) => format!("role {role} through {intermediate}"),
            None => format!("role {role}"),
        };
        match call.send().await {
            Ok(answer) => session(answer.credentials, &path),
            Err(error) => Err(self.explained(&error, &path, &secrets, BY_OPERATOR)),
        }
    }

    /// Exchanges a token of a web identity for a session of `role`. Nothing signs this request: the token proves
    /// who asks. `whose` it is says the message, if there is one.
    pub(crate) async fn assume_with_token(
        &self,
        token: &SecretBytes,
        role: &RoleArn,
        session_name: &str,
        whose: &str,
    ) -> Result<Credentials, Refused> {
        let path = format!("role {role} as {whose}");
        let mut secrets = Mask::default();
        secrets.add(token);
        let Ok(text) = std::str::from_utf8(token.expose()) else {
            return Err(Refused::not_transient(format!(
                "cannot assume {path}: its token is no text"
            )));
        };
        let call = Client::from_conf(self.config(None, role))
            .assume_role_with_web_identity()
            .role_arn(role.as_str())
            .role_session_name(session_name)
            .web_identity_token(text);
        match call.send().await {
            Ok(answer) => session(answer.credentials, &path),
            Err(error) => Err(self.explained(&error, &path, &secrets, BY_TOKEN)),
        }
    }

    /// The region to sign for, and the endpoint where it is not that region's own.
    fn target(&self, role: &RoleArn) -> (&str, Option<&str>) {
        // Other partitions have no global endpoint.
        if self.endpoint_type == StsEndpointType::Legacy && role.as_str().starts_with("arn:aws:") {
            return (
                "us-east-1",
                Some(self.endpoint.as_deref().unwrap_or("https://sts.amazonaws.com")),
            );
        }
        (
            self.region.as_deref().unwrap_or_else(|| home_region(role)),
            self.endpoint.as_deref(),
        )
    }

    fn config(&self, caller: Option<Credentials>, role: &RoleArn) -> Config {
        let (region, endpoint) = self.target(role);
        // Two attempts: the planner repeats what still fails, with its own back-off.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(5))
            .operation_timeout(Duration::from_secs(11))
            .build();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(timeouts)
            .identity_cache(IdentityCache::no_cache());
        if let Some(caller) = caller {
            config = config.credentials_provider(SharedCredentialsProvider::new(caller));
        }
        if let Some(url) = endpoint {
            config = config.endpoint_url(url);
        }
        config.build()
    }

    fn explained<E>(&self, error: &SdkError<E>, path: &str, secrets: &Mask, remedies: Remedies) -> Refused
    where
        SdkError<E>: ProvideErrorMetadata,
    {
        let code = error.code().unwrap_or_default();
        let caller_rejected = matches!(
            code,
            "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidClientTokenId"
                | "SignatureDoesNotMatch"
                | "UnrecognizedClientException"
        );
        let at = self.endpoint.as_deref().unwrap_or("AWS STS");
        let (why, transient) = match error {
            SdkError::TimeoutError(_) => (format!("{at} did not answer in time"), true),
            SdkError::DispatchFailure(failure) => {
                let cause = failure
                    .as_connector_error()
                    .map(|error| explain::causes(error))
                    .unwrap_or_default();
                (format!("{at} cannot be reached: {cause}"), true)
            }
            SdkError::ServiceError(_) if caller_rejected => (
                format!(
                    "STS does not accept the credentials that ask for it ({code}); {}",
                    remedies.rejected
                ),
                true,
            ),
            // What these say of a token is its issuer or audience; the token itself is masked.
            SdkError::ServiceError(_)
                if matches!(code, "AccessDenied" | "InvalidIdentityToken" | "IDPRejectedClaim") =>
            {
                let said = explain::cut(&secrets.apply(error.message().unwrap_or("access denied")));
                (format!("{said}; {}", remedies.denied), false)
            }
            // A gateway's page in place of an answer ends up here too.
            SdkError::ServiceError(service) if code.is_empty() => (
                format!(
                    "{at} answered with status {} and no error code",
                    service.raw().status().as_u16()
                ),
                true,
            ),
            SdkError::ServiceError(service) => {
                let server = service.raw().status().as_u16() >= 500;
                let throttled = matches!(
                    code,
                    "IDPCommunicationError"
                        | "Throttling"
                        | "ThrottlingException"
                        | "RequestLimitExceeded"
                        | "TooManyRequestsException"
                );
                (format!("STS answered {}", explain::cut(code)), server || throttled)
            }
            _ => (format!("the answer of {at} makes no sense"), true),
        };
        Refused {
            error: identity(format!("cannot assume {path}: {why}"), transient),
            caller_rejected,
        }
    }
}

/// What to do about a refusal, by who asked.
#[derive(Clone, Copy, Debug)]
struct Remedies {
    rejected: &'static str,
    denied: &'static str,
}

const BY_OPERATOR: Remedies = Remedies {
    rejected: "check the operator's own",
    denied: "allow sts:AssumeRole to the operator's identity, and name that identity in the role's trust policy",
};
const BY_TOKEN: Remedies = Remedies {
    rejected: "check that IAM's identity provider is this cluster's",
    denied: "name the account and its audience in the role's trust policy, and the cluster's issuer among IAM's \
             identity providers",
};

impl Refused {
    fn not_transient(message: String) -> Self {
        Self {
            error: identity(message, false),
            caller_rejected: false,
        }
    }
}

fn identity(message: String, transient: bool) -> CallError {
    CallError::Identity { message, transient }
}

/// A region of the role's partition, for operators without one. `us-west-2` is KES's.
fn home_region(role: &RoleArn) -> &'static str {
    match role.as_str().split(':').nth(1) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => "us-west-2",
    }
}

fn session(granted: Option<Granted>, path: &str) -> Result<Credentials, Refused> {
    let session = granted.and_then(|session| {
        let expires = std::time::SystemTime::try_from(session.expiration).ok()?;
        Some(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            Some(expires),
            "keyhole",
        ))
    });
    session.ok_or_else(|| Refused {
        error: identity(format!("cannot assume {path}: STS answered without credentials"), true),
        caller_rejected: false,
    })
}

fn mask(credentials: &Credentials) -> Mask {
    let mut mask = Mask::default();
    mask.add(&SecretBytes::from(credentials.secret_access_key().to_owned()));
    if let Some(token) = credentials.session_token() {
        mask.add(&SecretBytes::from(token.to_owned()));
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_global_endpoint_is_used_only_when_asked_for_and_where_there_is_one() {
        let sts = |endpoint_type, endpoint: Option<&str>| Sts {
            http: super::super::http_client::build(None),
            region: Some("eu-west-1".into()),
            endpoint_type,
            endpoint: endpoint.map(str::to_owned),
        };
        let role: RoleArn = "arn:aws:iam::1:role/a".parse().unwrap();
        assert_eq!(sts(StsEndpointType::Regional, None).target(&role), ("eu-west-1", None));
        assert_eq!(
            sts(StsEndpointType::Regional, Some("http://x")).target(&role),
            ("eu-west-1", Some("http://x"))
        );
        let legacy = sts(StsEndpointType::Legacy, None);
        assert_eq!(legacy.target(&role), ("us-east-1", Some("https://sts.amazonaws.com")));
        assert_eq!(
            legacy.target(&"arn:aws-cn:iam::1:role/a".parse().unwrap()),
            ("eu-west-1", None)
        );
        assert_eq!(
            sts(StsEndpointType::Legacy, Some("http://x")).target(&role),
            ("us-east-1", Some("http://x"))
        );
    }

    #[test]
    fn an_operator_without_a_region_asks_in_the_roles_partition() {
        let region = |arn: &str| home_region(&arn.parse().unwrap());
        assert_eq!(region("arn:aws:iam::1:role/a"), "us-west-2");
        assert_eq!(region("arn:aws-cn:iam::1:role/a"), "cn-north-1");
        assert_eq!(region("arn:aws-us-gov:iam::1:role/a"), "us-gov-west-1");
    }
}
