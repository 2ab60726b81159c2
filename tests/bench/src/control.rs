//! The whole operator: many objects, a real API server, an AWS emulator with latency.
//!
//! The scenario is the one that the peers in the README were measured with: five keys of each object
//! over two secrets, 5 ms per AWS call. Objects exist before the host starts, so "cold" is what a
//! restart without any Secret would cost. Afterwards nothing changes for some intervals.

mod apiserver;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use keyhole_test_aws::{Counts, FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Installed, Manifest};
use kube::Api;
use kube::api::DynamicObject;
use kube_runtime::watcher;
use serde_json::json;

use crate::table::Table;
use crate::{machine, objects};
use apiserver::Requests;

const REGION: &str = "eu-west-1";
const LATENCY: Duration = Duration::from_millis(5);
/// A cold start that takes longer than this is broken.
const READY_WITHIN: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub struct Arguments {
    /// Scenarios as OBJECTS:SECRETS.
    #[arg(long, value_delimiter = ',', default_value = "500:100,2500:500")]
    scenarios: Vec<Scenario>,
    /// Refresh interval in seconds.
    #[arg(long, default_value_t = 20)]
    interval: u64,
    /// Intervals that are watched after the cold start.
    #[arg(long, default_value_t = 3)]
    steady: u32,
}

#[derive(Clone, Copy)]
struct Scenario {
    objects: usize,
    secrets: usize,
}

impl std::str::FromStr for Scenario {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (objects, secrets) = text.split_once(':').context("write OBJECTS:SECRETS, e.g. 500:100")?;
        Ok(Self {
            objects: objects.parse()?,
            secrets: secrets.parse()?,
        })
    }
}

/// Everything that is counted, at one moment.
struct Moment {
    aws: Counts,
    api: Requests,
    cpu: Duration,
    rss_kib: u64,
    peak_rss_kib: u64,
    at: Instant,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    println!(
        "Measured on {} with `cargo xtask bench control`.\n",
        machine::describe()
    );
    let mut cold = Table::new(&[
        "objects over secrets",
        "all ready",
        "batch calls",
        "single calls",
        "STS calls",
        "Secret writes",
        "Secret reads",
        "status writes",
        "events",
        "CPU",
        "RSS peak",
    ]);
    let mut steady = Table::new(&[
        "objects over secrets",
        "AWS calls",
        "Secret writes",
        "Secret reads",
        "status writes (heartbeats)",
        "CPU",
        "RSS",
    ]);
    println!(
        "An idle host with the built-in plugins loaded: {} MiB RSS.\n",
        idle_rss().await? / 1024
    );
    for scenario in &arguments.scenarios {
        let name = format!("{} over {}", scenario.objects, scenario.secrets);
        eprintln!("{name} ...");
        let (start, ready, end) = measure(*scenario, &arguments).await?;
        let api = ready.api.since(&start.api);
        cold.row([
            name.clone(),
            format!("{:.1} s", (ready.at - start.at).as_secs_f64()),
            (ready.aws.of("BatchGetSecretValue") - start.aws.of("BatchGetSecretValue")).to_string(),
            (ready.aws.of("GetSecretValue") - start.aws.of("GetSecretValue")).to_string(),
            (ready.aws.of("AssumeRole") - start.aws.of("AssumeRole")).to_string(),
            api.writes("secrets", "").to_string(),
            api.reads("secrets").to_string(),
            api.writes("externalsecrets", "status").to_string(),
            api.writes("events", "").to_string(),
            format!("{:.1} s", ready.cpu.as_secs_f64()),
            format!("{} MiB", end.peak_rss_kib / 1024),
        ]);
        let api = end.api.since(&ready.api);
        let per = |count: u64| format!("{:.1}", count as f64 / f64::from(arguments.steady));
        steady.row([
            name,
            per(end.aws.total() - ready.aws.total()),
            per(api.writes("secrets", "")),
            per(api.reads("secrets")),
            per(api.writes("externalsecrets", "status")),
            format!(
                "{:.2} s",
                (end.cpu - ready.cpu).as_secs_f64() / f64::from(arguments.steady)
            ),
            format!("{} MiB", end.rss_kib / 1024),
        ]);
    }
    println!("Cold start, 5 keys of each object, 5 ms per AWS call:\n");
    cold.print();
    println!(
        "Then per interval of {} s, nothing changed (mean of {}):\n",
        arguments.interval, arguments.steady
    );
    steady.print();
    Ok(())
}

/// RSS in KiB of a host that has nothing to do.
async fn idle_rss() -> anyhow::Result<u64> {
    let plane = ControlPlane::start().await?;
    let installed = plane.install(Manifest::Install).await?;
    let aws = FakeAws::start(FakeConfig::default())?;
    let host = Host::start(config(&installed, &aws, Duration::from_secs(60))).await?;
    Ok(machine::rss_kib(host.id()))
}

fn config(installed: &Installed, aws: &FakeAws, interval: Duration) -> HostConfig {
    HostConfig::new(&installed.kubeconfig)
        .aws(aws, REGION)
        .interval(interval)
        .env("LOG_LEVEL", "info")
}

async fn measure(scenario: Scenario, arguments: &Arguments) -> anyhow::Result<(Moment, Moment, Moment)> {
    let interval = Duration::from_secs(arguments.interval);
    let plane = ControlPlane::start().await?;
    let installed = plane.install(Manifest::Install).await?;
    let aws = FakeAws::start(FakeConfig {
        latency: LATENCY,
        ..FakeConfig::default()
    })?;
    for number in 0..scenario.secrets {
        let value = json!({ "a": format!("value-a-{number}"), "b": format!("value-b-{number}"), "c": number, "d": true, "e": "x".repeat(40) });
        aws.set_secret(REGION, &format!("bench/{number}"), value.to_string());
    }
    create_objects(&plane, scenario).await?;
    let api = plane.admin();
    let all_synced = wait_for_success(api.clone(), scenario.objects);

    let before = (aws.counts(), Requests::of(&api).await?, Instant::now());
    let host = Host::start(config(&installed, &aws, interval)).await?;
    let start = Moment {
        aws: before.0,
        api: before.1,
        cpu: Duration::ZERO,
        rss_kib: 0,
        peak_rss_kib: 0,
        at: before.2,
    };
    tokio::time::timeout(READY_WITHIN, all_synced)
        .await
        .context("not all objects became ready")??;
    let at = Instant::now();
    let ready = moment(&host, &aws, &api, at).await?;
    tokio::time::sleep(interval * arguments.steady).await;
    let end = moment(&host, &aws, &api, Instant::now()).await?;
    Ok((start, ready, end))
}

async fn moment(host: &Host, aws: &FakeAws, api: &kube::Client, at: Instant) -> anyhow::Result<Moment> {
    let pid = host.id();
    Ok(Moment {
        aws: aws.counts(),
        api: Requests::of(api).await?,
        cpu: machine::cpu_time(pid),
        rss_kib: machine::rss_kib(pid),
        peak_rss_kib: machine::peak_rss_kib(pid),
        at,
    })
}

async fn create_objects(plane: &ControlPlane, scenario: Scenario) -> anyhow::Result<()> {
    objects::create(plane, scenario.objects, |number| {
        let secret = |which: usize| format!("bench/{}", (2 * number + which) % scenario.secrets);
        let item =
            |which: usize, property: &str| json!({ "key": secret(which), "property": property, "name": property });
        json!({
            "backendType": "secretsManager",
            "roleArn": "arn:aws:iam::123456789012:role/bench",
            "data": [item(0, "a"), item(0, "b"), item(0, "c"), item(1, "d"), item(1, "e")],
        })
    })
    .await
}

/// Ends when this many objects have said SUCCESS.
fn wait_for_success(api: kube::Client, count: usize) -> impl Future<Output = anyhow::Result<()>> {
    let objects: Api<DynamicObject> = Api::all_with(api, &objects::resource());
    async move {
        let mut synced = std::collections::HashSet::new();
        let mut events = Box::pin(watcher(objects, watcher::Config::default()));
        while synced.len() < count {
            let event = events.try_next().await?.context("the watch ended")?;
            if let watcher::Event::Apply(object) | watcher::Event::InitApply(object) = event
                && object.data.pointer("/status/status").and_then(|status| status.as_str()) == Some("SUCCESS")
            {
                synced.insert((object.metadata.namespace, object.metadata.name));
            }
        }
        Ok(())
    }
}
