//! A control plane, an OpenBao, and plugins that are built and compiled once.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use aws_credential_types::Credentials as AwsCredentials;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use keyhole_core::digest::sha256_hex;
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Identity, Outcome, PluginId, Request, SecretBytes, Selector, StoreError};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, AwsSessions, Call, Component, Credential, CredentialError, Credentials, EndpointOverrides, Engine,
    EngineConfig, Grant, PlannedRequest, Plugin, Ports, PrivateAddresses,
};
use keyhole_test_harness::{ControlPlane, OpenBao, plugin_file};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// Namespace and service accounts of the tests: the operator, and one that no role is bound to.
pub const NAMESPACE: &str = "keyhole-stores";
pub const OPERATOR: &str = "operator";
pub const STRANGER: &str = "stranger";

pub struct World {
    pub plane: ControlPlane,
    pub bao: OpenBao,
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static WORLD: OnceCell<World> = OnceCell::const_new();

/// Runs a test. One runtime serves all: clients live in the runtime that made them.
pub fn with_world(test: impl AsyncFnOnce(&'static World)) {
    RUNTIME.block_on(async { test(WORLD.get_or_init(World::start).await).await });
}

impl World {
    async fn start() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let namespaces: Api<Namespace> = Api::all(plane.admin());
        let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}})).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(plane.admin(), NAMESPACE);
        for name in [OPERATOR, STRANGER] {
            let account = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            accounts.create(&PostParams::default(), &account).await.unwrap();
        }
        let bao = OpenBao::start().await.unwrap();
        bao.policy("", "read-all", READ_ALL).await.unwrap();
        Self { plane, bao }
    }
}

/// Everything but what is below a folder `forbidden`.
pub const READ_ALL: &str = r#"
path "*" { capabilities = ["read", "list"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "secret/data/forbidden/*" { capabilities = ["deny"] }
"#;

/// One engine for all tests of the process, and one compilation of each plugin.
fn compiled(package: &'static str) -> (&'static Engine, Component, String) {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&EngineConfig::default()).unwrap());
    static COMPONENTS: Mutex<BTreeMap<&str, (Component, String)>> = Mutex::new(BTreeMap::new());
    let mut components = COMPONENTS.lock().unwrap();
    let (component, digest) = components.entry(package).or_insert_with(|| {
        let wasm = std::fs::read(plugin_file(package).unwrap()).unwrap();
        (Component::compile(&ENGINE, &wasm).unwrap(), sha256_hex(&wasm))
    });
    (&ENGINE, component.clone(), digest.clone())
}

/// A loaded plugin, its settings, and who asks.
pub struct Store {
    pub plugin: Plugin,
    pub settings: Json,
}

impl Store {
    /// A plugin that may reach `endpoint` and nothing else.
    pub async fn load(
        package: &'static str,
        endpoint: &str,
        settings: Json,
        credentials: Arc<dyn Credentials>,
        change: impl FnOnce(&mut Grant),
    ) -> Self {
        let mut grant = Grant {
            hosts: vec![endpoint.parse().unwrap()],
            private_addresses: PrivateAddresses::Cidrs(vec!["127.0.0.0/8".parse().unwrap()]),
            ..Grant::default()
        };
        change(&mut grant);
        let ports = Ports {
            sessions: Arc::new(NoSessions),
            credentials,
            endpoints: EndpointOverrides::default(),
            network: Network::direct(),
            api_server: ApiServer::default(),
            observer: None,
        };
        let (engine, component, digest) = compiled(package);
        let id = PluginId {
            name: package.into(),
            digest: digest.into(),
        };
        let plugin = Plugin::load(engine, component, id, grant, ports).await.unwrap();
        Self { plugin, settings }
    }

    pub async fn fetch(&self, requests: &[PlannedRequest]) -> Result<Vec<Outcome>, CallError> {
        self.fetch_with(&json!({}), requests).await
    }

    /// With other settings beside the usual ones.
    pub async fn fetch_with(&self, more: &Json, requests: &[PlannedRequest]) -> Result<Vec<Outcome>, CallError> {
        let mut settings = self.settings.as_object().unwrap().clone();
        settings.extend(more.as_object().unwrap().clone());
        let call = Call {
            settings: JsonText::new(&settings),
            attempt: 1,
            ..Call::default()
        };
        self.plugin.fetch(&call, requests).await
    }

    /// The outcome of a single request.
    pub async fn one(&self, request: PlannedRequest) -> Outcome {
        self.fetch(&[request]).await.unwrap().remove(0)
    }
}

/// Tokens of a service account, from the API server, and entries of Secrets, from a table.
pub struct Cluster {
    pub plane: &'static ControlPlane,
    pub account: &'static str,
    pub secrets: BTreeMap<&'static str, String>,
}

impl Cluster {
    pub fn operator(world: &'static World) -> Arc<Self> {
        Arc::new(Self {
            plane: &world.plane,
            account: OPERATOR,
            secrets: BTreeMap::new(),
        })
    }
}

impl Credentials for Cluster {
    fn credential<'a>(
        &'a self,
        credential: &'a Credential,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        Box::pin(async move {
            let text = match credential {
                Credential::Secret { name, .. } => self.secrets[&**name].clone(),
                Credential::Token { audience } => {
                    self.plane.token_for(NAMESPACE, self.account, audience).await.unwrap()
                }
            };
            Ok(SecretBytes::from(text))
        })
    }
}

struct NoSessions;

impl AwsSessions for NoSessions {
    fn session<'a>(&'a self, _: &'a Identity) -> BoxFuture<'a, Result<AwsCredentials, CallError>> {
        unreachable!("nothing is signed")
    }
}

pub fn key(key: &str) -> PlannedRequest {
    with_options(key, json!({}))
}

pub fn with_options(key: &str, options: Json) -> PlannedRequest {
    PlannedRequest {
        request: Request {
            selector: Selector::Key(key.into()),
            options: JsonText::new(options.as_object().unwrap()),
        },
        known_version: None,
    }
}

pub fn tree(path: &str) -> PlannedRequest {
    PlannedRequest {
        request: Request {
            selector: Selector::Prefix {
                path: path.into(),
                recursive: true,
            },
            options: JsonText::default(),
        },
        known_version: None,
    }
}

pub fn text(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Value(value) => std::str::from_utf8(value.bytes.expose()).unwrap(),
        other => panic!("{other:?}"),
    }
}

pub fn failed(outcome: &Outcome) -> &StoreError {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

/// The error of a call in which nothing could be asked.
pub fn refused(outcome: Result<Vec<Outcome>, CallError>) -> StoreError {
    match outcome {
        Err(CallError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}
