//! The hostile guest, built and compiled once, and a plugin of it for each test.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use futures::future::BoxFuture;
use keyhole_core::digest::sha256_hex;
use keyhole_core::limits::Limits;
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Identity, Outcome, PluginId, Request, Selector};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, AwsSessions, Call, Component, EndpointOverrides, Engine, EngineConfig, Grant, LoadError, NoCredentials,
    PlannedRequest, Plugin, Pooling, Ports,
};
use serde_json::Value as Json;

/// The file of the guest.
pub fn file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile");
        keyhole_guests::build(&workspace, "hostile-guest", &workspace.join("target")).unwrap()
    })
}

/// The guest's bytes with another habit in `describe`.
pub fn describing(habit: &str) -> Vec<u8> {
    const MARKER: &[u8] = b"hostile-guest-describe:";
    let mut bytes = std::fs::read(file()).unwrap();
    let places: Vec<usize> = bytes
        .windows(MARKER.len())
        .enumerate()
        .filter(|(_, window)| *window == MARKER)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(places.len(), 1, "the marker is there once");
    let at = places[0] + MARKER.len();
    bytes[at..at + 16].fill(b' ');
    bytes[at..at + habit.len()].copy_from_slice(habit.as_bytes());
    bytes
}

/// An engine for one test: its gauges are nobody else's.
pub fn engine() -> Engine {
    engine_with(4, Pooling::Auto)
}

pub fn engine_with(slots: u32, pooling: Pooling) -> Engine {
    Engine::new(&EngineConfig {
        slots,
        pooling,
        ..EngineConfig::default()
    })
    .unwrap()
}

/// The guest's code, compiled once for all runs and loaded as the host loads it from its cache.
pub fn component(engine: &Engine) -> Component {
    static CODE: OnceLock<PathBuf> = OnceLock::new();
    let code = CODE.get_or_init(|| {
        let guest = std::fs::read(file()).unwrap();
        let (digest, hash) = (sha256_hex(&guest), engine.compatibility_hash());
        let path = file().with_file_name(format!("{}-{}.cwasm", &digest[7..23], &hash[..16]));
        if !path.exists() {
            let begun = path.with_extension(std::process::id().to_string());
            std::fs::write(&begun, engine.precompile(&guest).unwrap()).unwrap();
            std::fs::rename(begun, &path).unwrap();
        }
        path
    });
    // SAFETY: written above by a run of these tests, never changed.
    unsafe { Component::load_file(engine, code) }.unwrap()
}

pub fn id() -> PluginId {
    PluginId {
        name: "hostile".into(),
        digest: "sha256:0".into(),
    }
}

/// An outside without credentials.
pub fn ports() -> Ports {
    struct Nobody;
    impl AwsSessions for Nobody {
        fn session<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Credentials, CallError>> {
            Box::pin(async move {
                Err(CallError::Identity {
                    message: format!("no credentials for {identity}"),
                    transient: false,
                })
            })
        }
    }
    Ports {
        sessions: Arc::new(Nobody),
        credentials: Arc::new(NoCredentials),
        endpoints: EndpointOverrides::default(),
        network: Network::direct(),
        api_server: ApiServer::default(),
        observer: None,
    }
}

pub async fn load(engine: &Engine, grant: Grant) -> Result<Plugin, LoadError> {
    load_with(engine, grant, ports()).await
}

pub async fn load_with(engine: &Engine, grant: Grant, ports: Ports) -> Result<Plugin, LoadError> {
    Plugin::load(engine, component(engine), id(), grant, ports).await
}

/// A plugin with these limits on an engine of its own.
pub struct Sandbox {
    pub engine: Engine,
    pub plugin: Plugin,
}

impl Sandbox {
    pub async fn new(limits: Limits) -> Self {
        Self::of(
            engine(),
            Grant {
                limits,
                ..Grant::default()
            },
        )
        .await
    }

    pub async fn of(engine: Engine, grant: Grant) -> Self {
        let plugin = load(&engine, grant).await.unwrap();
        Self { engine, plugin }
    }

    /// One fetch of these keys under these settings.
    pub async fn fetch(&self, settings: Json, names: &[&str]) -> Result<Vec<Outcome>, CallError> {
        self.plugin.fetch(&call(settings), &keys(names)).await
    }

    /// What the guest answers to one key.
    pub async fn says(&self, settings: Json) -> String {
        texts(&self.fetch(settings, &["k"]).await.unwrap()).remove(0)
    }

    /// Misbehaves once and gives the error; then the plugin must be as good as new.
    pub async fn error(&self, settings: Json) -> CallError {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.fetch(settings, &["k"])).await;
        let error = ended.expect("the call has no end").unwrap_err();
        self.assert_unharmed().await;
        error
    }

    /// The next call works and nothing is left of any instance.
    pub async fn assert_unharmed(&self) {
        self.assert_empty();
        // Its limits are those of the test, which a machine that stands still for a moment would exceed.
        let mut tries = 20;
        let outcomes = loop {
            tries -= 1;
            match self.fetch(Json::Object(Default::default()), &["a", "b"]).await {
                Err(CallError::Wall(_)) if tries > 0 => {}
                ended => break ended.unwrap(),
            }
        };
        assert_eq!(texts(&outcomes), ["value of a", "value of b"]);
        self.assert_empty();
    }

    pub fn assert_empty(&self) {
        assert_eq!((self.engine.live_instances(), self.engine.limiter_bytes()), (0, 0));
    }
}

pub fn call(settings: Json) -> Call {
    Call {
        settings: JsonText::new(settings.as_object().unwrap()),
        attempt: 1,
        ..Call::default()
    }
}

pub fn keys(names: &[&str]) -> Vec<PlannedRequest> {
    let request = |name: &&str| Request {
        selector: Selector::Key((*name).into()),
        options: JsonText::default(),
    };
    names
        .iter()
        .map(|name| PlannedRequest {
            request: request(name),
            known_version: None,
        })
        .collect()
}

pub fn texts(outcomes: &[Outcome]) -> Vec<String> {
    let text = |outcome: &Outcome| match outcome {
        Outcome::Value(value) => String::from_utf8(value.bytes.expose().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    outcomes.iter().map(text).collect()
}

/// Waits for something that happens beside the test.
pub async fn until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::task::yield_now().await;
    }
}
