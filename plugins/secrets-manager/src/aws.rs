//! The two calls by way of the official SDK.
//!
//! The SDK must not retry (the host does, for all objects together), must not guard against stalls
//! (the host does) and holds nothing worth stealing: it signs with a placeholder.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Builder, Config, IdentityCache, Region, SharedAsyncSleep, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::primitives::Blob;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use keyhole_sdk::Content;

use crate::api::{Api, Entry, Fetched, Page};
use crate::ask::{Ask, Version};
use crate::fault::{Cause, Fault};
use crate::settings::Settings;

/// The key id by which the host knows what to sign anew.
const PLACEHOLDER: &str = "KEYHOLE";

/// What is kept of the call's time for handing the answers over.
const MARGIN: Duration = Duration::from_secs(1);

/// Secrets Manager in one region.
pub struct Aws {
    client: Client,
    until: Option<Instant>,
}

impl Aws {
    /// A client for these settings. Everything must be answered within `deadline`; zero is no limit.
    pub fn new(settings: &Settings, deadline: Duration, http: SharedHttpClient, sleep: SharedAsyncSleep) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .use_fips(settings.use_fips_endpoint)
            .use_dual_stack(settings.use_dualstack_endpoint)
            .credentials_provider(Credentials::from_keys(PLACEHOLDER, PLACEHOLDER, None))
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http)
            .sleep_impl(sleep)
            .build();
        let until = (!deadline.is_zero()).then(|| Instant::now() + deadline.saturating_sub(MARGIN));
        Self {
            client: Client::from_conf(config),
            until,
        }
    }

    /// Time that one call may take, given its share of what is left.
    fn time(&self, share: u32) -> Result<Builder, Fault> {
        let mut timeouts = TimeoutConfig::builder();
        if let Some(until) = self.until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::of(Cause::TimedOut));
            }
            timeouts = timeouts.operation_timeout(left / share);
        }
        Ok(Config::builder().timeout_config(timeouts.build()))
    }
}

impl Api for Aws {
    async fn get(&self, ask: &Ask) -> Result<Fetched, Fault> {
        let call = self.client.get_secret_value().secret_id(&ask.secret);
        let call = match &ask.version {
            Version::Id(id) => call.version_id(id),
            Version::Stage(stage) => call.version_stage(stage),
        };
        let answer = call
            .customize()
            .config_override(self.time(1)?)
            .send()
            .await
            .map_err(fault)?;
        fetched(answer.secret_binary, answer.secret_string, answer.version_id)
    }

    async fn batch(&self, names: &[&str], page: Option<&str>) -> Result<Page, Fault> {
        let names = names.iter().map(ToString::to_string).collect();
        let call = self.client.batch_get_secret_value().set_secret_id_list(Some(names));
        let call = call.set_next_token(page.map(str::to_owned));
        // Half of the time, so that what it leaves open can still be asked singly.
        let answer = call
            .customize()
            .config_override(self.time(2)?)
            .send()
            .await
            .map_err(fault)?;
        let values = answer.secret_values.unwrap_or_default().into_iter().map(|value| Entry {
            names: value.name.into_iter().chain(value.arn).collect(),
            answer: fetched(value.secret_binary, value.secret_string, value.version_id),
        });
        let errors = answer.errors.unwrap_or_default().into_iter().map(|error| Entry {
            names: error.secret_id.into_iter().collect(),
            answer: Err(Fault::refused(error.error_code, error.message)),
        });
        Ok(Page {
            entries: values.chain(errors).collect(),
            next: answer.next_token,
        })
    }
}

/// As in KES, bytes are preferred over text. Neither is a fault, where KES writes the text `null`.
fn fetched(bytes: Option<Blob>, text: Option<String>, version_id: Option<String>) -> Result<Fetched, Fault> {
    let content = match (bytes, text) {
        (Some(bytes), _) => Content::Bytes(bytes.into_inner()),
        (None, Some(text)) => Content::Text(text),
        (None, None) => return Err(Fault::of(Cause::NoValue)),
    };
    Ok(Fetched { content, version_id })
}

/// What went wrong. Of a response nothing is kept but the service's code and message: the body of an
/// answer that cannot be read may hold values.
fn fault<E: ProvideErrorMetadata>(error: SdkError<E, HttpResponse>) -> Fault {
    let cause = match &error {
        // To the SDK, a success that it cannot read is an unknown error of the service.
        SdkError::ServiceError(error) if error.raw().status().is_success() => Cause::Unreadable,
        SdkError::ServiceError(_) => Cause::Refused,
        SdkError::ResponseError(_) => Cause::Unreadable,
        SdkError::TimeoutError(_) => Cause::TimedOut,
        SdkError::ConstructionFailure(_) => Cause::NotSent,
        _ => Cause::Unreachable,
    };
    let response = error.raw_response();
    Fault {
        cause,
        code: error.code().map(str::to_owned),
        message: error.message().map(str::to_owned),
        status: response.map(|response| response.status().as_u16()),
        retry_after: response.and_then(retry_after),
    }
}

/// `Retry-After` in seconds (RFC 9110; AWS does not send dates), or AWS's own header in milliseconds.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let header = |name| response.headers().get(name)?.trim().parse().ok();
    header("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| header("retry-after").map(Duration::from_secs))
}

#[cfg(test)]
mod tests;
