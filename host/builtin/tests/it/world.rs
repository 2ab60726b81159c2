//! A loaded plugin, the store that it talks to, and who asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials;
use futures::future::BoxFuture;
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Identity, Outcome, PluginId, Request, Selector, StoreError};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, AwsSessions, Call, CallObserver, CallStats, Component, EndpointOverrides, Engine, EngineConfig, Export,
    Grant, NoCredentials, PlannedRequest, Plugin, Ports,
};
use keyhole_test_aws::{FakeAws, FakeConfig};
use serde_json::{Value as Json, json};

pub const REGION: &str = "eu-west-1";

/// One engine for all tests of the process, and one compilation of each plugin.
fn compiled(name: &'static str) -> (&'static Engine, Component) {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    static COMPONENTS: Mutex<BTreeMap<&str, Component>> = Mutex::new(BTreeMap::new());
    let engine = ENGINE.get_or_init(|| Engine::new(&EngineConfig::default()).unwrap());
    let mut components = COMPONENTS.lock().unwrap();
    let component = components.entry(name).or_insert_with(|| {
        let wasm = keyhole_builtin::find(name).unwrap().wasm;
        Component::compile(engine, wasm).unwrap()
    });
    (engine, component.clone())
}

pub struct World {
    pub aws: FakeAws,
    pub plugin: Plugin,
    pub stats: Arc<Stats>,
    /// Members of the settings.
    pub settings: Json,
}

impl World {
    pub async fn new() -> Self {
        Self::with(FakeConfig::default(), |_| {}).await
    }

    /// Secrets Manager.
    pub async fn with(config: FakeConfig, change: impl FnOnce(&mut Grant)) -> Self {
        Self::of("secrets-manager", config, change).await
    }

    /// Parameter Store.
    pub async fn parameters() -> Self {
        Self::parameters_with(|_| {}).await
    }

    /// Parameter Store, under another grant.
    pub async fn parameters_with(change: impl FnOnce(&mut Grant)) -> Self {
        Self::of("system-manager", FakeConfig::default(), change).await
    }

    async fn of(name: &'static str, config: FakeConfig, change: impl FnOnce(&mut Grant)) -> Self {
        let aws = FakeAws::start(config).unwrap();
        let builtin = keyhole_builtin::find(name).unwrap();
        let mut grant = builtin.grant();
        change(&mut grant);
        let stats = Arc::new(Stats::default());
        let ports = Ports {
            sessions: Arc::new(Sessions::of(&aws)),
            credentials: Arc::new(NoCredentials),
            endpoints: EndpointOverrides::default()
                .with(&builtin.grant().aws[0].service, &aws.endpoint())
                .unwrap(),
            network: Network::direct(),
            api_server: ApiServer::default(),
            observer: Some(stats.clone()),
        };
        let id = PluginId {
            name: builtin.name.into(),
            digest: builtin.digest.as_str().into(),
        };
        let (engine, component) = compiled(name);
        let plugin = Plugin::load(engine, component, id, grant, ports).await.unwrap();
        Self {
            aws,
            plugin,
            stats,
            settings: json!({"region": REGION}),
        }
    }

    pub async fn fetch(&self, requests: &[PlannedRequest]) -> Result<Vec<Outcome>, CallError> {
        self.fetch_as(Identity::default(), requests).await
    }

    pub async fn fetch_as(&self, identity: Identity, requests: &[PlannedRequest]) -> Result<Vec<Outcome>, CallError> {
        let settings = JsonText::new(self.settings.as_object().unwrap());
        let region = self.settings["region"].as_str().map(Into::into);
        let call = Call {
            settings,
            identity,
            region,
            namespace: None,
            attempt: 1,
            ..Call::default()
        };
        self.plugin.fetch(&call, requests).await
    }

    /// The outcome of a single request.
    pub async fn one(&self, request: PlannedRequest) -> Outcome {
        self.fetch(&[request]).await.unwrap().remove(0)
    }

    /// Calls of GetSecretValue and BatchGetSecretValue so far.
    pub fn calls(&self) -> (u64, u64) {
        let counts = self.aws.counts();
        assert_eq!(counts.refused, 0, "every signature is right");
        (counts.of("GetSecretValue"), counts.of("BatchGetSecretValue"))
    }
}

impl World {
    /// Calls of GetParameter, GetParameters and GetParametersByPath so far.
    pub fn parameter_calls(&self) -> (u64, u64, u64) {
        let counts = self.aws.counts();
        assert_eq!(counts.refused, 0, "every signature is right");
        let [one, many, path] =
            ["GetParameter", "GetParameters", "GetParametersByPath"].map(|operation| counts.of(operation));
        (one, many, path)
    }
}

/// The base user, or for a role the user that stands for it.
struct Sessions(BTreeMap<Option<String>, Credentials>);

/// A role whose requests come from a user of its own.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/app";
/// That user.
pub const ROLE_USER: &str = "arn:aws:iam::123456789012:user/app";

impl Sessions {
    fn of(aws: &FakeAws) -> Self {
        let base = aws.base_credentials();
        aws.add_user("app", "AKIAFAKEAPP000000001", "fakeAppSecret");
        Self(BTreeMap::from([
            (
                None,
                Credentials::from_keys(base.access_key_id, base.secret_access_key, base.session_token),
            ),
            (
                Some(ROLE.to_owned()),
                Credentials::from_keys("AKIAFAKEAPP000000001", "fakeAppSecret", None),
            ),
        ]))
    }
}

impl AwsSessions for Sessions {
    fn session<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Credentials, CallError>> {
        let role = identity.role.as_ref().map(ToString::to_string);
        Box::pin(async move { Ok(self.0[&role].clone()) })
    }
}

/// What the last fetch took.
#[derive(Default)]
pub struct Stats(Mutex<CallStats>);

impl Stats {
    pub fn last(&self) -> CallStats {
        *self.0.lock().unwrap()
    }
}

impl CallObserver for Stats {
    fn call_ended(&self, _: &PluginId, export: Export, stats: &CallStats, _: Option<&CallError>) {
        if export == Export::Fetch {
            *self.0.lock().unwrap() = *stats;
        }
    }
}

pub fn role() -> Identity {
    Identity {
        account: None,
        role: Some(ROLE.parse().unwrap()),
        namespace_tag: None,
    }
}

pub fn key(key: &str) -> PlannedRequest {
    with_options(key, json!({}))
}

pub fn with_options(key: &str, options: Json) -> PlannedRequest {
    let options = JsonText::new(options.as_object().unwrap());
    let request = Request {
        selector: Selector::Key(key.into()),
        options,
    };
    PlannedRequest {
        request,
        known_version: None,
    }
}

/// Everything under a path.
pub fn path(path: &str, recursive: bool, options: Json) -> PlannedRequest {
    let selector = Selector::Prefix {
        path: path.into(),
        recursive,
    };
    let options = JsonText::new(options.as_object().unwrap());
    PlannedRequest {
        request: Request { selector, options },
        known_version: None,
    }
}

pub fn knowing(request: PlannedRequest, version: &str) -> PlannedRequest {
    PlannedRequest {
        known_version: Some(version.into()),
        ..request
    }
}

pub fn keys<S: AsRef<str>>(names: &[S]) -> Vec<PlannedRequest> {
    names.iter().map(|name| key(name.as_ref())).collect()
}

/// The bytes of a value.
pub fn bytes(outcome: &Outcome) -> &[u8] {
    match outcome {
        Outcome::Value(value) => value.bytes.expose(),
        other => panic!("{other:?}"),
    }
}

pub fn text(outcome: &Outcome) -> &str {
    std::str::from_utf8(bytes(outcome)).unwrap()
}

pub fn failed(outcome: &Outcome) -> &StoreError {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

/// A limit for tests in which something hangs.
pub const SHORT: Duration = Duration::from_secs(4);
