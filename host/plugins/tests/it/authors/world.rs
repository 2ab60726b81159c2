//! A loaded plugin, and the words in which its tests are written.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_credential_types::Credentials as AwsCredentials;
use futures::future::BoxFuture;
use keyhole_core::digest::sha256_hex;
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Identity, Outcome, PluginId, Request, SecretBytes, Selector, StoreError};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, AwsSessions, Call, Component, Credential, CredentialError, Credentials, EndpointOverrides, Engine,
    EngineConfig, Grant, HeaderGrant, PlannedRequest, Plugin, Ports, PrivateAddresses,
};
use serde_json::{Value as Json, json};

/// What the store wants to see and the plugin never does.
pub const TOKEN: &str = "token-of-the-store-4711";

/// One engine for all tests of the process.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&EngineConfig::default()).unwrap())
}

/// A file's code, compiled once for all runs: a JavaScript engine takes 5 s, Python as long.
fn component(file: &Path) -> Component {
    static COMPILING: Mutex<()> = Mutex::new(());
    let guest = std::fs::read(file).unwrap();
    let (digest, hash) = (sha256_hex(&guest), engine().compatibility_hash());
    let name = format!("{}-{}.cwasm", &digest[7..23], &hash[..16]);
    let code = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _one_at_a_time = COMPILING.lock();
    if !code.exists() {
        let begun = code.with_extension(std::process::id().to_string());
        std::fs::write(&begun, engine().precompile(&guest).unwrap()).unwrap();
        std::fs::rename(begun, &code).unwrap();
    }
    // SAFETY: written above by a run of these tests, never changed.
    unsafe { Component::load_file(engine(), &code) }.unwrap()
}

/// `target/guests`, which the build of the built-in plugins has filled.
pub fn guests() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guests")
}

/// A grant for this store, with its token as a header.
pub fn grant_of(address: &str) -> Grant {
    Grant {
        hosts: vec![address.parse().unwrap()],
        private_addresses: PrivateAddresses::Cidrs(vec!["127.0.0.0/8".parse().unwrap()]),
        headers: vec![HeaderGrant {
            name: "authorization".parse().unwrap(),
            prefix: "Bearer ".to_owned(),
            credential: secret("token"),
            hosts: Vec::new(),
        }],
        ..Grant::default()
    }
}

/// An entry of a Secret.
pub fn secret(key: &str) -> Credential {
    Credential::Secret {
        name: "store".into(),
        key: key.into(),
    }
}

pub async fn load(file: &Path, grant: Grant) -> Plugin {
    let id = PluginId {
        name: "example".into(),
        digest: "sha256:0".into(),
    };
    let ports = Ports {
        sessions: Arc::new(Outside),
        credentials: Arc::new(Outside),
        endpoints: EndpointOverrides::default(),
        network: Network::direct(),
        api_server: ApiServer::default(),
        observer: None,
    };
    Plugin::load(engine(), component(file), id, grant, ports).await.unwrap()
}

/// The token for whoever may use it, and no AWS.
struct Outside;

impl AwsSessions for Outside {
    fn session<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<AwsCredentials, CallError>> {
        let none = CallError::Identity {
            message: format!("no credentials for {identity}"),
            transient: false,
        };
        Box::pin(std::future::ready(Err(none)))
    }
}

impl Credentials for Outside {
    fn credential<'a>(
        &'a self,
        _: &'a Credential,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        Box::pin(std::future::ready(Ok(SecretBytes::from(TOKEN.to_owned()))))
    }
}

pub fn call(settings: &Json) -> Call {
    Call {
        settings: JsonText::new(settings.as_object().unwrap()),
        attempt: 1,
        ..Call::default()
    }
}

pub fn key(key: &str) -> PlannedRequest {
    planned(Selector::Key(key.into()), json!({}))
}

pub fn with_options(key: &str, options: Json) -> PlannedRequest {
    planned(Selector::Key(key.into()), options)
}

pub fn path(path: &str, recursive: bool) -> PlannedRequest {
    let path = path.into();
    planned(Selector::Prefix { path, recursive }, json!({}))
}

pub fn knowing(request: PlannedRequest, version: &str) -> PlannedRequest {
    PlannedRequest {
        known_version: Some(version.into()),
        ..request
    }
}

fn planned(selector: Selector, options: Json) -> PlannedRequest {
    PlannedRequest {
        request: Request {
            selector,
            options: JsonText::new(options.as_object().unwrap()),
        },
        known_version: None,
    }
}

/// Text and version of a value.
pub fn value(outcome: &Outcome) -> (&str, Option<&str>) {
    match outcome {
        Outcome::Value(value) => (
            std::str::from_utf8(value.bytes.expose()).unwrap(),
            value.version.as_deref(),
        ),
        other => panic!("{other:?}"),
    }
}

/// Name, full name and text of each value, by full name.
pub fn values(outcome: &Outcome) -> Vec<(&str, &str, &str)> {
    let Outcome::Values(values) = outcome else {
        panic!("{outcome:?}")
    };
    let text = |value: &keyhole_core::Value| std::str::from_utf8(value.bytes.expose()).unwrap().to_owned();
    let mut values: Vec<_> = values
        .iter()
        .map(|named| {
            (
                named.name.as_str(),
                named.full_name.as_str(),
                &*text(&named.value).leak(),
            )
        })
        .collect();
    values.sort_by_key(|(_, full_name, _)| *full_name);
    values
}

pub fn failed(outcome: &Outcome) -> &StoreError {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

pub const SECOND: Option<Duration> = Some(Duration::from_secs(1));
