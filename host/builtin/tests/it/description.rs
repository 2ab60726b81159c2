//! What the plugin wants is what it is granted, and what it says of itself is what the host relies on.

use std::collections::BTreeSet;

use keyhole_core::host_pattern::HostPattern;
use keyhole_sandbox::CredentialWant;

use crate::world::World;

#[tokio::test]
async fn the_grant_is_what_the_plugin_wants() {
    let worlds = [
        ("secrets-manager", World::new().await),
        ("system-manager", World::parameters().await),
    ];
    for (name, world) in worlds {
        is_granted_what_it_wants(name, &world);
    }
}

fn is_granted_what_it_wants(name: &str, world: &World) {
    let description = world.plugin.description();
    let grant = keyhole_builtin::find(name).unwrap().grant();
    let wanted: BTreeSet<String> = description.hosts.iter().map(ToString::to_string).collect();
    let granted: BTreeSet<String> = grant.hosts.iter().map(HostPattern::to_string).collect();
    assert_eq!(wanted, granted);
    let [CredentialWant::Aws { service, actions }] = &description.credentials[..] else {
        panic!("{:?}", description.credentials)
    };
    assert_eq!((service, actions), (&grant.aws[0].service, &grant.aws[0].actions));
}

#[tokio::test]
async fn names_batch_size_and_schemas_are_those_of_kes_manifests() {
    let world = World::new().await;
    let description = world.plugin.description();
    assert_eq!(description.name, "secrets-manager");
    assert_eq!(description.backend_types[0].name, "secretsManager");
    assert_eq!(description.backend_types[0].aliases, ["secretManager"]);
    assert_eq!(description.max_batch.get(), 20);
    let settings = &description.settings_schema;
    let scope = |name: &str| {
        settings["properties"][name]["x-keyhole-scope"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(scope("region").as_deref(), Some("object"));
    assert_eq!(scope("useFipsEndpoint"), None);
    let options = &description.options_schema;
    let names: Vec<_> = options["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["versionId", "versionStage"]);
}

#[tokio::test]
async fn parameters_have_options_that_say_what_they_are_for() {
    let world = World::parameters().await;
    let description = world.plugin.description();
    assert_eq!(description.name, "system-manager");
    assert_eq!(description.backend_types.len(), 1);
    assert_eq!(description.backend_types[0].name, "systemManager");
    assert_eq!(description.max_batch.get(), 10);
    let options = &description.options_schema["properties"];
    let names: Vec<_> = options.as_object().unwrap().keys().collect();
    assert_eq!(names, ["joinPathWith", "stringList"]);
    for (name, word) in [("joinPathWith", "last segment"), ("stringList", "name=value")] {
        assert_eq!(options[name]["x-keyhole-scope"], "object");
        assert!(options[name]["description"].as_str().unwrap().contains(word), "{name}");
    }
}

#[tokio::test]
async fn settings_are_checked_before_a_call() {
    let world = World::new().await;
    assert!(
        world
            .plugin
            .validate(r#"{"region":"eu-west-1"}"#)
            .await
            .unwrap()
            .is_empty()
    );
    for settings in ["{}", r#"{"region":"eu/west"}"#] {
        let problems = world.plugin.validate(settings).await.unwrap();
        assert_eq!(problems[0].path, "/region", "{problems:?}");
    }
}
