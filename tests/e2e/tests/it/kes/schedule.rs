//! Which objects an operator serves, and when.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Manifest, eventually};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::case::{Case, PATIENCE, data_of, external_secret, external_secrets, unique};
use crate::search::nothing_leaked_into;
use crate::world::{INTERVAL, REGION, alone, case};

const SYNCS: &str = "kubernetes_external_secrets_sync_calls_count";

/// A spec that takes one key of the store, for the operator of this instance.
fn spec(key: &str, instance: &str) -> Value {
    json!({"backendType": "secretsManager", "controllerId": instance, "data": [{"key": key, "name": "value"}]})
}

/// Waits until a host of the case's own has, or no longer has, counted a sync of the object.
async fn expect_series(host: &Host, case: &Case, name: &str, there: bool) {
    eventually(PATIENCE, "the series of the object", async || {
        let metrics = host.metrics().await.map_err(|error| error.to_string())?;
        let found = metrics.has(SYNCS, &[("name", name), ("namespace", &case.namespace)]);
        (found == there).then_some(()).ok_or_else(|| format!("there: {found}"))
    })
    .await
    .unwrap();
}

#[test]
fn i1_an_object_is_served_by_the_operator_that_it_names_and_by_no_other() {
    case(async |case| {
        let value = unique("instance");
        let key = case.set("db", value.clone());
        let instance = format!("one-{}", case.namespace);
        let mut host = Host::start(case.own_host(&instance).interval(INTERVAL)).await.unwrap();
        case.create_spec("another", spec(&key, &format!("two-{}", case.namespace)))
            .await;
        case.create("unnamed", json!([{"key": key, "name": "value"}])).await;
        case.create_spec("empty", spec(&key, "")).await;
        case.create_spec("equal", spec(&key, &instance)).await;

        case.expect_data("equal", &[("value", &value)]).await;
        // The shared host names no instance: it serves these two.
        case.expect_data("unnamed", &[("value", &value)]).await;
        case.expect_data("empty", &[("value", &value)]).await;
        expect_series(&host, case, "equal", true).await;
        for name in ["unnamed", "empty", "another"] {
            expect_series(&host, case, name, false).await;
        }
        assert_eq!(case.data("another").await, None);
        assert!(case.objects().get("another").await.unwrap().data["status"].is_null());

        // Handed over, it is let go by the one and taken up by the other.
        case.patch("equal", json!({"spec": {"controllerId": null}})).await;
        expect_series(&host, case, "equal", false).await;
        expect_series(&case.world.host, case, "equal", true).await;
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());
    });
}

#[test]
fn i2_only_watched_namespaces_are_served_with_rights_in_no_other() {
    alone(async || {
        let plane = ControlPlane::start().await.unwrap();
        let namespaces: Api<Namespace> = Api::all(plane.admin());
        for name in ["team-a", "team-b", "team-c"] {
            let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        }
        let installed = plane.install(Manifest::InstallNamespaces).await.unwrap();
        let theirs = keyhole_test_harness::client(&installed.kubeconfig).await.unwrap();
        let elsewhere = Api::<Secret>::namespaced(theirs.clone(), "team-c").get_opt("app").await;
        assert!(
            elsewhere.is_err_and(|error| error.to_string().contains("forbidden")),
            "the manifest grants Secrets of another namespace"
        );
        let all = Api::<Namespace>::all(theirs).list(&Default::default()).await;
        assert!(all.is_err_and(|error| error.to_string().contains("forbidden")));

        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        aws.set_secret(REGION, "db", "watched-value");
        let config = HostConfig::new(&installed.kubeconfig).aws(&aws, REGION);
        let host = Host::start(config.env("WATCHED_NAMESPACES", "team-a, team-b,"))
            .await
            .unwrap();
        for namespace in ["team-c", "team-a", "team-b"] {
            let object = external_secret(
                "app",
                json!({"backendType": "secretsManager", "data": [{"key": "db", "name": "value"}]}),
            );
            let objects = external_secrets(&plane.admin(), namespace);
            objects.create(&PostParams::default(), &object).await.unwrap();
        }
        for namespace in ["team-a", "team-b"] {
            let secrets: Api<Secret> = Api::namespaced(plane.admin(), namespace);
            let found = eventually(PATIENCE, "the Secret", async || {
                let secret = secrets.get_opt("app").await.map_err(|error| error.to_string())?;
                secret.ok_or_else(|| "there is none".to_owned())
            });
            let secret = found.await.unwrap_or_else(|error| panic!("{error:#}\n{}", host.log()));
            assert_eq!(data_of(&secret)["value"], b"watched-value");
        }
        let other = external_secrets(&plane.admin(), "team-c").get("app").await.unwrap();
        assert!(other.data["status"].is_null());
        assert!(!host.log().contains("forbidden"), "{}", host.log());
        nothing_leaked_into(&host.log(), &aws, &["watched-value"]);
    });
}

#[test]
fn i3_without_polling_only_a_change_of_the_spec_is_followed_whatever_the_variable_says() {
    case(async |case| {
        let first = unique("unpolled");
        let key = case.set("db", first.clone());
        let instance = format!("unpolled-{}", case.namespace);
        let config = case
            .own_host(&instance)
            .interval(INTERVAL)
            .env("DISABLE_POLLING", "false");
        let mut host = Host::start(config).await.unwrap();
        case.create_spec("app", spec(&key, &instance)).await;
        case.expect_data("app", &[("value", &first)]).await;
        // The shared host polls each second: what it has followed three times, this one would have seen.
        case.create("polled", json!([{"key": key, "name": "value"}])).await;
        let mut last = first.clone();
        for _ in 0..3 {
            last = unique("rotated");
            case.set("db", last.clone());
            case.expect_data("polled", &[("value", &last)]).await;
        }
        case.expect_data("app", &[("value", &first)]).await;
        case.patch("app", json!({"spec": {"data": [{"key": key, "name": "renamed"}]}}))
            .await;
        case.expect_data("app", &[("renamed", &last)]).await;
        assert!(
            host.log().contains("DISABLE_POLLING is on as soon as it is there"),
            "{}",
            host.log()
        );
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());
    });
}

#[test]
fn i4_an_edit_is_followed_at_once_however_long_the_interval() {
    case(async |case| {
        let (one, two) = (unique("one"), unique("two"));
        let (first, second) = (case.set("first", one.clone()), case.set("second", two.clone()));
        case.create_slow("app", json!([{"key": first, "name": "value"}])).await;
        case.expect_data("app", &[("value", &one)]).await;
        case.patch("app", json!({"spec": {"data": [{"key": second, "name": "value"}]}}))
            .await;
        case.expect_data("app", &[("value", &two)]).await;
    });
}

/// An object whose interval is an hour, synced by a host of its own that then stops.
async fn synced_and_stopped(case: &Case, value: &str) -> (Host, String) {
    let key = case.set("db", value.to_owned());
    let instance = format!("stopped-{}", case.namespace);
    let mut host = Host::start(case.own_host(&instance)).await.unwrap();
    let mut spec = spec(&key, &instance);
    spec["refreshInterval"] = json!("1h");
    case.create_spec("app", spec).await;
    case.expect_data("app", &[("value", value)]).await;
    case.expect_success("app").await;
    host.sigterm_and_wait(PATIENCE).await.unwrap();
    (host, instance)
}

#[test]
fn i5_after_a_restart_a_recent_sync_is_not_repeated() {
    case(async |case| {
        let before = unique("before");
        let (mut host, instance) = synced_and_stopped(case, &before).await;
        case.set("db", unique("after"));
        let asked = requests_for(case, &case.key("db"));
        host.restart().await.unwrap();
        // Something new is synced meanwhile.
        let other = unique("other");
        let key = case.set("other", other.clone());
        case.create_spec("other", spec(&key, &instance)).await;
        case.expect_data("other", &[("value", &other)]).await;
        assert_eq!(requests_for(case, &case.key("db")), asked);
        case.expect_data("app", &[("value", &before)]).await;
        case.keep_log(host.log());
    });
}

#[test]
fn i6_a_last_sync_in_the_future_is_not_believed() {
    case(async |case| {
        let (mut host, _) = synced_and_stopped(case, &unique("before")).await;
        let after = unique("after");
        case.set("db", after.clone());
        let future = Patch::Merge(json!({"status": {"lastSync": "2099-01-01T00:00:00.000Z"}}));
        let params = PatchParams::default();
        case.objects().patch_status("app", &params, &future).await.unwrap();
        host.restart().await.unwrap();
        case.expect_data("app", &[("value", &after)]).await;
        case.keep_log(host.log());
    });
}

/// How often the store was asked for this secret.
fn requests_for(case: &Case, key: &str) -> usize {
    let requests = case.world.aws.requests();
    let about = requests
        .iter()
        .filter(|request| request.resources.iter().any(|resource| resource == key));
    about.count()
}
