use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use keyhole_test_harness::{ControlPlane, eventually};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

fn object<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn it_starts_restarts_collects_and_leaves_nothing() {
    let plane = ControlPlane::start().await.unwrap();
    let version = plane.admin().apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "37"));

    let namespaces: Api<Namespace> = Api::all(plane.admin());
    let create = PostParams::default();
    namespaces
        .create(&create, &object(json!({"metadata": {"name": "team"}})))
        .await
        .unwrap();
    plane.restart_apiserver().await.unwrap();
    namespaces.get("team").await.unwrap();

    // Somebody with a token and no rights may do nothing.
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.admin(), "team");
    accounts
        .create(&create, &object(json!({"metadata": {"name": "nobody"}})))
        .await
        .unwrap();
    let token = plane.service_account_token("team", "nobody").await.unwrap();
    let nobody = keyhole_test_harness::client(&plane.kubeconfig(&token)).await.unwrap();
    let refused = Api::<ConfigMap>::namespaced(nobody, "team").get("a").await.unwrap_err();
    assert!(
        refused.to_string().contains("system:serviceaccount:team:nobody"),
        "{refused}"
    );

    plane.start_controller_manager().unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(plane.admin(), "team");
    let owner = maps
        .create(&create, &object(json!({"metadata": {"name": "owner"}})))
        .await
        .unwrap();
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid});
    let owned = json!({"metadata": {"name": "owned", "ownerReferences": [reference]}});
    maps.create(&create, &object(owned)).await.unwrap();
    maps.delete("owner", &Default::default()).await.unwrap();
    eventually(
        Duration::from_secs(60),
        "the owned object to be collected",
        async || match maps.get_opt("owned").await.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(_) => Err("still there".to_owned()),
        },
    )
    .await
    .unwrap();

    let folder = plane.folder().to_path_buf();
    let url = plane.url();
    drop(plane);
    assert!(!Path::new(&folder).exists());
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
