//! A plugin that tells everybody what it fetched: log lines, standard output, error messages. On the whole road
//! from the sandbox to the cluster nobody hears of it, while the Secret gets the value.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::events::v1::Event;
use keyhole_core::{CallError, Identity, PluginId};
use keyhole_plugins::{LivePlugin, Rules};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, AwsSessions, Component, EndpointOverrides, Engine, EngineConfig, Grant, NoCredentials, Plugin, Ports,
};
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::world::{World, config};

const SECRET: &str = "hunter2 \"quoted\" and long";

/// Catches everything that this thread logs, at any level, whoever logs it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The plugin signs nothing.
struct NoSessions;

impl AwsSessions for NoSessions {
    fn session<'a>(
        &'a self,
        _identity: &'a Identity,
    ) -> BoxFuture<'a, Result<aws_credential_types::Credentials, CallError>> {
        async { Err(CallError::Host("there are no sessions here".to_owned())) }.boxed()
    }
}

/// The hostile guest in its indiscreet mood, in the real sandbox.
async fn indiscreet() -> LivePlugin {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile");
    let file = keyhole_guests::build(&workspace, "hostile-guest", &workspace.join("target")).unwrap();
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let component = Component::compile(&engine, &std::fs::read(file).unwrap()).unwrap();
    let id = PluginId {
        name: "hostile".into(),
        digest: "sha256:0".into(),
    };
    let ports = Ports {
        sessions: Arc::new(NoSessions),
        credentials: Arc::new(NoCredentials),
        endpoints: EndpointOverrides::default(),
        network: Network::direct(),
        api_server: ApiServer::default(),
        observer: None,
    };
    let plugin = Plugin::load(&engine, component, id.clone(), Grant::default(), ports)
        .await
        .unwrap();
    let settings = json!({"do": "indiscreet", "text": SECRET});
    let rules = Rules {
        settings: settings.as_object().cloned().unwrap(),
        shares_batches: true,
        concurrent_calls: 4,
        ..Rules::default()
    };
    let description = plugin.description().clone();
    LivePlugin::new(id, &description, rules, Arc::new(plugin)).unwrap()
}

#[tokio::test]
async fn what_an_indiscreet_plugin_tells_reaches_the_secret_and_nothing_else() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let mut world = World::new("indiscreet").await;
    assert_eq!(world.live.install(indiscreet().await), []);
    world.start(config("indiscreet", Duration::from_secs(1))).await;
    let spec = |data| json!({"backendType": "hostile", "data": data});
    let good = json!([{"key": "a", "name": "k"}]);
    world.create("told", spec(good)).await;
    world.until_data("told", &[("k", SECRET)]).await;
    world.until_status("told", "SUCCESS").await;
    // Of two keys one fails, with a message that quotes the value of the other.
    let both = json!([{"key": "a", "name": "k"}, {"key": "b", "name": "l"}]);
    world.create("failed", spec(both)).await;
    world
        .until_status("failed", "ERROR, data[1]: hostile: no b, but here is ***")
        .await;
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    world
        .until("an event about the failure", async || {
            let events = events.list(&ListParams::default()).await.unwrap();
            let told = events.iter().any(|event| event.reason.as_deref() == Some("NotFound"));
            told.then_some(()).ok_or("none")
        })
        .await;
    world.stop().await;

    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        logged.contains("printed ***") && logged.contains("raw ***"),
        "the plugin was heard: {logged}"
    );
    let said = [
        ("the log", logged),
        ("the metrics", world.metrics()),
        (
            "the objects",
            serde_json::to_string(&world.objects().list(&ListParams::default()).await.unwrap().items).unwrap(),
        ),
        (
            "the events",
            serde_json::to_string(&events.list(&ListParams::default()).await.unwrap().items).unwrap(),
        ),
    ];
    let escaped = serde_json::to_string(SECRET).unwrap();
    for (place, text) in said {
        for form in [SECRET, escaped.trim_matches('"'), &STANDARD_NO_PAD.encode(SECRET)] {
            assert!(!text.contains(form), "{place} holds the secret");
        }
    }
}
