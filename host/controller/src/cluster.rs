//! The requests that this host makes for Secrets and status, each with a bound and a measure.
//!
//! Answers to writes are asked for without the data, and what is read goes straight into
//! [`Target`]; see there for why the client library's typed requests are not used for Secrets.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, HeaderValue};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use keyhole_api::names::FIELD_MANAGER;
use keyhole_api::{ExternalSecret, ExternalSecretStatus};
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::core::{Request, Resource};
use kube::{Client, core::request};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::api_error::ApiError;

use crate::metrics::Metrics;
use crate::plan::ObjectKey;
use crate::write::target::Target;

/// No single request to the API server is waited for longer than this.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks for the metadata of a written object only.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// The API server, as writers and reporters use it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    metrics: Arc<Metrics>,
}

/// An ExternalSecret as it is read again after a conflict.
#[derive(Debug, Deserialize)]
pub struct Object {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// Its status.
    #[serde(default)]
    pub status: ExternalSecretStatus,
}

#[derive(Deserialize)]
struct MetadataOnly {
    #[serde(default)]
    metadata: ObjectMeta,
}

impl Cluster {
    /// Requests go through `client`, and are counted in `metrics`.
    #[must_use]
    pub fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        Self { client, metrics }
    }

    /// The Secret of this key, if there is one.
    pub async fn secret(&self, key: &ObjectKey) -> Result<Option<Target>, ApiError> {
        let answer = self
            .send("get", secrets(key).get(&key.name, &GetParams::default()))
            .await;
        let secret = found(answer).and_then(|text| match text {
            Some(text) => Target::parse(&text)
                .map(Some)
                .map_err(|error| ApiError::Other(error.to_string())),
            None => Ok(None),
        });
        self.count_read("full", &secret);
        secret
    }

    /// The version of the Secret of this key, if there is one, without its data.
    pub async fn secret_version(&self, key: &ObjectKey) -> Result<Option<String>, ApiError> {
        let answer = self
            .send("get", secrets(key).get_metadata(&key.name, &GetParams::default()))
            .await;
        let version = found(answer).and_then(|text| text.map(|text| version(&text)).transpose());
        self.count_read("metadata", &version);
        version
    }

    /// Creates the Secret and returns its version.
    pub async fn create(&self, key: &ObjectKey, secret: &Target) -> Result<String, ApiError> {
        let result = match secret.body() {
            Ok(body) => self.write("create", secrets(key).create(&post(), body)).await,
            Err(error) => Err(ApiError::Other(error.to_string())),
        };
        self.count_write("create", &result);
        result
    }

    /// Replaces the Secret of `secret`'s own resource version and returns the new one.
    pub async fn replace(&self, key: &ObjectKey, secret: &Target) -> Result<String, ApiError> {
        let result = match secret.body() {
            Ok(body) => {
                self.write("update", secrets(key).replace(&key.name, &post(), body))
                    .await
            }
            Err(error) => Err(ApiError::Other(error.to_string())),
        };
        self.count_write("update", &result);
        result
    }

    /// The ExternalSecret as it is now, if there is one.
    pub async fn object(&self, key: &ObjectKey) -> Result<Option<Object>, ApiError> {
        let answer = self
            .send("get", objects(key).get(&key.name, &GetParams::default()))
            .await;
        found(answer)?.map(|text| read_object(&text)).transpose()
    }

    /// Merges `patch` into the object's status and returns the object as the API server keeps it.
    pub async fn patch_status(&self, key: &ObjectKey, patch: &Json) -> Result<Object, ApiError> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let request = objects(key).patch_subresource("status", &key.name, &params, &Patch::Merge(patch));
        read_object(&self.send("patch", request).await?)
    }

    async fn write(
        &self,
        verb: &str,
        request: Result<http::Request<Vec<u8>>, request::Error>,
    ) -> Result<String, ApiError> {
        let request = request.map(|mut request| {
            request.headers_mut().insert(ACCEPT, METADATA_ONLY);
            request
        });
        version(&self.send(verb, request).await?)
    }

    async fn send(
        &self,
        verb: &str,
        request: Result<http::Request<Vec<u8>>, request::Error>,
    ) -> Result<String, ApiError> {
        let request = request.map_err(|error| ApiError::Other(error.to_string()))?;
        let timer = self.metrics.api_seconds.with_label_values(&[verb]).start_timer();
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.client.request_text(request)).await;
        timer.observe_duration();
        match answer {
            Ok(answer) => answer.map_err(ApiError::from),
            Err(_) => Err(ApiError::timed_out(REQUEST_TIMEOUT)),
        }
    }

    fn count_read<T>(&self, kind: &str, result: &Result<Option<T>, ApiError>) {
        let outcome = match result {
            Ok(Some(_)) => "ok",
            Ok(None) => "absent",
            Err(_) => "error",
        };
        self.metrics.secret_reads.with_label_values(&[kind, outcome]).inc();
    }

    fn count_write(&self, verb: &str, result: &Result<String, ApiError>) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(ApiError::AlreadyExists | ApiError::Conflict | ApiError::NotFound) => "conflict",
            Err(ApiError::Unavailable(_) | ApiError::Other(_)) => "error",
            Err(_) => "refused",
        };
        self.metrics.secret_writes.with_label_values(&[verb, outcome]).inc();
    }
}

fn secrets(key: &ObjectKey) -> Request {
    Request::new(Secret::url_path(&(), Some(&key.namespace)))
}

fn objects(key: &ObjectKey) -> Request {
    Request::new(ExternalSecret::url_path(&(), Some(&key.namespace)))
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn found(answer: Result<String, ApiError>) -> Result<Option<String>, ApiError> {
    match answer {
        Ok(text) => Ok(Some(text)),
        Err(ApiError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn version(text: &str) -> Result<String, ApiError> {
    let answer: Result<MetadataOnly, _> = serde_json::from_str(text);
    answer
        .ok()
        .and_then(|answer| answer.metadata.resource_version)
        .ok_or_else(|| ApiError::Other("the API server's answer has no resourceVersion".to_owned()))
}

fn read_object(text: &str) -> Result<Object, ApiError> {
    serde_json::from_str(text).map_err(|_| ApiError::Other("the API server's answer is no ExternalSecret".to_owned()))
}
