//! What is said and written, where nothing else is the point.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use keyhole_test_aws::{Effect, Fault};
use keyhole_test_harness::{Host, eventually};
use kube::ResourceExt as _;
use serde_json::json;

use crate::case::{PATIENCE, ready, unique};
use crate::world::{INTERVAL, case};

#[test]
fn w6_a_status_that_meets_a_newer_object_is_no_crash_and_comes_right() {
    case(async |case| {
        // A host of its own, so that its count of conflicts is about this one object.
        let instance = format!("w6-{}", case.namespace);
        let mut host = Host::start(case.own_host(&instance).interval(INTERVAL)).await.unwrap();
        let value = unique("conflict");
        let key = case.set("db", value.clone());
        let spec = |name: &str| json!({"controllerId": instance, "backendType": "secretsManager", "data": [{"key": key, "name": name}]});
        case.create_spec("app", spec("value")).await;

        // Somebody writes the object as fast as the API server takes it, until a status was refused.
        let refused = &AtomicBool::new(false);
        let writers = ["a", "b", "c", "d"].map(|name| async move {
            for round in 0.. {
                if refused.load(Ordering::Relaxed) {
                    return;
                }
                case.patch("app", json!({"metadata": {"annotations": {name: round.to_string()}}}))
                    .await;
            }
        });
        let watch = async {
            let conflict = eventually(PATIENCE, "a status write that is refused", async || {
                let metrics = host.metrics().await.map_err(|error| error.to_string())?;
                let conflicts = metrics.sum("keyhole_status_writes_total", &[("outcome", "conflict")]);
                (conflicts > 0.0).then_some(()).ok_or("none yet".to_owned())
            });
            let outcome = conflict.await;
            refused.store(true, Ordering::Relaxed);
            outcome.unwrap();
        };
        futures::join!(join_all(writers), watch);

        case.patch("app", json!({"spec": {"data": [{"key": key, "name": "renamed"}]}}))
            .await;
        case.expect_data("app", &[("renamed", &value)]).await;
        let object = case.objects().get("app").await.unwrap();
        let status = case.expect_success("app").await;
        assert_eq!(status["observedGeneration"].as_i64(), object.metadata.generation);
        assert_eq!(object.annotations().len(), 4, "what others wrote stays");
        let ended = host.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(ended.success(), "{ended}");
        case.keep_log(host.log());
    });
}

#[test]
fn w7_an_error_is_one_clean_line() {
    case(async |case| {
        let key = case.set("db", json!({"user": unique("user")}).to_string());
        let property = "first\nsecond\tthird   fourth\r\n";
        case.create("property", json!([{"key": key, "name": "value", "property": property}]))
            .await;
        let status = case.expect_error("property", "InvalidValue", &[]).await;
        assert_eq!(
            status["status"],
            format!("ERROR, Could not find property firstsecond third fourth in {key}")
        );

        // The same for what a store says.
        let other = case.set("other", unique("never"));
        let refusal = Effect::Error {
            status: 400,
            code: "InvalidParameterException".to_owned(),
            message: "You can't\n\tdo   this.\r\nNot\tnow.".to_owned(),
            retry_after: None,
        };
        case.world.aws.fault(Fault::everywhere().secret(&other).effect(refusal));
        case.create("store", json!([{"key": other, "name": "value"}])).await;
        let status = case.expect_error("store", "InvalidSpec", &[&other]).await;
        for text in [&status["status"], &ready(&status)["message"]] {
            let text = text.as_str().unwrap();
            let clean = !text.contains(|character: char| character.is_control()) && !text.contains("  ");
            assert!(clean && text.contains("do this."), "{text:?}");
        }
    });
}

#[test]
fn t1_the_type_of_the_template_wins_over_that_of_the_spec() {
    case(async |case| {
        let key = case.set("registry", format!("{{\"auths\": {{\"{}\": {{}}}}}}", unique("auth")));
        let data = json!([{"key": key, "name": ".dockerconfigjson"}]);
        let spec = |type_: &str| json!({"backendType": "secretsManager", "type": type_, "data": data});
        case.create_spec("spec", spec("kubernetes.io/dockerconfigjson")).await;
        let mut both = spec("Opaque");
        both["template"] = json!({"type": "kubernetes.io/dockerconfigjson"});
        case.create_spec("both", both).await;
        for name in ["spec", "both"] {
            case.expect_success(name).await;
            let secret = case.secrets().get(name).await.unwrap();
            assert_eq!(
                secret.type_.as_deref(),
                Some("kubernetes.io/dockerconfigjson"),
                "{name}"
            );
        }
    });
}
