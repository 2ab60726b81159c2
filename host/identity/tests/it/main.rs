//! Identities against an STS that verifies every signature.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod accounts;
mod api_server;
mod assume_role;
mod cluster;
mod failures;
mod web_identity;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use keyhole_core::{CallError, Identity};
use keyhole_identity::{Identities, IdentityConfig};
use keyhole_sandbox::{AwsSessions as _, EndpointOverrides};
use keyhole_test_aws::{FakeAws, FakeConfig};

const APP: &str = "arn:aws:iam::123456789012:role/app";
const HUB: &str = "arn:aws:iam::123456789012:role/hub";

/// The system's time, and what a test adds to it.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<Mutex<Duration>>);

impl Clock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::now() + *self.0.lock().unwrap()
    }
}

fn aws() -> FakeAws {
    FakeAws::start(FakeConfig::default()).unwrap()
}

fn config(aws: &FakeAws) -> IdentityConfig {
    let base = aws.base_credentials();
    let base = Credentials::new(base.access_key_id, base.secret_access_key, None, None, "test");
    IdentityConfig {
        region: Some("eu-west-1".into()),
        endpoints: EndpointOverrides::default().with("sts", &aws.endpoint()).unwrap(),
        credentials: Some(SharedCredentialsProvider::new(base)),
        ..IdentityConfig::default()
    }
}

fn role(arn: &str) -> Identity {
    Identity {
        account: None,
        role: Some(arn.parse().unwrap()),
        namespace_tag: None,
    }
}

async fn session(identities: &Identities, identity: &Identity) -> Result<Credentials, CallError> {
    identities.session(identity).await
}

fn clocked(aws: &FakeAws) -> (Identities, Clock) {
    let clock = Clock::default();
    let config = IdentityConfig {
        clock: SharedTimeSource::new(clock.clone()),
        ..config(aws)
    };
    (Identities::new(config), clock)
}
