//! Steers a `fake-aws` that runs in a process of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use crate::control::{ParameterSeed, Throttle};
use crate::fault::Fault;
use crate::ledger::{Counts, RequestRecord};
use crate::policy::Deny;

/// How long one control request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of the control API of a `fake-aws` process.
#[derive(Clone)]
pub struct FakeAwsClient {
    endpoint: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl FakeAwsClient {
    /// A client of the server at `endpoint`, e.g. `http://127.0.0.1:4599`.
    #[must_use]
    pub fn new(endpoint: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            http,
        }
    }

    /// The server's endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Creates or rotates a secret.
    pub async fn set_secret(&self, region: &str, name: &str, value: impl Into<Bytes>) -> anyhow::Result<()> {
        self.send(Method::PUT, &format!("secrets/{region}/{name}"), value.into())
            .await
            .map(drop)
    }

    /// Creates or rotates many secrets at once.
    pub async fn set_secrets(&self, region: &str, values: &BTreeMap<String, String>) -> anyhow::Result<()> {
        self.post(&format!("secrets/{region}"), values).await
    }

    /// Removes a secret that exists.
    pub async fn remove_secret(&self, region: &str, name: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, &format!("secrets/{region}/{name}"), Bytes::new())
            .await
            .map(drop)
    }

    /// Creates a SecureString or gives it a new version.
    pub async fn set_parameter(&self, region: &str, name: &str, value: impl Into<Bytes>) -> anyhow::Result<()> {
        self.send(Method::PUT, &format!("parameters/{region}/{name}"), value.into())
            .await
            .map(drop)
    }

    /// Creates many parameters at once, or gives them new versions.
    pub async fn set_parameters(&self, region: &str, seeds: &BTreeMap<String, ParameterSeed>) -> anyhow::Result<()> {
        self.post(&format!("parameters/{region}"), seeds).await
    }

    /// Deletes a parameter that exists.
    pub async fn remove_parameter(&self, region: &str, name: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, &format!("parameters/{region}/{name}"), Bytes::new())
            .await
            .map(drop)
    }

    /// What was called how often.
    pub async fn counts(&self) -> anyhow::Result<Counts> {
        self.get("counts").await
    }

    /// The last requests.
    pub async fn requests(&self) -> anyhow::Result<Vec<RequestRecord>> {
        self.get("requests").await
    }

    /// Forgets counts and requests.
    pub async fn reset_counts(&self) -> anyhow::Result<()> {
        self.send(Method::DELETE, "counts", Bytes::new()).await.map(drop)
    }

    /// Adds a fault.
    pub async fn fault(&self, fault: &Fault) -> anyhow::Result<()> {
        self.post("faults", fault).await
    }

    /// Ends all faults and throttles.
    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        self.send(Method::DELETE, "faults", Bytes::new()).await.map(drop)
    }

    /// Denies something.
    pub async fn deny(&self, deny: &Deny) -> anyhow::Result<()> {
        self.post("denials", deny).await
    }

    /// Allows everything again.
    pub async fn clear_denials(&self) -> anyhow::Result<()> {
        self.send(Method::DELETE, "denials", Bytes::new()).await.map(drop)
    }

    /// Lets `per_second` requests of an operation pass after a burst, and throttles the rest.
    pub async fn throttle(&self, operation: &str, per_second: f64, burst: f64) -> anyhow::Result<()> {
        let body = serde_json::to_vec(&Throttle {
            operation: operation.to_owned(),
            per_second,
            burst,
        })?;
        self.send(Method::PUT, "throttle", body.into()).await.map(drop)
    }

    /// Every answer takes this long from now on.
    pub async fn set_latency(&self, latency: Duration) -> anyhow::Result<()> {
        self.send(Method::PUT, "latency", latency.as_millis().to_string().into())
            .await
            .map(drop)
    }

    /// Ends every session.
    pub async fn expire_sessions(&self) -> anyhow::Result<()> {
        self.send(Method::POST, "sessions/expire", Bytes::new()).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        Ok(serde_json::from_slice(
            &self.send(Method::GET, path, Bytes::new()).await?,
        )?)
    }

    async fn post(&self, path: &str, body: &impl serde::Serialize) -> anyhow::Result<()> {
        self.send(Method::POST, path, serde_json::to_vec(body)?.into())
            .await
            .map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let uri = format!("{}/_fake/{path}", self.endpoint);
        let request = Request::builder().method(method).uri(&uri).body(Full::new(body))?;
        let exchange = async {
            let response = self.http.request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            if !status.is_success() {
                bail!("{status}: {}", String::from_utf8_lossy(&body).trim());
            }
            Ok(body)
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .context("no answer")?
            .with_context(|| uri.clone())
    }
}
