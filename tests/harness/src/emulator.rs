//! Writes secrets and parameters into an emulator that looks at no signature: moto, localstack.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::http;

/// Calls an operation of a JSON service; emulators take region and service from the credential scope.
async fn call(url: &str, service: &str, region: &str, target: &str, input: &Value) -> anyhow::Result<Value> {
    let scope = format!("AKIAEMULATOR/20260101/{region}/{service}/aws4_request");
    let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", target),
        ("authorization", &authorization),
    ];
    let answer = http::post(url, &headers, input.to_string()).await?;
    serde_json::from_str(&answer).with_context(|| format!("{url} answered {answer}"))
}

/// The Secrets Manager of an emulator.
#[derive(Clone, Debug)]
pub struct SecretsManagerEndpoint {
    url: String,
}

impl SecretsManagerEndpoint {
    /// The one at this URL.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates a secret with a text value, or gives it a new one.
    pub async fn put_secret(&self, region: &str, name: &str, text: &str) -> anyhow::Result<()> {
        let put = json!({"SecretId": name, "SecretString": text});
        match self.call(region, "PutSecretValue", &put).await {
            Err(error) if format!("{error:#}").contains("ResourceNotFoundException") => self
                .call(region, "CreateSecret", &json!({"Name": name, "SecretString": text}))
                .await
                .map(drop),
            outcome => outcome.map(drop),
        }
    }

    /// Calls an operation.
    pub async fn call(&self, region: &str, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let target = format!("secretsmanager.{operation}");
        call(&self.url, "secretsmanager", region, &target, input).await
    }
}

/// The Parameter Store of an emulator.
#[derive(Clone, Debug)]
pub struct ParameterStoreEndpoint {
    url: String,
}

impl ParameterStoreEndpoint {
    /// The one at this URL.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    /// Creates a parameter of this type, or gives it a new version.
    pub async fn put_parameter(&self, region: &str, name: &str, kind: &str, value: &str) -> anyhow::Result<()> {
        let put = json!({"Name": name, "Type": kind, "Value": value, "Overwrite": true});
        call(&self.url, "ssm", region, "AmazonSSM.PutParameter", &put)
            .await
            .map(drop)
    }
}
