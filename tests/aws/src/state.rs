//! Everything the server knows, and the road of one request through it: verify, log, fault, throttle, answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::body::FaultyBody;
use crate::error::{AwsError, Refusal};
use crate::fault::{Effect, Faults, Throttles};
use crate::keyring::{Keyring, Principal, random};
use crate::ledger::{Ledger, RequestRecord};
use crate::parameters::Parameters;
use crate::policy::Deny;
use crate::secrets::Secrets;
use crate::signature::{Arrived, Claim, service_of, verify};
use crate::{secrets_manager, sts, system_manager};

/// All state, behind one lock that is never held across an await.
pub struct State(Mutex<Inner>);

pub struct Inner {
    pub account: String,
    pub keyring: Keyring,
    pub secrets: Secrets,
    pub parameters: Parameters,
    pub denials: Vec<Deny>,
    pub trust: BTreeMap<String, String>,
    pub faults: Faults,
    pub throttles: Throttles,
    pub ledger: Ledger,
    pub latency: Duration,
    pub session_lifetime: Option<Duration>,
    pub batch_page: usize,
}

/// The connection is to be reset.
#[derive(Debug)]
pub struct Reset;

/// What becomes of a request once it is verified and logged.
struct Plan {
    number: u64,
    json: bool,
    delay: Duration,
    effects: Vec<Effect>,
    outcome: Result<Bytes, AwsError>,
}

impl State {
    pub fn new(inner: Inner) -> Self {
        Self(Mutex::new(inner))
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request.
    pub async fn answer(&self, request: &Arrived<'_>) -> Result<Response<FaultyBody>, Reset> {
        let plan = self.lock().plan(request);
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        let (status, error, body, retry_after) = match plan.outcome {
            Ok(body) => (200, None, body, None),
            Err(error) => {
                let text = match plan.json {
                    true => error_object(&error).to_string(),
                    false => sts::error_document(&error),
                };
                (
                    error.status,
                    Some(error.code),
                    Bytes::from(text),
                    error.retry_after_seconds,
                )
            }
        };
        let mut content_type = if plan.json {
            "application/x-amz-json-1.1"
        } else {
            "text/xml"
        }
        .to_owned();
        let mut answer = FaultyBody::whole(body.clone());
        for effect in plan.effects {
            match effect {
                Effect::Hang => std::future::pending().await,
                Effect::Reset => return Err(Reset),
                Effect::Truncate => answer = FaultyBody::truncated(&body),
                Effect::Drip { bytes, every } => {
                    answer = FaultyBody::dripped(&body, bytes, Duration::from_millis(every));
                }
                Effect::Html => {
                    "text/html".clone_into(&mut content_type);
                    answer = Bytes::from_static(b"<html><body><h1>Welcome to the gateway</h1></body></html>").into();
                }
                Effect::ContentType(wrong) => content_type = wrong,
                Effect::Delay(_) | Effect::Error { .. } => {}
            }
        }
        self.lock().ledger.close(plan.number, status, error.as_deref());
        let mut response = Response::builder()
            .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .header("content-type", content_type)
            .header("x-amzn-requestid", random(16));
        if let Some(seconds) = retry_after {
            response = response.header("retry-after", seconds);
        }
        response.body(answer).map_err(|_| Reset)
    }
}

impl Inner {
    fn plan(&mut self, request: &Arrived<'_>) -> Plan {
        let now = Timestamp::now();
        let service = service_of(request);
        let json = service != Some("sts");
        let input = Input::read(request, service);
        let (operation, resources) = (input.operation(request), input.resources());
        let claim = Claim::parse(request.headers);
        let unsigned = match &input {
            Input::Form(form) if operation == sts::WEB_IDENTITY => Some(sts::who_shows(form, &mut self.keyring, now)),
            _ => None,
        };
        let verified = match unsigned {
            Some(shown) => shown.map_err(Refusal::Token),
            None => claim
                .clone()
                .and_then(|claim| verify(request, &claim, &self.keyring, now)),
        };
        let claim = claim.unwrap_or_default();
        let number = self.ledger.open(RequestRecord {
            operation: operation.clone(),
            region: claim.region.clone(),
            access_key_id: claim.access_key_id,
            principal: verified.as_ref().ok().map(|principal| principal.arn.clone()),
            valid: verified.is_ok(),
            resources: resources.clone(),
            version_stage: input.text("VersionStage"),
            version_id: input.text("VersionId"),
            error: None,
            refusal: verified.as_ref().err().map(Refusal::reason),
            status: 0,
            headers: request.headers.keys().map(|name| name.as_str().to_owned()).collect(),
        });
        let mut plan = Plan {
            number,
            json,
            delay: self.latency,
            effects: Vec::new(),
            outcome: Ok(Bytes::new()),
        };
        let principal = match verified {
            Ok(principal) => principal,
            Err(refusal) => {
                plan.outcome = Err(refusal.answer(json));
                return plan;
            }
        };
        let (mut broken, mut whole) = (Vec::new(), None);
        for (effect, secret) in self.faults.take(&operation, &claim.region, &resources) {
            match (effect, secret) {
                (Effect::Delay(milliseconds), _) => plan.delay += Duration::from_millis(milliseconds),
                (
                    Effect::Error {
                        status,
                        code,
                        message,
                        retry_after,
                    },
                    secret,
                ) => {
                    let error = AwsError {
                        status,
                        code,
                        message,
                        retry_after_seconds: retry_after,
                    };
                    match secret {
                        Some(secret) if operation == "BatchGetSecretValue" => broken.push((secret, error)),
                        _ => whole = Some(error),
                    }
                }
                (effect, _) => plan.effects.push(effect),
            }
        }
        plan.outcome = match whole {
            Some(error) => Err(error),
            None if !self
                .throttles
                .admit(&operation, &claim.region, principal.account(), Instant::now()) =>
            {
                Err(AwsError::throttled(json, None))
            }
            None => self.run(&operation, &input, &principal, &claim.region, &broken, now),
        };
        plan
    }

    fn run(
        &mut self,
        operation: &str,
        input: &Input,
        principal: &Principal,
        region: &str,
        broken: &[(String, AwsError)],
        now: Timestamp,
    ) -> Result<Bytes, AwsError> {
        match input {
            Input::Parameters(input) => {
                let call = system_manager::Call {
                    principal,
                    region,
                    denials: &self.denials,
                };
                let answer = system_manager::run(operation, input, &self.parameters, &call)?;
                Ok(Bytes::from(answer.to_string()))
            }
            Input::Secrets(input) => {
                let denials = &self.denials;
                let call = secrets_manager::Call {
                    principal,
                    region,
                    denials,
                    broken,
                    page: self.batch_page,
                };
                let answer = secrets_manager::run(operation, input, &mut self.secrets, &call)?;
                Ok(Bytes::from(answer.to_string()))
            }
            Input::Form(form) => {
                let rules = sts::Rules {
                    account: &self.account,
                    denials: &self.denials,
                    lifetime: self.session_lifetime,
                    trust: &self.trust,
                };
                sts::run(form, &mut self.keyring, principal, &rules, now).map(Bytes::from)
            }
            Input::Broken => Err(AwsError::client(
                "SerializationException",
                "the body is not a JSON object",
            )),
        }
    }
}

/// The parameters of a request.
enum Input {
    Secrets(Map<String, Value>),
    Parameters(Map<String, Value>),
    Form(sts::Form),
    Broken,
}

impl Input {
    fn read(request: &Arrived<'_>, service: Option<&str>) -> Self {
        let json =
            |read: fn(Map<String, Value>) -> Self| serde_json::from_slice(request.body).map_or(Self::Broken, read);
        match service {
            Some("sts") => Self::Form(sts::parse(request.body)),
            Some("ssm") => json(Self::Parameters),
            _ => json(Self::Secrets),
        }
    }

    fn operation(&self, request: &Arrived<'_>) -> String {
        let named = match self {
            Self::Form(form) => form.get("Action").cloned(),
            _ => request
                .headers
                .get("x-amz-target")
                .and_then(|target| target.to_str().ok())
                .map(|target| target.rsplit('.').next().unwrap_or_default().to_owned()),
        };
        named.unwrap_or_default()
    }

    /// A member of a JSON request that is text.
    fn text(&self, member: &str) -> Option<String> {
        match self {
            Self::Secrets(input) | Self::Parameters(input) => {
                input.get(member).and_then(Value::as_str).map(str::to_owned)
            }
            Self::Form(_) | Self::Broken => None,
        }
    }

    fn resources(&self) -> Vec<String> {
        match self {
            Self::Secrets(input) => secrets_manager::ids(input),
            Self::Parameters(input) => system_manager::ids(input),
            Self::Form(form) => form.get("RoleArn").cloned().into_iter().collect(),
            Self::Broken => Vec::new(),
        }
    }
}

/// An error of a JSON service. Some codes of AWS come without a message.
fn error_object(error: &AwsError) -> Value {
    match error.message.as_str() {
        "" => serde_json::json!({"__type": error.code}),
        message => serde_json::json!({"__type": error.code, "Message": message}),
    }
}
