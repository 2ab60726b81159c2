//! Flags about AWS. The host's own credentials come from AWS's standard chain and have no flags.

use clap::ValueEnum;
use keyhole_core::RoleArn;
use keyhole_identity::StsEndpointType;
use keyhole_sandbox::EndpointOverrides;
use keyhole_sandbox::egress::Proxy;

/// Flags about AWS.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "AWS")]
pub struct AwsArgs {
    /// Region of objects that name none, and of STS; where this is not set, AWS_DEFAULT_REGION or the region of the active profile counts
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    pub aws_region: Option<String>,
    /// Role that is assumed first whenever an object names a role
    #[arg(long, env = "AWS_INTERMEDIATE_ROLE_ARN", value_name = "ARN")]
    pub aws_intermediate_role_arn: Option<RoleArn>,
    /// Endpoint of STS that is asked when none is named
    #[arg(long, env = "AWS_STS_ENDPOINT_TYPE", value_name = "TYPE", default_value = "regional")]
    pub aws_sts_endpoint_type: StsEndpoint,
    /// Endpoint of Secrets Manager, e.g. a VPC endpoint
    #[arg(long, env = "AWS_SM_ENDPOINT", value_name = "URL")]
    pub aws_sm_endpoint: Option<String>,
    /// Endpoint of SSM
    #[arg(long, env = "AWS_SSM_ENDPOINT", value_name = "URL")]
    pub aws_ssm_endpoint: Option<String>,
    /// Endpoint of STS
    #[arg(long, env = "AWS_STS_ENDPOINT", value_name = "URL")]
    pub aws_sts_endpoint: Option<String>,
    /// Endpoint of every service that has none of its own. AWS_ENDPOINT_URL_SECRETS_MANAGER, .._SSM and .._STS
    /// name one for a service
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL")]
    pub aws_endpoint_url: Option<String>,
    /// Proxy for stores, STS and registries where HTTPS_PROXY and ALL_PROXY name none. NO_PROXY lists what is reached without one
    #[arg(long, env = "HTTP_PROXY", value_name = "URL")]
    pub http_proxy: Option<String>,
    /// Speak to localstack in place of AWS; the region of objects is ignored then. Off for 0, false, no and off
    #[arg(long, env = "LOCALSTACK", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub localstack: Option<String>,
    /// Secrets Manager of localstack [default: http://localhost:4566]
    #[arg(long, env = "LOCALSTACK_SM_URL", value_name = "URL")]
    pub localstack_sm_url: Option<String>,
    /// SSM of localstack [default: http://localhost:4566]
    #[arg(long, env = "LOCALSTACK_SSM_URL", value_name = "URL")]
    pub localstack_ssm_url: Option<String>,
    /// STS of localstack [default: http://localhost:4566]
    #[arg(long, env = "LOCALSTACK_STS_URL", value_name = "URL")]
    pub localstack_sts_url: Option<String>,
}

/// Which endpoint of STS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StsEndpoint {
    /// The one of the operator's region.
    Regional,
    /// `sts.amazonaws.com`.
    Legacy,
}

impl From<StsEndpoint> for StsEndpointType {
    fn from(endpoint: StsEndpoint) -> Self {
        match endpoint {
            StsEndpoint::Regional => Self::Regional,
            StsEndpoint::Legacy => Self::Legacy,
        }
    }
}

impl AwsArgs {
    /// Endpoints from flags and variables.
    pub fn endpoints(&self, env: impl Fn(&str) -> Option<String>) -> anyhow::Result<EndpointOverrides> {
        let flag = |name: &str| match name {
            "AWS_SM_ENDPOINT" => Some(&self.aws_sm_endpoint),
            "AWS_SSM_ENDPOINT" => Some(&self.aws_ssm_endpoint),
            "AWS_STS_ENDPOINT" => Some(&self.aws_sts_endpoint),
            "AWS_ENDPOINT_URL" => Some(&self.aws_endpoint_url),
            "LOCALSTACK" => Some(&self.localstack),
            "LOCALSTACK_SM_URL" => Some(&self.localstack_sm_url),
            "LOCALSTACK_SSM_URL" => Some(&self.localstack_ssm_url),
            "LOCALSTACK_STS_URL" => Some(&self.localstack_sts_url),
            _ => None,
        };
        Ok(EndpointOverrides::from_env(|name| match flag(name) {
            Some(value) => value.clone(),
            None => env(name),
        })?)
    }

    /// The proxy from flag and variables.
    pub fn proxy(&self, env: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
        Proxy::from_env(|name| match name {
            "HTTP_PROXY" => self.http_proxy.clone(),
            _ => env(name),
        })
    }

    /// The region, also under its older name.
    pub fn region(&self, env: impl Fn(&str) -> Option<String>) -> Option<String> {
        self.aws_region
            .clone()
            .or_else(|| env("AWS_DEFAULT_REGION").filter(|region| !region.is_empty()))
    }
}
