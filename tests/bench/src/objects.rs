//! Many ExternalSecrets, spread over ten namespaces.

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use keyhole_test_harness::ControlPlane;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use serde_json::{Value as Json, json};

/// ExternalSecret.
pub fn resource() -> ApiResource {
    ApiResource {
        group: "kubernetes-client.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "kubernetes-client.io/v1".to_owned(),
        kind: "ExternalSecret".to_owned(),
        plural: "externalsecrets".to_owned(),
    }
}

/// Creates so many objects; `spec` makes the spec of each from its number.
pub async fn create(plane: &ControlPlane, count: usize, spec: impl Fn(usize) -> Json) -> anyhow::Result<()> {
    let api = plane.admin();
    let namespaces: Api<Namespace> = Api::all(api.clone());
    let names: Vec<String> = (0..10).map(|number| format!("bench-{number}")).collect();
    for name in &names {
        let namespace = Namespace {
            metadata: kube::core::ObjectMeta {
                name: Some(name.clone()),
                ..kube::core::ObjectMeta::default()
            },
            ..Namespace::default()
        };
        namespaces.create(&PostParams::default(), &namespace).await?;
    }
    futures::stream::iter(0..count)
        .map(|number| {
            let namespace = &names[number % names.len()];
            let objects: Api<DynamicObject> = Api::namespaced_with(api.clone(), namespace, &resource());
            let object = json!({
                "apiVersion": "kubernetes-client.io/v1",
                "kind": "ExternalSecret",
                "metadata": { "name": format!("object-{number}") },
                "spec": spec(number),
            });
            async move {
                let object: DynamicObject = serde_json::from_value(object)?;
                objects.create(&PostParams::default(), &object).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(16)
        .try_collect::<()>()
        .await
}
