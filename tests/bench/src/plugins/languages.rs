//! The same backend in four languages: a call into a fresh sandbox, a fetch, and a host that is not granted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use keyhole_core::request::{JsonText, Request, Selector};
use keyhole_core::{CallError, EgressError, Identity, Outcome, SecretBytes, StoreErrorKind};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, Call, Credential, CredentialError, Credentials, EndpointOverrides, Engine, EngineConfig, Grant,
    HeaderGrant, PlannedRequest, Plugin, Ports, PrivateAddresses,
};
use keyhole_test_assets::Example;
use keyhole_test_harness::{JsonStore, plugin_file};
use serde_json::json;

use crate::sandbox::{FixedSession, Guest, latencies, micros};
use crate::table::Table;

const TOKEN: &str = "the token of the benchmark";
const KEY: &str = "bench";

/// The examples, by their language.
fn examples() -> anyhow::Result<BTreeMap<&'static str, PathBuf>> {
    Ok(BTreeMap::from([
        ("Rust", plugin_file("example-rust")?),
        ("JavaScript", Example::JavaScript.ensure()?),
        ("Python", Example::Python.ensure()?),
        ("Go", Example::Go.ensure()?),
    ]))
}

pub async fn measure(calls: usize) -> anyhow::Result<()> {
    let engine = Engine::new(&EngineConfig::default())?;
    let store = JsonStore::start(TOKEN)?;
    store.set(KEY, "correct horse battery");
    let folder = tempfile::tempdir()?;
    let mut table = Table::new(&[
        "language",
        "component",
        "machine code",
        "compile",
        "load from cache",
        "fresh call p50",
        "p99",
        "one value fetched p50",
        "p99",
        "a host that is not granted p50",
        "p99",
    ]);
    for (language, file) in examples()? {
        eprintln!("{language} ...");
        let wasm = std::fs::read(&file)?;
        let guest = Guest::measure(&engine, language, &wasm, folder.path())?;
        let plugin = guest.plugin(&engine, grant(&store)?, ports()).await?;
        let settings = json!({ "address": store.address() }).to_string();
        let fresh = latencies(calls, async || plugin.validate(&settings).await.map(drop)).await?;
        let fetched = latencies(calls, async || fetch(&plugin, &store.address()).await).await?;
        let refused = latencies(calls.min(200), async || refusal(&plugin).await).await?;
        table.row([
            language.to_owned(),
            format!("{} KiB", guest.wasm / 1024),
            format!("{} KiB", guest.code / 1024),
            format!("{:.1} s", guest.compile.as_secs_f64()),
            format!("{:.1} ms", guest.load.as_secs_f64() * 1e3),
            micros(fresh.p50),
            micros(fresh.p99),
            micros(fetched.p50),
            micros(fetched.p99),
            micros(refused.p50),
            micros(refused.p99),
        ]);
    }
    println!("The same backend in four languages, a store on loopback, each call in a fresh sandbox:\n");
    table.print();
    Ok(())
}

fn grant(store: &JsonStore) -> anyhow::Result<Grant> {
    Ok(Grant {
        hosts: vec![store.address().parse()?],
        private_addresses: PrivateAddresses::Cidrs(vec!["127.0.0.0/8".parse()?]),
        headers: vec![HeaderGrant {
            name: http::header::AUTHORIZATION,
            prefix: "Bearer ".to_owned(),
            credential: Credential::Secret {
                name: "store".into(),
                key: "token".into(),
            },
            hosts: Vec::new(),
        }],
        ..Grant::default()
    })
}

fn ports() -> Ports {
    Ports {
        sessions: Arc::new(FixedSession),
        credentials: Arc::new(FixedToken),
        endpoints: EndpointOverrides::default(),
        network: Network::direct(),
        api_server: ApiServer::default(),
        observer: None,
    }
}

/// The store's token, whatever is asked for.
struct FixedToken;

impl Credentials for FixedToken {
    fn credential<'a>(
        &'a self,
        _: &'a Credential,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        Box::pin(std::future::ready(Ok(TOKEN.to_owned().into())))
    }
}

async fn ask(plugin: &Plugin, address: &str) -> Result<Vec<Outcome>, CallError> {
    let settings = json!({ "address": address });
    let call = Call {
        settings: settings.as_object().map(JsonText::new).unwrap_or_default(),
        attempt: 1,
        ..Call::default()
    };
    let request = Request {
        selector: Selector::Key(KEY.into()),
        options: JsonText::default(),
    };
    let planned = PlannedRequest {
        request,
        known_version: None,
    };
    plugin.fetch(&call, &[planned]).await
}

async fn fetch(plugin: &Plugin, address: &str) -> Result<(), CallError> {
    match ask(plugin, address).await?.as_slice() {
        [Outcome::Value(_)] => Ok(()),
        other => Err(CallError::Protocol(format!("the benchmark's store gave {other:?}"))),
    }
}

/// Anything but the typed error ends the benchmark.
async fn refusal(plugin: &Plugin) -> Result<(), CallError> {
    let outcomes = ask(plugin, "https://elsewhere.example.com").await?;
    let refused = match outcomes.as_slice() {
        [Outcome::Failed(error)] => match &error.kind {
            StoreErrorKind::Host(host) => matches!(**host, CallError::Egress(EgressError::HostNotGranted { .. })),
            _ => false,
        },
        _ => false,
    };
    if refused {
        return Ok(());
    }
    Err(CallError::Protocol(format!(
        "a host that is not granted gave {outcomes:?}"
    )))
}
