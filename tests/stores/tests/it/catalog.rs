//! The ready BackendPlugin files: what they say is what the types and the plugins know.

use std::path::Path;
use std::sync::Arc;

use keyhole_api::BackendPlugin;
use keyhole_plugins::schema::Schema;
use keyhole_plugins::{Defaults, settings};
use keyhole_sandbox::NoCredentials;
use serde_json::{Map, Value as Json, json};

use crate::world::{Store, with_world};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/catalog");

fn read(name: &str) -> (Json, BackendPlugin) {
    let text = std::fs::read_to_string(Path::new(FOLDER).join(format!("{name}.yaml"))).unwrap();
    let document: Json = serde_saphyr::from_str(&text).unwrap();
    (document.clone(), serde_json::from_value(document).unwrap())
}

/// Checks one file against the plugin that it installs.
async fn check(name: &str, package: &'static str) {
    let (document, object) = read(name);
    assert_eq!(
        serde_json::to_value(&object.spec).unwrap(),
        document["spec"],
        "a field that the types do not know would be pruned by the API server"
    );
    let nothing = Arc::new(NoCredentials);
    let store = Store::load(
        package,
        "https://store.example",
        Json::Object(Map::new()),
        nothing,
        |_| {},
    )
    .await;
    let description = store.plugin.description();
    let settings = object.spec.settings.clone().unwrap_or_default();
    assert_eq!(
        Schema::new(&description.settings_schema).unwrap().violations(&settings),
        []
    );
    assert_eq!(description.backend_names().collect::<Vec<_>>(), [name]);
    let grant = object.spec.grant.unwrap();
    for host in &grant.hosts {
        host.parse::<keyhole_core::host_pattern::HostPattern>().unwrap();
    }
}

#[test]
fn the_file_for_vault_is_one_that_the_plugin_and_the_types_know() {
    with_world(async |_| check("vault", "keyhole-vault").await);
}

#[test]
fn the_file_for_http_is_one_that_the_plugin_and_the_types_know() {
    with_world(async |_| check("http", "keyhole-http").await);
}

#[test]
fn h8_an_object_that_names_no_role_has_the_administrators_and_one_that_does_has_its_own() {
    with_world(async |_| {
        let (_, object) = read("vault");
        let administrator = object.spec.settings.unwrap();
        let nothing = Arc::new(NoCredentials);
        let none = Json::Object(Map::new());
        let store = Store::load("keyhole-vault", "https://store.example", none, nothing, |_| {}).await;
        let schema = Schema::new(&store.plugin.description().settings_schema).unwrap();
        let effective = |fixed: Json| {
            let fixed = fixed.as_object().unwrap().clone();
            settings::settings(&schema, &Defaults::default(), &administrator, &fixed, &Map::new())
                .map(|settings| Json::Object(settings.to_map()))
        };
        let ours = effective(json!({})).unwrap();
        assert_eq!(
            (&ours["vaultRole"], &ours["vaultMountPoint"]),
            (&json!("keyhole"), &json!("kubernetes"))
        );
        let theirs = effective(json!({"vaultRole": "app", "vaultMountPoint": "other", "kvVersion": 1})).unwrap();
        assert_eq!(
            (&theirs["vaultRole"], &theirs["vaultMountPoint"]),
            (&json!("app"), &json!("other"))
        );
        assert_eq!(theirs["address"], administrator["address"]);
        let error = effective(json!({"address": "https://evil.example"})).unwrap_err();
        assert!(error.message.contains("administrator only"), "{}", error.message);
    });
}
