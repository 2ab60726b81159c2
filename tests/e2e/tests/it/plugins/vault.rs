//! `backendType: vault`: manifests of KES, and how often the operator logs in.

use keyhole_test_harness::{apply, eventually};
use kube::api::{DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};

use super::stores::{MOUNT, ROLE, Stores, catalog, store_case};
use crate::case::{Case, PATIENCE, unique};

/// The spec of an object of this role.
fn spec(data: Value) -> Value {
    json!({"backendType": "vault", "vaultMountPoint": MOUNT, "vaultRole": ROLE, "data": data})
}

#[test]
fn the_ready_files_are_objects_of_the_installed_crd() {
    store_case(async |_, stores| {
        for name in ["vault", "http"] {
            let wanted = catalog(name);
            let mut other = wanted.clone();
            other.metadata.name = Some(format!("{name}-as-it-is"));
            // Beside the one that serves: it claims the same backend type, and says so.
            let client = stores.world.plane.admin();
            apply(&client, &other).await.unwrap();
            let (resource, _) = kube::discovery::pinned_kind(
                &client,
                &kube::core::GroupVersionKind::gvk("kubernetes-client.io", "v1alpha1", "BackendPlugin"),
            )
            .await
            .unwrap();
            let api: kube::Api<DynamicObject> = kube::Api::all_with(client, &resource);
            let kept = api.get(&format!("{name}-as-it-is")).await.unwrap();
            assert_eq!(kept.data["spec"], wanted.data["spec"], "nothing was pruned");
            api.delete(&format!("{name}-as-it-is"), &Default::default())
                .await
                .unwrap();
        }
    });
}

/// Manifests as KES's users have them.
const MANIFESTS: &str = "
apiVersion: kubernetes-client.io/v1
kind: ExternalSecret
metadata:
  name: by-property
spec:
  backendType: vault
  vaultMountPoint: my-kubernetes
  vaultRole: my-role
  data:
    - name: password
      key: secret/data/NS/app
      property: password
    - name: user
      key: secret/data/NS/app
      property: user
---
apiVersion: kubernetes-client.io/v1
kind: ExternalSecret
metadata:
  name: whole
spec:
  backendType: vault
  vaultMountPoint: my-kubernetes
  vaultRole: my-role
  kvVersion: 2
  dataFrom:
    - secret/data/NS/app
---
apiVersion: kubernetes-client.io/v1
kind: ExternalSecret
metadata:
  name: version-1
spec:
  backendType: vault
  vaultMountPoint: my-kubernetes
  vaultRole: my-role
  kvVersion: 1
  data:
    - name: password
      key: kv/NS/app
      property: password
";

#[test]
fn h1_h2_manifests_of_kes_work_as_they_are() {
    store_case(async |case, stores| {
        let (user, password, old) = (unique("user"), unique("password"), unique("old"));
        stores
            .put(
                case,
                &format!("{}/app", case.namespace),
                json!({"user": user, "password": password}),
            )
            .await;
        case.search_for(&old.clone().into());
        stores
            .bao
            .write(&format!("kv/{}/app", case.namespace), json!({"password": old}))
            .await
            .unwrap();
        let manifests = MANIFESTS.replace("NS", &case.namespace);
        for mut object in serde_saphyr::from_multiple::<DynamicObject>(&manifests).unwrap() {
            object.metadata.namespace = Some(case.namespace.clone());
            apply(&case.client, &object).await.unwrap();
        }
        let both = [("password", password.as_str()), ("user", user.as_str())];
        case.expect_data("by-property", &both).await;
        case.expect_data("whole", &both).await;
        case.expect_data("version-1", &[("password", &old)]).await;
        let rotated = unique("rotated");
        stores
            .put(
                case,
                &format!("{}/app", case.namespace),
                json!({"user": user, "password": rotated}),
            )
            .await;
        case.expect_data("whole", &[("password", &rotated), ("user", &user)])
            .await;
    });
}

#[test]
fn what_is_wrong_is_said_on_the_object() {
    store_case(async |case, stores| {
        stores
            .put(case, &format!("{}/app", case.namespace), json!({"v": unique("v")}))
            .await;
        let item = |key: &str| json!([{"key": key, "name": "v", "property": "v"}]);
        let (two, one) = (
            format!("secret/data/{}/app", case.namespace),
            format!("secret/{}/app", case.namespace),
        );
        case.create_spec("mixed-up", spec(item(&one))).await;
        case.expect_error("mixed-up", "NotFound", &[&two, "kvVersion 2"]).await;
        let mut other = spec(item(&two));
        other["vaultRole"] = json!("nobody");
        case.create_spec("role", other).await;
        case.expect_error("role", "InvalidSpec", &["\"nobody\"", "vaultRole"])
            .await;
        let mut address = spec(item(&two));
        address["config"] = json!({"address": "https://evil.example"});
        case.create_spec("address", address).await;
        case.expect_error("address", "InvalidSpec", &["administrator only"])
            .await;
    });
}

const OBJECTS: usize = 200;

/// Gives all entries new values and waits until all Secrets have them.
async fn rotate(case: &Case, stores: &'static Stores) {
    let value = unique("value");
    let write = async |number: usize| {
        let name = format!("{}/{number}", case.namespace);
        stores.put(case, &name, json!({"v": value})).await;
    };
    futures::future::join_all((0..OBJECTS).map(write)).await;
    eventually(PATIENCE, "all Secrets to follow", async || {
        let secrets = case
            .secrets()
            .list(&Default::default())
            .await
            .map_err(|error| error.to_string())?;
        let follows = |secret: &&k8s_openapi::api::core::v1::Secret| {
            crate::case::data_of(secret).get("v") == Some(&value.clone().into_bytes())
        };
        match secrets.items.iter().filter(follows).count() {
            OBJECTS => Ok(()),
            count => Err(format!("{count} of {OBJECTS}")),
        }
    })
    .await
    .unwrap();
}

#[test]
fn h6_two_hundred_objects_of_a_role_are_one_login_and_a_revoked_token_one_more_and_no_error() {
    store_case(async |case, stores| {
        // A role of this case's own, so that its logins can be counted.
        let (mount, role) = (format!("k8s-{}", case.namespace), "many");
        let installed = &stores.world.installed;
        let account = format!("{}/{}", installed.namespace, installed.service_account);
        stores
            .bao
            .mount_kubernetes("", &mount, &stores.world.plane)
            .await
            .unwrap();
        stores.bao.role("", &mount, role, &account, json!({})).await.unwrap();
        let first = unique("first");
        for number in 0..OBJECTS {
            stores
                .put(case, &format!("{}/{number}", case.namespace), json!({"v": first}))
                .await;
        }
        let create = async |number: usize| {
            let mut spec = spec(
                json!([{"key": format!("secret/data/{}/{number}", case.namespace), "name": "v", "property": "v"}]),
            );
            spec["vaultMountPoint"] = json!(mount);
            spec["vaultRole"] = json!(role);
            case.create_spec(&format!("app-{number}"), spec).await;
        };
        futures::future::join_all((0..OBJECTS).map(create)).await;
        rotate(case, stores).await;
        assert_eq!(stores.bao.logins(&mount).unwrap(), 1);

        stores.bao.revoke_logins(&mount).await.unwrap();
        rotate(case, stores).await;
        assert_eq!(stores.bao.logins(&mount).unwrap(), 2);

        let metrics = stores.world.host.metrics().await.unwrap();
        let count = |status: &str| {
            let labels = [("namespace", case.namespace.as_str()), ("status", status)];
            metrics.sum("kubernetes_external_secrets_sync_calls_count", &labels)
        };
        assert_eq!(count("error"), 0.0, "no object ever said ERROR");
        assert!(count("success") >= OBJECTS as f64);
        // The world is shared, and these would be asked for until its end.
        let all = case.objects();
        all.delete_collection(&DeleteParams::default(), &ListParams::default())
            .await
            .unwrap();
    });
}
