//! Where the values come from.

use anyhow::Context as _;
use keyhole_test_aws::{Credentials, FakeAws, FakeConfig};
use keyhole_test_harness::{HostConfig, Moto, ParameterStoreEndpoint, SecretsManagerEndpoint};

/// The secret of the sample object.
pub const SECRET: &str = "prod/database";

/// The parameters of the sample object: all below its path, and the one that it names.
pub const PARAMETERS: [(&str, &str); 3] = [
    ("/prod/app/endpoint", "https://orders.example.com"),
    ("/prod/app/token", "sesame-open-1"),
    ("/prod/shared/license", "KH-2026-0042"),
];

/// A Secrets Manager and a Parameter Store.
pub enum Store {
    /// Our emulator, in this process.
    Fake(FakeAws),
    /// moto, or an endpoint that takes any signature, such as localstack.
    Endpoint {
        /// Kept alive.
        _moto: Option<Moto>,
        /// To create and rotate.
        endpoint: SecretsManagerEndpoint,
        /// What the host signs with.
        credentials: Credentials,
    },
    /// AWS itself, read with the user's own credentials; nothing is written there.
    Real,
}

impl Store {
    /// The one that `--aws` names.
    pub async fn open(aws: &str) -> anyhow::Result<Self> {
        match aws {
            "fake" => Ok(Self::Fake(FakeAws::start(FakeConfig::default())?)),
            "real" => Ok(Self::Real),
            "moto" => {
                let moto = Moto::start().await?;
                let (endpoint, credentials) = (moto.secrets_manager(), moto.credentials());
                Ok(Self::Endpoint {
                    _moto: Some(moto),
                    endpoint,
                    credentials,
                })
            }
            url if url.starts_with("http://") || url.starts_with("https://") => {
                let base = FakeConfig::default().base;
                let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
                let credentials = Credentials {
                    access_key_id: set("AWS_ACCESS_KEY_ID").unwrap_or(base.access_key_id),
                    secret_access_key: set("AWS_SECRET_ACCESS_KEY").unwrap_or(base.secret_access_key),
                    session_token: set("AWS_SESSION_TOKEN"),
                };
                Ok(Self::Endpoint {
                    _moto: None,
                    endpoint: SecretsManagerEndpoint::new(url),
                    credentials,
                })
            }
            other => anyhow::bail!("--aws takes fake, moto, real or a URL, not {other:?}"),
        }
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Fake(fake) => format!("our emulator at {}, which verifies every signature", fake.endpoint()),
            Self::Endpoint { endpoint, .. } => endpoint.url().to_owned(),
            Self::Real => "AWS, with the credentials of your environment".to_owned(),
        }
    }

    /// Creates the sample secret, or gives it a new value; false where nothing is written.
    pub async fn put(&self, region: &str, text: &str) -> anyhow::Result<bool> {
        match self {
            Self::Fake(fake) => {
                fake.set_secret(region, SECRET, text);
                Ok(true)
            }
            Self::Endpoint { endpoint, .. } => {
                endpoint
                    .put_secret(region, SECRET, text)
                    .await
                    .context("cannot write the sample secret")?;
                Ok(true)
            }
            Self::Real => Ok(false),
        }
    }

    /// Creates the sample parameters; false where nothing is written.
    pub async fn put_parameters(&self, region: &str) -> anyhow::Result<bool> {
        let store = match self {
            Self::Fake(fake) => {
                for (name, value) in PARAMETERS {
                    fake.set_parameter(region, name, value);
                }
                return Ok(true);
            }
            Self::Endpoint { endpoint, .. } => ParameterStoreEndpoint::new(endpoint.url()),
            Self::Real => return Ok(false),
        };
        for (name, value) in PARAMETERS {
            store
                .put_parameter(region, name, "SecureString", value)
                .await
                .context("cannot write the sample parameters")?;
        }
        Ok(true)
    }

    /// Tells the host where AWS is.
    pub fn configure(&self, host: HostConfig, region: &str) -> HostConfig {
        match self {
            Self::Fake(fake) => host.aws(fake, region),
            Self::Endpoint {
                endpoint, credentials, ..
            } => host.aws_at(endpoint.url(), credentials, region),
            Self::Real => {
                let about_aws = |name: &str| name.starts_with("AWS_") || name == "HOME" || name.ends_with("_PROXY");
                let own = std::env::vars().filter(|(name, _)| about_aws(name));
                own.fold(host.env("AWS_REGION", region), |host, (name, value)| {
                    host.env(&name, value)
                })
            }
        }
    }

    /// What the store saw of the host, where it can tell.
    pub fn seen(&self) -> Option<String> {
        let Self::Fake(fake) = self else { return None };
        let counts = fake.counts();
        let calls: Vec<String> = counts
            .calls
            .keys()
            .map(|name| format!("{} {name}", counts.of(name)))
            .collect();
        Some(format!("{}; signatures refused: {}", calls.join(", "), counts.refused))
    }

    /// How a person rotates the value.
    pub fn rotate_hint(&self, region: &str) -> Option<String> {
        match self {
            Self::Fake(fake) => Some(format!(
                "curl -X PUT {}/_fake/secrets/{region}/{SECRET} -d '{{\"username\":\"app\",\"password\":\"yours\"}}'",
                fake.endpoint()
            )),
            Self::Endpoint { endpoint, .. } => Some(format!(
                "aws --endpoint-url {} --region {region} secretsmanager put-secret-value --secret-id {SECRET} --secret-string ...",
                endpoint.url()
            )),
            Self::Real => None,
        }
    }
}
