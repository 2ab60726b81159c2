//! A server of canned answers for the tests of plugins: what the real SDK sends, and what is made of
//! what comes in. It panics at whatever a test did not foresee.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "only tests use it, and a test that meets something unforeseen should stop right there"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value as Json;

use crate::{Sdk, Settings};

/// One answer: status, headers and body.
type Answer = (u16, &'static [(&'static str, &'static str)], String);

/// A server that gives one answer, or none at all, and keeps what it was asked.
#[derive(Clone, Debug)]
pub struct Canned {
    answer: Option<Answer>,
    asked: Arc<Mutex<VecDeque<(String, String, Json)>>>,
}

impl Canned {
    /// Always answers this.
    pub fn new(status: u16, body: impl ToString) -> Self {
        Self::with(status, &[], body)
    }

    /// Always answers this, with these headers.
    pub fn with(status: u16, headers: &'static [(&'static str, &'static str)], body: impl ToString) -> Self {
        Self {
            answer: Some((status, headers, body.to_string())),
            asked: Arc::default(),
        }
    }

    /// Nobody is there.
    #[must_use]
    pub fn absent() -> Self {
        Self {
            answer: None,
            asked: Arc::default(),
        }
    }

    /// An SDK that speaks to it.
    #[must_use]
    pub fn sdk(&self, settings: &Settings) -> Sdk {
        let (http, sleep) = (SharedHttpClient::new(self.clone()), SharedAsyncSleep::new(NoSleep));
        Sdk::new(settings, Duration::ZERO, http, sleep).unwrap()
    }

    /// URL, action and body of the oldest request that was not looked at yet.
    #[must_use]
    pub fn asked(&self) -> (String, String, Json) {
        self.asked.lock().unwrap().pop_front().unwrap()
    }

    /// How many requests were not looked at yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// Settings that name this region and nothing else.
#[must_use]
pub fn region(region: &str) -> Settings {
    Settings {
        region: region.to_owned(),
        ..Settings::default()
    }
}

/// Regions of all partitions, and one that does not exist yet.
pub const REGIONS: [&str; 9] = [
    "eu-west-1",
    "us-gov-west-1",
    "cn-north-1",
    "eusc-de-east-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eu-isoe-west-1",
    "us-isof-south-1",
    "xx-new-9",
];

/// Every form of endpoint in every partition, as settings.
pub fn everywhere() -> impl Iterator<Item = Settings> {
    let forms = [(false, false), (true, false), (false, true), (true, true)];
    REGIONS.iter().flat_map(move |name| {
        forms.map(|(use_fips_endpoint, use_dualstack_endpoint)| Settings {
            use_fips_endpoint,
            use_dualstack_endpoint,
            ..region(name)
        })
    })
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let action = request.headers().get("x-amz-target").unwrap().to_owned();
        let signature = request.headers().get("authorization").unwrap();
        assert!(signature.contains("Credential=KEYHOLE/"), "{signature}");
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let asked = (request.uri().to_owned(), action, body);
        self.asked.lock().unwrap().push_back(asked);
        let Some((status, headers, body)) = &self.answer else {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("refused".into())));
        };
        let status = StatusCode::try_from(*status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(body.as_str()));
        for (name, value) in *headers {
            response.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// Without a deadline, the only thing to wait for would be another attempt, and the host makes those.
#[derive(Debug)]
struct NoSleep;

impl AsyncSleep for NoSleep {
    fn sleep(&self, time: Duration) -> Sleep {
        panic!("the SDK waits {time:?}, so it retries")
    }
}
