//! Writes secrets into an emulator that looks at no signature: moto, localstack.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::http;

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

    /// Calls an operation; emulators take the region from the credential scope.
    pub async fn call(&self, region: &str, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let scope = format!("AKIAEMULATOR/20260101/{region}/secretsmanager/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", &format!("secretsmanager.{operation}")),
            ("authorization", &authorization),
        ];
        let answer = http::post(&self.url, &headers, input.to_string()).await?;
        serde_json::from_str(&answer).with_context(|| format!("{} answered {answer}", self.url))
    }
}
