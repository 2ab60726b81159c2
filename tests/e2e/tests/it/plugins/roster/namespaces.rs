//! Plugins that only some namespaces may use.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::bench::{create, fresh, from_file, obliging, plugin_case, word};
use crate::case::Case;

async fn label(case: &Case, value: Option<&str>) {
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": {"plugins": value}}}));
    namespaces
        .patch(&case.namespace, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[test]
fn only_selected_namespaces_are_served_and_changes_of_labels_are_followed() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "selected");
        let (first, second) = (word(case, "first"), word(case, "second"));
        let says = |word: &str| obliging(&json!({"types": [name], "says": word}));
        bench.write(&name, &says(&first));
        let mut spec = from_file(&name);
        spec["namespaces"] = json!({"matchLabels": {"plugins": "yes"}});
        bench.apply(&name, spec.clone()).await;
        bench.expect_serving(&name).await;
        let calls = bench.calls(&name).await;
        create(case, "app", &name).await;
        let text = format!("plugin {name} is only for namespaces with the labels plugins=yes");
        case.expect_error("app", "NotPermitted", &[&text]).await;
        assert_eq!(bench.calls(&name).await, calls, "asked for a namespace that may not");

        label(case, Some("yes")).await;
        case.expect_data("app", &[("value", &format!("{first} plain k"))]).await;

        label(case, None).await;
        case.expect_error("app", "NotPermitted", &[&text]).await;
        let before = bench.expect_serving(&name).await["digest"].clone();
        bench.write(&name, &says(&second));
        bench
            .expect(&name, "serve another file", |status| {
                status["digest"] != before && status["digest"] == status["servingDigest"]
            })
            .await;
        case.expect_data("app", &[("value", &format!("{first} plain k"))]).await;

        spec["namespaces"] = json!({"matchExpressions": [{"key": "plugins", "operator": "DoesNotExist"}]});
        bench.apply(&name, spec).await;
        case.expect_data("app", &[("value", &format!("{second} plain k"))])
            .await;
    });
}

#[test]
fn a_namespace_is_not_served_before_its_object_has_been_judged() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "narrowed");
        bench.write(&name, &obliging(&json!({"types": [name]})));
        bench.apply(&name, from_file(&name)).await;
        bench.expect_serving(&name).await;
        create(case, "app", &name).await;
        case.expect_success("app").await;
        let mut spec = from_file(&name);
        spec["namespaces"] = json!({"matchLabels": {"no": "body"}});
        bench.apply(&name, spec).await;
        case.expect_error("app", "NotPermitted", &["no=body"]).await;
    });
}
