//! The example in each language, installed from a file, with a token that the host sets as a header.

use keyhole_test_assets::Example;
use keyhole_test_harness::{JsonStore, apply, plugin_file};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject};
use kube::core::{GroupVersionKind, TypeMeta};
use serde_json::{Value, json};

use super::stores::{Stores, store_case};
use crate::case::{Case, unique};

/// The Secret with the token, in the operator's namespace.
const CREDENTIAL: &str = "json-store-credential";

/// Names as in `example-NAME.wasm` and `backendType: exampleNAME`.
const LANGUAGES: [(&str, &str); 4] = [
    ("rust", "exampleRust"),
    ("javascript", "exampleJavascript"),
    ("python", "examplePython"),
    ("go", "exampleGo"),
];

#[test]
fn an_example_in_each_language_serves_objects_with_a_token_that_it_never_sees() {
    store_case(async |case, stores| {
        let token = unique("token");
        case.search_for(&token.clone().into());
        let store = JsonStore::start(&token).unwrap();
        keep_credential(stores, &token).await;
        for (language, _) in LANGUAGES {
            install(stores, language, &store.address()).await;
        }
        for (language, backend) in LANGUAGES {
            serves(case, &store, language, backend).await;
            let status = stores.expect_ready(&format!("example-{language}")).await;
            assert_eq!(status["credentials"], "hidden", "{status}");
        }
        assert!(
            store.asked().iter().all(|asked| asked.status != 401),
            "{:?}",
            store.asked()
        );

        let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1alpha1", "BackendPlugin");
        let plugins: Api<DynamicObject> = Api::all_with(
            stores.world.plane.admin(),
            &ApiResource::from_gvk_with_plural(&kind, "backendplugins"),
        );
        for (language, _) in LANGUAGES {
            let name = format!("example-{language}");
            plugins.delete(&name, &DeleteParams::default()).await.unwrap();
        }
    });
}

/// One object with a key and a path follows the store; one whose key is absent says so.
async fn serves(case: &Case, store: &JsonStore, language: &str, backend: &str) {
    let folder = format!("{}/{language}", case.namespace);
    let (first, second, third) = (unique("first"), unique("second"), unique("third"));
    for value in [&first, &second, &third] {
        case.search_for(&value.clone().into());
    }
    store.set(&format!("{folder}/db"), &first);
    store.set(&format!("{folder}/more/token"), &third);
    let spec = |data: Value| json!({"backendType": backend, "config": {"prefix": folder}, "data": data});
    let data = json!([{"key": "db", "name": "password"}, {"path": "more", "recursive": false}]);
    case.create_spec(language, spec(data)).await;
    case.expect_data(language, &[("password", &first), ("token", &third)])
        .await;
    store.set(&format!("{folder}/db"), &second);
    case.expect_data(language, &[("password", &second), ("token", &third)])
        .await;

    let absent = format!("{language}-absent");
    case.create_spec(&absent, spec(json!([{"key": "absent", "name": "password"}])))
        .await;
    case.expect_error(&absent, "NotFound", &["absent"]).await;
}

async fn keep_credential(stores: &Stores, token: &str) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Secret"));
    let mut secret = DynamicObject::new(CREDENTIAL, &resource)
        .within(&stores.world.installed.namespace)
        .data(json!({"stringData": {"token": token}}));
    secret.types = Some(TypeMeta {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
    });
    apply(&stores.world.plane.admin(), &secret).await.unwrap();
}

async fn install(stores: &Stores, language: &str, address: &str) {
    let file = match language {
        "rust" => plugin_file("example-rust").unwrap(),
        "javascript" => built(Example::JavaScript),
        "python" => built(Example::Python),
        _ => built(Example::Go),
    };
    let name = format!("example-{language}.wasm");
    std::fs::copy(file, stores.plugins.join(&name)).unwrap();
    let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1alpha1", "BackendPlugin");
    let resource = ApiResource::from_gvk_with_plural(&kind, "backendplugins");
    let object = format!("example-{language}");
    let plugin = DynamicObject::new(&object, &resource).data(json!({"spec": {
        "source": {"file": {"path": name}},
        "settings": {"address": address},
        "grant": {
            "hosts": [address],
            "allowPrivateAddresses": ["127.0.0.0/8"],
            "auth": {"headers": [{
                "name": "authorization",
                "prefix": "Bearer ",
                "secretKeyRef": {"name": CREDENTIAL, "key": "token"},
            }]},
        },
    }}));
    apply(&stores.world.plane.admin(), &plugin).await.unwrap();
    stores.expect_ready(&object).await;
}

fn built(example: Example) -> std::path::PathBuf {
    let found = example.find().unwrap();
    found.expect("the examples are not built yet: `cargo xtask examples` does it")
}
