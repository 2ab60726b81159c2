//! One call into a fresh sandbox, taken apart.
//!
//! The store is a server on loopback that answers every request with the same bytes, so that what is
//! measured is the sandbox, the SDK inside it, and the egress with its signing, not a store. Calls run
//! one after another; the numbers are latencies, not throughput.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyhole_core::request::{JsonText, Request, Selector};
use keyhole_core::{CallError, Identity, Outcome, PluginId};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, AwsSessions, Call, Component, EndpointOverrides, Engine, EngineConfig, Grant, NoCredentials,
    PlannedRequest, Plugin, Ports,
};
use tokio::net::TcpListener;

use crate::machine;
use crate::table::Table;

#[derive(clap::Args)]
pub struct Arguments {
    /// Calls of each kind.
    #[arg(long, default_value_t = 5_000)]
    calls: usize,
    /// Instances that live at once when their memory is measured.
    #[arg(long, default_value_t = 48)]
    instances: usize,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    println!(
        "Measured on {} with `cargo xtask bench sandbox`.\n",
        machine::describe()
    );
    let engine = Engine::new(&EngineConfig::default())?;
    let store = Store::start().await?;
    let folder = tempfile::tempdir()?;

    let hostile = hostile_guest()?;
    let builtin = |name| keyhole_builtin::find(name).context("a built-in plugin is missing");
    let (secrets, parameters) = (builtin("secrets-manager")?, builtin("system-manager")?);
    let empty = Guest::measure(&engine, "empty", &hostile, folder.path())?;
    let aws = Guest::measure(&engine, secrets.name, secrets.wasm, folder.path())?;
    let ssm = Guest::measure(&engine, parameters.name, parameters.wasm, folder.path())?;

    let mut table = Table::new(&["guest", "component", "machine code", "compile", "load from cache"]);
    for guest in [&empty, &aws, &ssm] {
        table.row([
            guest.name.to_owned(),
            format!("{} KiB", guest.wasm / 1024),
            format!("{} KiB", guest.code / 1024),
            format!("{:.2} s", guest.compile.as_secs_f64()),
            format!("{:.2} ms", guest.load.as_secs_f64() * 1e3),
        ]);
    }
    table.print();

    let empty = empty.plugin(&engine, Grant::default(), store.ports()).await?;
    let aws = aws.plugin(&engine, secrets.grant(), store.ports()).await?;
    let ssm = ssm.plugin(&engine, parameters.grant(), store.ports()).await?;
    let mut table = Table::new(&["fresh sandbox, one call", "p50", "p99"]);
    let nothing = latencies(arguments.calls, async || empty.validate("{}").await.map(drop)).await?;
    table.row(["an empty guest".to_owned(), micros(nothing.p50), micros(nothing.p99)]);
    let nothing = latencies(arguments.calls, async || {
        aws.validate(r#"{"region":"eu-west-1"}"#).await.map(drop)
    })
    .await?;
    table.row([
        "Secrets Manager, settings checked".to_owned(),
        micros(nothing.p50),
        micros(nothing.p99),
    ]);
    for (what, plugin) in [("Secrets Manager", &aws), ("Parameter Store", &ssm)] {
        let fetch = latencies(arguments.calls, async || fetch(plugin, "bench").await).await?;
        table.row([
            format!("{what}, one value fetched"),
            micros(fetch.p50),
            micros(fetch.p99),
        ]);
    }
    table.print();

    let per_instance = memory_of_instances(&aws, &store, arguments.instances).await?;
    let mut table = Table::new(&["memory", "KiB"]);
    table.row([
        format!(
            "a live Secrets Manager instance that waits for its store (mean of {})",
            arguments.instances
        ),
        per_instance.to_string(),
    ]);
    table.row([
        "this whole process afterwards".to_owned(),
        machine::rss_kib(std::process::id()).to_string(),
    ]);
    table.print();
    Ok(())
}

/// A compiled guest and what compiling it took.
pub struct Guest {
    name: &'static str,
    /// Bytes of the component.
    pub wasm: usize,
    /// Bytes of its machine code.
    pub code: usize,
    pub compile: Duration,
    pub load: Duration,
    component: Component,
}

impl Guest {
    pub fn measure(engine: &Engine, name: &'static str, wasm: &[u8], folder: &Path) -> anyhow::Result<Self> {
        let start = Instant::now();
        let code = engine.precompile(wasm)?;
        let compile = start.elapsed();
        let file = folder.join(format!("{name}.cwasm"));
        std::fs::write(&file, &code)?;
        let start = Instant::now();
        // SAFETY: the file was written a line ago, from this engine's own output, into a folder of ours.
        let component = unsafe { Component::load_file(engine, &file) }?;
        Ok(Self {
            name,
            wasm: wasm.len(),
            code: code.len(),
            compile,
            load: start.elapsed(),
            component,
        })
    }

    pub async fn plugin(&self, engine: &Engine, grant: Grant, ports: Ports) -> anyhow::Result<Plugin> {
        let id = PluginId {
            name: self.name.into(),
            digest: format!("sha256:{:064}", 0).into(),
        };
        Ok(Plugin::load(engine, self.component.clone(), id, grant, ports).await?)
    }
}

fn hostile_guest() -> anyhow::Result<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let file = keyhole_guests::build(&root.join("tests/hostile"), "hostile-guest", &target.join("guests"))?;
    Ok(std::fs::read(file)?)
}

async fn fetch(plugin: &Plugin, key: &str) -> Result<(), CallError> {
    let settings = serde_json::json!({ "region": "eu-west-1" });
    let call = Call {
        settings: settings.as_object().map(JsonText::new).unwrap_or_default(),
        region: Some("eu-west-1".into()),
        attempt: 1,
        ..Call::default()
    };
    let request = Request {
        selector: Selector::Key(key.into()),
        options: JsonText::default(),
    };
    let outcomes = plugin
        .fetch(
            &call,
            &[PlannedRequest {
                request,
                known_version: None,
            }],
        )
        .await?;
    match outcomes.as_slice() {
        [Outcome::Value(_)] => Ok(()),
        other => Err(CallError::Protocol(format!("the benchmark's store gave {other:?}"))),
    }
}

pub struct Percentiles {
    pub p50: Duration,
    pub p99: Duration,
}

pub async fn latencies<F>(calls: usize, mut call: impl FnMut() -> F) -> anyhow::Result<Percentiles>
where
    F: Future<Output = Result<(), CallError>>,
{
    ensure!(calls >= 100, "at least 100 calls make a percentile");
    for _ in 0..calls / 10 {
        call().await?;
    }
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        call().await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(Percentiles {
        p50: times[calls / 2],
        p99: times[calls * 99 / 100],
    })
}

pub fn micros(time: Duration) -> String {
    format!("{:.0} us", time.as_secs_f64() * 1e6)
}

/// Resident KiB per instance while `count` of them wait for the store.
async fn memory_of_instances(plugin: &Plugin, store: &Store, count: usize) -> anyhow::Result<u64> {
    let before = machine::rss_kib(std::process::id());
    let gate = store.close_gate().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..count {
        let plugin = plugin.clone();
        calls.spawn(async move { fetch(&plugin, "bench").await });
    }
    store.waiting(count).await?;
    let during = machine::rss_kib(std::process::id());
    drop(gate);
    while let Some(call) = calls.join_next().await {
        call??;
    }
    Ok(during.saturating_sub(before) / count as u64)
}

/// Answers every request with one secret that is a parameter as well, from memory; waits while its gate is closed.
struct Store {
    endpoint: String,
    gate: Arc<tokio::sync::RwLock<()>>,
    waiting: tokio::sync::watch::Receiver<usize>,
}

const ANSWER: &[u8] = br#"{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:bench-AbCdEf","Name":"bench","VersionId":"0c2f7a1e-0000-4000-8000-000000000000","SecretString":"{\"username\":\"app\",\"password\":\"correct horse battery\"}","VersionStages":["AWSCURRENT"],"CreatedDate":1.7e9,"Parameter":{"ARN":"arn:aws:ssm:eu-west-1:123456789012:parameter/bench","Name":"bench","Type":"SecureString","Value":"correct horse battery","Version":1,"LastModifiedDate":1.7e9,"DataType":"text"}}"#;

impl Store {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let gate = Arc::new(tokio::sync::RwLock::new(()));
        let (arrived, waiting) = tokio::sync::watch::channel(0);
        let door = Arc::clone(&gate);
        // Ends with the process.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (door, arrived) = (Arc::clone(&door), arrived.clone());
                let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (door, arrived) = (Arc::clone(&door), arrived.clone());
                    async move {
                        let _ = request.into_body().collect().await;
                        arrived.send_modify(|count| *count += 1);
                        drop(door.read().await);
                        arrived.send_modify(|count| *count -= 1);
                        let answer = hyper::Response::builder().header("content-type", "application/x-amz-json-1.1");
                        Ok::<_, Infallible>(answer.body(Full::new(Bytes::from_static(ANSWER))).unwrap_or_default())
                    }
                });
                tokio::spawn(async move {
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self {
            endpoint,
            gate,
            waiting,
        })
    }

    fn ports(&self) -> Ports {
        let endpoint = self.endpoint.clone();
        let overrides = EndpointOverrides::from_env(|name| (name == "AWS_ENDPOINT_URL").then(|| endpoint.clone()));
        Ports {
            sessions: Arc::new(FixedSession),
            credentials: Arc::new(NoCredentials),
            endpoints: overrides.unwrap_or_default(),
            network: Network::direct(),
            api_server: ApiServer::default(),
            observer: None,
        }
    }

    async fn close_gate(&self) -> tokio::sync::OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    async fn waiting(&self, count: usize) -> anyhow::Result<()> {
        let mut waiting = self.waiting.clone();
        tokio::time::timeout(Duration::from_secs(20), waiting.wait_for(|now| *now >= count))
            .await
            .context("the instances did not reach the store")??;
        Ok(())
    }
}

/// One session that never ends.
pub struct FixedSession;

impl AwsSessions for FixedSession {
    fn session<'a>(&'a self, _: &'a Identity) -> BoxFuture<'a, Result<aws_credential_types::Credentials, CallError>> {
        let credentials = aws_credential_types::Credentials::new("AKIABENCH", "not a secret", None, None, "bench");
        Box::pin(std::future::ready(Ok(credentials)))
    }
}
