//! The operator's own credentials: AWS's standard chain (environment, profile, web identity, container and
//! pod agents, instance metadata), in the order and with the variables of AWS's SDKs. Where the operator moved
//! STS, a web identity (IRSA) is exchanged there.

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::Region;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::timeout::TimeoutConfig;
use keyhole_core::CallError;
use tokio::sync::OnceCell;

use super::explain;
use super::sts::Sts;
use super::web_identity::WebIdentity;

/// The whole chain, metadata service included, must answer within this.
const DEADLINE: Duration = Duration::from_secs(12);

/// The chain, set up at first use.
#[derive(Debug)]
pub(crate) struct Base {
    http: SharedHttpClient,
    region: Region,
    sts: Sts,
    chain: OnceCell<SharedCredentialsProvider>,
}

impl Base {
    /// `given` is used in place of the chain.
    pub(crate) fn new(
        http: SharedHttpClient,
        region: Region,
        sts: Sts,
        given: Option<SharedCredentialsProvider>,
    ) -> Self {
        Self {
            http,
            region,
            sts,
            chain: OnceCell::new_with(given),
        }
    }

    /// Asks the chain, without any caching.
    pub(crate) async fn credentials(&self) -> Result<Credentials, CallError> {
        let asked = async {
            // The chain's own exchange knows none of the operator's endpoints.
            if self.chain.get().is_none()
                && self.sts.endpoint.is_some()
                && let Some(identity) = WebIdentity::from_env(|name| std::env::var(name).ok())
            {
                return identity.exchange(&self.sts).await;
            }
            let chain = self.chain.get_or_init(|| self.build()).await;
            chain.provide_credentials().await.map_err(|error| explained(&error))
        };
        match tokio::time::timeout(DEADLINE, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Identity {
                message: format!(
                    "the operator's AWS credentials could not be had within {} s",
                    DEADLINE.as_secs()
                ),
                transient: true,
            }),
        }
    }

    async fn build(&self) -> SharedCredentialsProvider {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(5))
            .build();
        let config = ProviderConfig::without_region()
            .with_http_client(self.http.clone())
            .with_timeout_config(timeouts);
        let chain = DefaultCredentialsChain::builder()
            .configure(config)
            .region(self.region.clone())
            .build()
            .await;
        SharedCredentialsProvider::new(chain)
    }
}

const REMEDY: &str = "give its service account a role (IRSA or EKS Pod Identity), or set AWS_ACCESS_KEY_ID and \
                      AWS_SECRET_ACCESS_KEY";

fn explained(error: &CredentialsError) -> CallError {
    let (message, transient) = match error {
        CredentialsError::CredentialsNotLoaded(_) => (format!("the operator has no AWS credentials; {REMEDY}"), false),
        CredentialsError::InvalidConfiguration(_) => {
            let why = explain::causes(error);
            (
                format!("the operator's AWS credentials are set up wrongly: {why}"),
                false,
            )
        }
        CredentialsError::ProviderTimedOut(_) => (
            "the source of the operator's AWS credentials did not answer in time".to_owned(),
            true,
        ),
        // What a source said may hold anything, e.g. the output of a credential process.
        _ => (
            "the source of the operator's AWS credentials failed; see the operator's own log".to_owned(),
            true,
        ),
    };
    CallError::Identity { message, transient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_printed_is_not_told() {
        let error = explained(&CredentialsError::provider_error("Stderr: SECRET"));
        assert!(!error.to_string().contains("SECRET"), "{error}");
        assert!(matches!(error, CallError::Identity { transient: true, .. }));
    }

    #[test]
    fn no_credentials_are_told_with_the_remedy() {
        let error = explained(&CredentialsError::not_loaded("nothing"));
        assert!(error.to_string().contains("IRSA"), "{error}");
        assert!(matches!(error, CallError::Identity { transient: false, .. }));
    }
}
