//! The configuration of an official SDK's client in the sandbox, and what is made of its errors.
//!
//! The SDK must not retry (the host does, for all objects together), must not guard against stalls
//! (the host does) and holds nothing worth stealing: it signs with a placeholder.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use keyhole_sdk::Error;

use crate::fault::{Cause, Fault};
use crate::settings::{Settings, region_problem};

/// The key id by which the host knows what to sign anew.
const PLACEHOLDER: &str = "KEYHOLE";

/// What is kept of the call's time for handing the answers over.
const MARGIN: Duration = Duration::from_secs(1);

/// What the client of a service is made from.
#[derive(Clone, Debug)]
pub struct Sdk {
    /// For `Client::new`.
    pub config: SdkConfig,
    /// For every operation.
    pub deadline: Deadline,
}

impl Sdk {
    /// For these settings. Everything must be answered within `time`; zero is no limit.
    ///
    /// # Errors
    ///
    /// When the region is none: it would become a part of a host name.
    pub fn new(
        settings: &Settings,
        time: Duration,
        http: SharedHttpClient,
        sleep: SharedAsyncSleep,
    ) -> Result<Self, Error> {
        if let Some(message) = region_problem(&settings.region) {
            return Err(Error::invalid("/settings/region", message));
        }
        let placeholder = Credentials::from_keys(PLACEHOLDER, PLACEHOLDER, None);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .use_fips(settings.use_fips_endpoint)
            .use_dual_stack(settings.use_dualstack_endpoint)
            .credentials_provider(SharedCredentialsProvider::new(placeholder))
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http)
            .sleep_impl(sleep)
            .build();
        Ok(Self {
            config,
            deadline: Deadline::after(time),
        })
    }
}

/// When everything must be answered.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    fn after(time: Duration) -> Self {
        Self((!time.is_zero()).then(|| Instant::now() + time.saturating_sub(MARGIN)))
    }

    /// What one operation may take, given its share of what is left: 1 is all, 2 is half.
    ///
    /// # Errors
    ///
    /// [`Cause::TimedOut`] when nothing is left.
    pub fn timeouts(&self, share: u32) -> Result<TimeoutConfig, Fault> {
        let mut timeouts = TimeoutConfig::builder();
        if let Some(until) = self.0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::of(Cause::TimedOut));
            }
            timeouts = timeouts.operation_timeout(left / share.max(1));
        }
        Ok(timeouts.build())
    }
}

/// What went wrong. Of a response nothing is kept but the service's code and message: the body of an
/// answer that cannot be read may hold values.
pub fn fault<E: ProvideErrorMetadata>(error: SdkError<E, HttpResponse>) -> Fault {
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
