//! Stores with a quota: how many calls are wasted on being told to slow down, and who hears of it.
//!
//! Each scenario runs twice, without a quota and with it: all objects without Secrets at first, then some
//! intervals in which nothing changes. The quota is a token bucket of all requests of the service in one
//! account and region, as AWS has it. Every change of every object's status is watched.

mod scenario;
mod witness;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use keyhole_test_aws::{Counts, FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Manifest};

use crate::table::Table;
use crate::{machine, objects};
use scenario::{SCENARIOS, Scenario};
use witness::{Seen, Witness};

pub const REGION: &str = "eu-west-1";
const LATENCY: Duration = Duration::from_millis(5);
/// A start that takes longer than this is broken.
const READY_WITHIN: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub struct Arguments {
    /// Runs the scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Refresh interval in seconds.
    #[arg(long, default_value_t = 20)]
    interval: u64,
    /// Intervals that are watched after the start.
    #[arg(long, default_value_t = 2)]
    steady: u32,
}

/// One run of a scenario.
struct Run {
    start: Counts,
    steady: Counts,
    ready: Duration,
    seen: Seen,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    println!(
        "Measured on {} with `cargo xtask bench throttle`.\n",
        machine::describe()
    );
    let mut table = Table::new(&[
        "scenario",
        "quota",
        "calls by operation",
        "throttled",
        "calls to calls without quota",
        "all ready",
        "throttled then",
        "errors seen on objects",
    ]);
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(&arguments.only))
    {
        let mut free = None;
        for is_limited in [false, true] {
            eprintln!("{}, quota: {is_limited} ...", scenario.name);
            let run = measure(scenario, is_limited, &arguments).await?;
            let total = run.start.total();
            let without = *free.get_or_insert(total);
            table.row([
                scenario.name.to_owned(),
                match is_limited {
                    true => format!("{} per second", scenario.per_second),
                    false => "none".to_owned(),
                },
                by_operation(&run.start),
                run.start.throttled.to_string(),
                format!("{:.2}", total as f64 / without.max(1) as f64),
                format!("{:.1} s", run.ready.as_secs_f64()),
                format!("{} of {}", run.steady.throttled, run.steady.total()),
                run.seen.to_string(),
            ]);
        }
    }
    println!(
        "The last but one column is about the {} intervals of {} s after that, in which nothing changed.\n",
        arguments.steady, arguments.interval
    );
    table.print();
    Ok(())
}

async fn measure(scenario: &Scenario, is_limited: bool, arguments: &Arguments) -> anyhow::Result<Run> {
    let interval = Duration::from_secs(arguments.interval);
    let plane = ControlPlane::start().await?;
    let installed = plane.install(Manifest::Install).await?;
    let aws = FakeAws::start(FakeConfig {
        latency: LATENCY,
        ..FakeConfig::default()
    })?;
    scenario.seed(&aws);
    if is_limited {
        aws.quota(scenario.operations, scenario.per_second, scenario.per_second);
    }
    objects::create(&plane, scenario.objects, |number| scenario.spec(number)).await?;
    let witness = Witness::of(plane.admin(), scenario.objects);

    let began = Instant::now();
    let _host = Host::start(
        HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .interval(interval)
            .env("LOG_LEVEL", "info"),
    )
    .await?;
    tokio::time::timeout(READY_WITHIN, witness.all_synced())
        .await
        .with_context(|| format!("not all objects became ready: {}", witness.seen()))??;
    let (ready, start) = (began.elapsed(), aws.counts());
    tokio::time::sleep(interval * arguments.steady).await;
    Ok(Run {
        steady: since(&aws.counts(), &start),
        start,
        ready,
        seen: witness.seen(),
    })
}

fn by_operation(counts: &Counts) -> String {
    let each = counts.calls.keys().map(|name| format!("{} {name}", counts.of(name)));
    each.collect::<Vec<_>>().join(", ")
}

fn since(later: &Counts, earlier: &Counts) -> Counts {
    let mut added = later.clone();
    added.throttled -= earlier.throttled;
    for (operation, regions) in &mut added.calls {
        for (region, count) in regions {
            *count -= earlier.in_region(operation, region);
        }
    }
    added
}
