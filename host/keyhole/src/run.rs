//! `keyhole run`: the operator.

mod cluster;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use keyhole_controller::plan::Defaults;
use keyhole_controller::planner::PlannerConfig;
use keyhole_controller::roster::NamespaceFiles;
use keyhole_controller::{Config, Controller, ObjectMetrics, RosterConfig};
use keyhole_identity::ClusterCredentials;
use prometheus::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::args::{Namespaces, OperatorArgs, PermissionArgs, RunArgs, ValueArgs};
use crate::host::{self, Host, InCluster};
use crate::observe::{Calls, EngineGauges};
use crate::{kes_environment, logs, stop};

/// Threads for what blocks: name look-ups, reading files. Plugins on a file system that hangs hold at most
/// [`keyhole_controller::roster::HANGING`] of them.
const BLOCKING_THREADS: usize = 64;
/// The controller ends within its grace by itself; this is for one that does not.
const OVERTIME: Duration = Duration::from_secs(3);
/// For what still blocks when everything else is done.
const LEFTOVERS: Duration = Duration::from_secs(1);

/// Runs until it is stopped or something breaks.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    logs::start(&args.log)?;
    warn_about(&args);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("keyhole")
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    let outcome = runtime.block_on(until_stopped(args));
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}

async fn until_stopped(args: RunArgs) -> anyhow::Result<ExitCode> {
    let token = CancellationToken::new();
    tokio::select! {
        biased;
        () = stop::crash() => Ok(ExitCode::FAILURE),
        signal = stop::signals(token.clone()) => Ok(ExitCode::from(128 + signal?)),
        served = serve(args, token.clone()) => served.map(|()| ExitCode::SUCCESS),
    }
}

async fn serve(args: RunArgs, token: CancellationToken) -> anyhow::Result<()> {
    let RunArgs {
        operator,
        permission,
        values,
        aws,
        plugins,
        log: _,
        metrics_port,
        metrics_address,
        object_metrics,
        deprecated_metrics,
        grace,
    } = args;
    let registry = Registry::new();
    let engine = host::engine(&plugins)?;
    let (ready, is_ready) = watch::channel(false);
    let gauges = EngineGauges::register(&registry, engine.clone())?;
    let observer = Arc::new(Calls::register(&registry)?);
    let listener = admin::bind(metrics_address, metrics_port).await?;
    let admin_stop = CancellationToken::new();
    let admin = Admin {
        registry: registry.clone(),
        gauges,
        ready: is_ready,
    };
    let admin = admin::serve(listener, admin, admin_stop.clone());
    let operate = async {
        let cluster = cluster::connect().await?;
        let namespace = operator.own_namespace();
        let in_cluster = InCluster {
            files: Arc::new(NamespaceFiles::new(cluster.client.clone(), Arc::clone(&namespace))),
            credentials: ClusterCredentials::new(cluster.client.clone(), &namespace),
        };
        let host = Host::start(
            engine,
            &aws,
            &plugins,
            cluster.api_server,
            Some(observer),
            Some(in_cluster),
        )
        .await?;
        tracing::info!(
            region = host.region,
            backend_types = host.plugins.backend_types().join(","),
            "starting"
        );
        let metrics = ObjectMetrics {
            enabled: object_metrics,
            deprecated_names: deprecated_metrics,
        };
        let config = config(operator, permission, values, plugins.sandbox_slots, metrics, grace);
        let roster = RosterConfig {
            namespace,
            surroundings: host.surroundings,
            loader: host.loader,
        };
        let controller = Controller::new(config, cluster.client, host.plugins, Arc::new(host.script), &registry)?;
        let controller = controller.with_roster(roster);
        let relay = relay(controller.ready(), ready);
        let stopping = async {
            token.cancelled().await;
            tokio::time::sleep(grace + OVERTIME).await;
        };
        tokio::select! {
            ended = controller.run(token.clone()) => Ok(ended?),
            () = stopping => bail!("writes that were begun did not finish within {} s", grace.as_secs()),
            never = relay => match never {},
            never = cluster.search.follow() => match never {},
        }
    };
    tokio::select! {
        ended = operate => ended,
        () = admin => bail!("the server of metrics and health ended"),
    }?;
    admin_stop.cancel();
    tracing::info!("stopped");
    Ok(())
}

/// Flags as the controller takes them.
fn config(
    args: OperatorArgs,
    permission: PermissionArgs,
    values: ValueArgs,
    slots: u32,
    object_metrics: ObjectMetrics,
    grace: Duration,
) -> Config {
    let OperatorArgs {
        poller_interval_milliseconds,
        minimum_interval,
        disable_polling,
        watched_namespaces: Namespaces(watched_namespaces),
        namespace: _,
        instance_id,
        list_secrets,
        namespace_session_tag,
        writers,
        heartbeats_per_second,
    } = args;
    let asked = Duration::from_millis(poller_interval_milliseconds);
    if asked < minimum_interval {
        tracing::warn!(
            ?asked,
            ?minimum_interval,
            "POLLER_INTERVAL_MILLISECONDS is raised to the minimum interval"
        );
    }
    Config {
        name: "keyhole".to_owned(),
        watched_namespaces,
        instance_id,
        defaults: Defaults {
            interval: asked.max(minimum_interval),
            least_interval: minimum_interval,
            disable_polling: disable_polling.is_some(),
            tag_sessions_with_namespace: namespace_session_tag,
            leniency: values.into(),
        },
        list_secrets,
        writers: usize::from(writers),
        heartbeats_per_second,
        object_metrics,
        policy: permission.policy(),
        planner: PlannerConfig {
            slots: usize::try_from(slots).unwrap_or(usize::MAX),
            ..PlannerConfig::default()
        },
        grace,
    }
}

/// Readiness as the admin server shows it.
async fn relay(mut from: watch::Receiver<bool>, to: watch::Sender<bool>) -> std::convert::Infallible {
    loop {
        to.send_replace(*from.borrow_and_update());
        if from.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What somebody who moved here from KES would want to know.
fn warn_about(args: &RunArgs) {
    for line in kes_environment::without_effect(|name| std::env::var(name).ok()) {
        tracing::warn!("{line}");
    }
    for (name, given) in [
        ("DISABLE_POLLING", &args.operator.disable_polling),
        (
            "ENFORCE_NAMESPACE_ANNOTATIONS",
            &args.permission.enforce_namespace_annotations,
        ),
        ("USE_HUMAN_READABLE_LOG_LEVELS", &args.log.use_human_readable_log_levels),
    ] {
        if given.as_ref().is_some_and(|given| given.looks_off()) {
            tracing::warn!("{name} is on as soon as it is there, whatever it says; remove it to turn it off");
        }
    }
}
