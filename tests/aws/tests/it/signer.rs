//! A client that signs as the host does, and lets a test spoil the request in between.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use keyhole_test_aws::{Credentials, FakeAws};
use serde_json::Value;

pub struct Signer {
    pub credentials: Credentials,
    pub region: String,
    pub service: String,
    /// What stands before the operation in `X-Amz-Target`.
    pub target: &'static str,
    pub time: SystemTime,
    endpoint: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
}

impl Signer {
    pub fn new(fake: &FakeAws) -> Self {
        Self {
            credentials: fake.base_credentials(),
            region: "eu-west-1".to_owned(),
            service: "secretsmanager".to_owned(),
            target: "secretsmanager",
            time: SystemTime::now(),
            endpoint: fake.endpoint(),
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub fn sts(fake: &FakeAws) -> Self {
        Self {
            service: "sts".to_owned(),
            region: "us-east-1".to_owned(),
            ..Self::new(fake)
        }
    }

    pub fn ssm(fake: &FakeAws) -> Self {
        Self {
            service: "ssm".to_owned(),
            target: "AmazonSSM",
            ..Self::new(fake)
        }
    }

    pub fn with(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// A signed request to a JSON service.
    pub fn request(&self, operation: &str, input: &Value) -> Request<Full<Bytes>> {
        self.request_for_host(self.endpoint.strip_prefix("http://").unwrap(), operation, input)
    }

    /// The same under another `Host`, as when a canonical name leads here.
    pub fn request_for_host(&self, host: &str, operation: &str, input: &Value) -> Request<Full<Bytes>> {
        let target = format!("{}.{operation}", self.target);
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        self.signed(host, &headers, &input.to_string())
    }

    /// A signed request to STS.
    pub fn query(&self, form: &str) -> Request<Full<Bytes>> {
        let host = self.endpoint.strip_prefix("http://").unwrap();
        self.signed(host, &[("content-type", "application/x-www-form-urlencoded")], form)
    }

    fn signed(&self, host: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
        let uri = format!("{}/", self.endpoint);
        let mut request = Request::post(&uri).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let identity: Identity = aws_credential_types::Credentials::new(
            &self.credentials.access_key_id,
            &self.credentials.secret_access_key,
            self.credentials.session_token.clone(),
            None,
            "test",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap();
        let signed: Vec<(&str, &str)> = [("host", host)].into_iter().chain(headers.iter().copied()).collect();
        let signable = SignableRequest::new("POST", &uri, signed.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let (instructions, _) = sign(signable.unwrap(), &params.into()).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let exchange = async {
            let response: Response<_> = self.http.request(request).await?;
            let status = response.status().as_u16();
            let content_type = response.headers()["content-type"].to_str()?.to_owned();
            Ok(Answer {
                status,
                content_type,
                body: response.into_body().collect().await?.to_bytes(),
            })
        };
        tokio::time::timeout(Duration::from_secs(10), exchange).await?
    }

    pub async fn call(&self, operation: &str, input: Value) -> Answer {
        self.send(self.request(operation, &input)).await.unwrap()
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// The error code of an answer that must be an error.
    pub fn error(&self) -> String {
        assert!(self.status >= 400, "no error: {}", self.text());
        match self.content_type.as_str() {
            "text/xml" => element(&self.text(), "Code").to_owned(),
            _ => self.json()["__type"].as_str().unwrap().to_owned(),
        }
    }
}

/// Text of the first element of this name.
pub fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let after = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("no {name} in {xml}"))
        .1;
    after.split_once(&format!("</{name}>")).unwrap().0
}

/// The credentials in an answer of `AssumeRole`.
pub fn session(xml: &str) -> Credentials {
    Credentials {
        access_key_id: element(xml, "AccessKeyId").to_owned(),
        secret_access_key: element(xml, "SecretAccessKey").to_owned(),
        session_token: Some(element(xml, "SessionToken").to_owned()),
    }
}
