//! The tour, step by step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Secret;
use keyhole_test_harness::{Host, HostConfig, apply, eventually};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt as _};
use serde_json::{Map, Value, json};

use crate::Args;
use crate::cluster::{Cluster, NAMESPACE};
use crate::store::{SECRET, Store};

const SAMPLE: &str = include_str!("../../../docs/examples/secrets-manager.yaml");
const PARAMETERS_SAMPLE: &str = include_str!("../../../docs/examples/system-manager.yaml");
const INTERVAL: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// The whole tour.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        once,
        aws,
        secret,
        region,
        context,
    } = args;
    let start = Instant::now();
    let cluster = match &context {
        Some(name) => Cluster::of_context(name).await?,
        None => Cluster::start().await?,
    };
    match &context {
        Some(name) => step(
            1,
            &format!("Using your cluster, context {name}. Only the CRD and the namespace {NAMESPACE} are touched."),
        ),
        None => step(
            1,
            &format!(
                "A real Kubernetes control plane runs on this machine ({}).",
                seconds(start.elapsed())
            ),
        ),
    }

    let store = Store::open(&aws).await?;
    let first = json!({"username": "app", "password": "correct-horse-battery-1"}).to_string();
    step(
        2,
        &format!("AWS Secrets Manager and Parameter Store: {}.", store.name()),
    );
    if store.put(&region, &first).await? {
        line(&format!("{SECRET} in {region} is {first}"));
    }

    let config = HostConfig::new(&cluster.host_kubeconfig)
        .interval(INTERVAL)
        .namespaces(&[NAMESPACE])
        .env("LOG_LEVEL", "info");
    let begun = Instant::now();
    let host = Host::start(store.configure(config, &region)).await?;
    step(3, &format!("Keyhole runs ({}).", seconds(begun.elapsed())));
    line(&format!("to Kubernetes it is {}", cluster.host_is));

    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let mut sample = sample(SAMPLE, &region).context("docs/examples/secrets-manager.yaml")?;
    if let Some(secret) = &secret {
        spec_of(&mut sample)?.insert("data".to_owned(), json!([{"key": secret, "name": "value"}]));
    }
    let name = sample.name_any();
    step(4, "kubectl apply:");
    serve(&cluster, &secrets, &sample, 5, matches!(store, Store::Real)).await?;
    if let Some(seen) = store.seen() {
        line(&format!("AWS saw {seen}"));
    }

    let second = json!({"username": "app", "password": "correct-horse-battery-2"}).to_string();
    let begun = Instant::now();
    if store.put(&region, &second).await? {
        step(6, "The password is rotated in AWS.");
        let rotated = b"correct-horse-battery-2".as_slice();
        let data = wait_for(&cluster, &secrets, &name, |data| {
            data.get("password").is_some_and(|now| now == rotated)
        })
        .await?;
        line(&format!(
            "The Secret followed ({}; the interval is {} s):",
            seconds(begun.elapsed()),
            INTERVAL.as_secs()
        ));
        show(&data, false);
    }
    if store.put_parameters(&region).await? {
        let sample = self::sample(PARAMETERS_SAMPLE, &region).context("docs/examples/system-manager.yaml")?;
        step(
            7,
            "The same from Parameter Store: a path and a single parameter. kubectl apply:",
        );
        serve(&cluster, &secrets, &sample, 8, false).await?;
        if let Some(seen) = store.seen() {
            line(&format!("AWS saw {seen}"));
        }
    }
    if !once {
        stay(&cluster, &store, &region).await?;
    }
    drop(host);
    cluster.leave().await
}

/// A sample object, for this region.
fn sample(text: &str, region: &str) -> anyhow::Result<DynamicObject> {
    let mut sample: DynamicObject = serde_saphyr::from_str(text)?;
    sample.metadata.namespace = Some(NAMESPACE.to_owned());
    spec_of(&mut sample)?.insert("region".to_owned(), json!(region));
    Ok(sample)
}

fn spec_of(sample: &mut DynamicObject) -> anyhow::Result<&mut Map<String, Value>> {
    let spec = sample.data.get_mut("spec").and_then(Value::as_object_mut);
    spec.context("the sample has no spec")
}

/// Applies a sample object and shows its Secret, which is the next step.
async fn serve(
    cluster: &Cluster,
    secrets: &Api<Secret>,
    sample: &DynamicObject,
    next: u8,
    redact: bool,
) -> anyhow::Result<()> {
    for text in serde_saphyr::to_string(sample)?.lines() {
        line(text);
    }
    let begun = Instant::now();
    apply(&cluster.client, sample).await?;
    let name = sample.name_any();
    let data = wait_for(cluster, secrets, &name, |_| true).await?;
    let (status, time) = (status(cluster, &name).await?, seconds(begun.elapsed()));
    step(
        next,
        &format!("{status}, {time}: the Secret {NAMESPACE}/{name} is there."),
    );
    show(&data, redact);
    Ok(())
}

type Data = BTreeMap<String, Vec<u8>>;

async fn wait_for(
    cluster: &Cluster,
    secrets: &Api<Secret>,
    name: &str,
    good: impl Fn(&Data) -> bool,
) -> anyhow::Result<Data> {
    let found = eventually(PATIENCE, &format!("Secret {name}"), async || {
        let secret = secrets.get_opt(name).await.map_err(|error| error.to_string())?;
        let data: Option<Data> = secret.map(|secret| {
            secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, value.0))
                .collect()
        });
        data.filter(&good).ok_or_else(|| "not there yet".to_owned())
    })
    .await;
    match found {
        Ok(data) => Ok(data),
        Err(error) => bail!("{error:#}; the object says: {}", status(cluster, name).await?),
    }
}

/// The status line of the ExternalSecret.
async fn status(cluster: &Cluster, name: &str) -> anyhow::Result<String> {
    let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1", "ExternalSecret");
    let resource = ApiResource::from_gvk_with_plural(&kind, "externalsecrets");
    let objects: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), NAMESPACE, &resource);
    let line = eventually(PATIENCE, "a status", async || {
        let object = objects.get(name).await.map_err(|error| error.to_string())?;
        let status = object
            .data
            .pointer("/status/status")
            .and_then(Value::as_str)
            .map(str::to_owned);
        status.ok_or_else(|| "none yet".to_owned())
    });
    line.await
}

/// Leaves everything running until Ctrl-C.
async fn stay(cluster: &Cluster, store: &Store, region: &str) -> anyhow::Result<()> {
    println!("\nIt all keeps running until Ctrl-C. In another terminal:\n");
    if let Some(path) = &cluster.user_kubeconfig {
        line(&format!("export KUBECONFIG={}", path.display()));
    }
    line(&format!("kubectl -n {NAMESPACE} get externalsecrets,secrets"));
    if let Some(hint) = store.rotate_hint(region) {
        line(&hint);
    }
    tokio::signal::ctrl_c().await?;
    println!("\nStopping.");
    Ok(())
}

fn show(data: &Data, redact: bool) {
    for (key, value) in data {
        match std::str::from_utf8(value) {
            Ok(text) if !redact => line(&format!("{key}: {text}")),
            _ => line(&format!("{key}: {} bytes", value.len())),
        }
    }
}

fn step(number: u8, text: &str) {
    println!("\n{number}. {text}");
}

fn line(text: &str) {
    println!("     {text}");
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}
