//! The example in each language does the same: one list of tests, run for each.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use keyhole_core::{Outcome, StoreErrorKind};
use keyhole_sandbox::{CredentialWant, Grant, Plugin};
use keyhole_test_assets::Example;
use keyhole_test_harness::{JsonStore, plugin_file};
use serde_json::{Value as Json, json};

use super::world::{self, TOKEN, call, failed, grant_of, key, knowing, path, value, values};

/// A plugin and the store that it talks to.
struct World {
    store: JsonStore,
    plugin: Plugin,
    settings: Json,
}

impl World {
    async fn of(file: &Path) -> Self {
        Self::with(file, |_| {}).await
    }

    async fn with(file: &Path, change: impl FnOnce(&mut Grant)) -> Self {
        let store = JsonStore::start(TOKEN).unwrap();
        let mut grant = grant_of(&store.address());
        change(&mut grant);
        let plugin = world::load(file, grant).await;
        let settings = json!({ "address": store.address() });
        Self {
            store,
            plugin,
            settings,
        }
    }

    async fn fetch(&self, requests: &[keyhole_sandbox::PlannedRequest]) -> Vec<Outcome> {
        self.plugin.fetch(&call(&self.settings), requests).await.unwrap()
    }
}

fn rust() -> PathBuf {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| plugin_file("example-rust").unwrap());
    FILE.clone()
}

fn built(example: Example) -> PathBuf {
    example
        .find()
        .unwrap()
        .expect("the examples are not built yet: `cargo xtask examples` does it")
}

macro_rules! languages {
    ($($language:ident: $file:expr;)*) => {
        $(mod $language {
            use super::*;

            #[tokio::test]
            async fn values_arrive_in_order_and_a_failure_stays_alone() {
                super::values_arrive_in_order_and_a_failure_stays_alone(&World::of(&$file).await).await;
            }

            #[tokio::test]
            async fn a_known_version_is_unchanged_and_its_value_is_not_sent() {
                super::a_known_version_is_unchanged_and_its_value_is_not_sent(&World::of(&$file).await).await;
            }

            #[tokio::test]
            async fn a_path_becomes_named_values() {
                super::a_path_becomes_named_values(&World::of(&$file).await).await;
            }

            #[tokio::test]
            async fn each_refusal_has_its_kind_and_no_message_repeats_the_store() {
                super::each_refusal_has_its_kind_and_no_message_repeats_the_store(&World::of(&$file).await).await;
            }

            #[tokio::test]
            async fn the_prefix_of_an_object_is_not_left() {
                super::the_prefix_of_an_object_is_not_left(World::of(&$file).await).await;
            }

            #[tokio::test]
            async fn large_values_of_one_call_all_arrive() {
                super::large_values_of_one_call_all_arrive(&World::of(&$file).await).await;
            }

            #[tokio::test]
            async fn the_description_and_the_problems_of_settings_are_those_of_all_languages() {
                super::the_description_and_the_problems_of_settings_are_those_of_all_languages(&World::of(&$file).await).await;
            }
        })*
    };
}

languages! {
    rust: rust();
    javascript: built(Example::JavaScript);
    python: built(Example::Python);
    go: built(Example::Go);
}

async fn values_arrive_in_order_and_a_failure_stays_alone(world: &World) {
    let names: Vec<String> = (0..20).map(|n| format!("app/s {n}")).collect();
    for name in &names {
        world.store.set(name, &format!("grün {name}"));
    }
    let mut requests: Vec<_> = names.iter().map(|name| key(name)).collect();
    requests.insert(7, key("absent"));
    let mut outcomes = world.fetch(&requests).await;
    assert_eq!(outcomes.len(), 21);
    let absent = outcomes.remove(7);
    assert_eq!(failed(&absent).kind, StoreErrorKind::NotFound);
    assert_eq!(failed(&absent).message, r#"no secret "absent" in the store"#);
    for (n, (name, outcome)) in names.iter().zip(&outcomes).enumerate() {
        let version = (n + 1).to_string();
        assert_eq!(
            value(outcome),
            (format!("grün {name}").as_str(), Some(version.as_str()))
        );
    }
    // The store answers nobody without the token, so the host has set it.
    assert_eq!(world.store.asked().len(), 21);
}

async fn a_known_version_is_unchanged_and_its_value_is_not_sent(world: &World) {
    let version = world.store.set("db", "first");
    let outcomes = world
        .fetch(&[knowing(key("db"), &version), knowing(key("db"), "0")])
        .await;
    assert!(matches!(outcomes[0], Outcome::Unchanged), "{outcomes:?}");
    assert_eq!(value(&outcomes[1]).0, "first");
    let mut statuses: Vec<u16> = world.store.asked().iter().map(|asked| asked.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 304]);

    let next = world.store.set("db", "second");
    let outcomes = world.fetch(&[knowing(key("db"), &version)]).await;
    assert_eq!(value(&outcomes[0]), ("second", Some(next.as_str())));
}

async fn a_path_becomes_named_values(world: &World) {
    for name in ["app/db", "app/api/token", "application/x"] {
        world.store.set(name, &format!("value of {name}"));
    }
    let outcomes = world
        .fetch(&[path("app", true), path("/app/", false), path("none", true)])
        .await;
    let token = ("token", "app/api/token", "value of app/api/token");
    let db = ("db", "app/db", "value of app/db");
    assert_eq!(values(&outcomes[0]), [token, db]);
    assert_eq!(values(&outcomes[1]), [db]);
    assert_eq!(values(&outcomes[2]), []);
}

async fn each_refusal_has_its_kind_and_no_message_repeats_the_store(world: &World) {
    let after = Some(std::time::Duration::from_secs(2));
    let cases = [
        (401, None, StoreErrorKind::Unauthenticated),
        (403, None, StoreErrorKind::Denied),
        (429, Some(2), StoreErrorKind::Throttled(after)),
        (429, None, StoreErrorKind::Throttled(None)),
        (500, None, StoreErrorKind::Unavailable(None)),
        (503, Some(2), StoreErrorKind::Unavailable(after)),
        (418, None, StoreErrorKind::Other("http-418".to_owned())),
    ];
    for (n, (status, retry_after, _)) in cases.iter().enumerate() {
        world.store.fault(&format!("k{n}"), *status, *retry_after);
    }
    let requests: Vec<_> = (0..cases.len()).map(|n| key(&format!("k{n}"))).collect();
    let outcomes = world.fetch(&requests).await;
    for (n, (outcome, (status, _, kind))) in outcomes.iter().zip(&cases).enumerate() {
        let error = failed(outcome);
        assert_eq!(error.kind, *kind, "{status}");
        let told = format!("the store answered {status}");
        assert!(error.message.starts_with(&told), "{}", error.message);
        assert!(
            error.message.contains(&format!("/v1/secrets/k{n}")),
            "{}",
            error.message
        );
        assert!(!error.message.contains("a-secret"), "{}", error.message);
    }
    assert_eq!(world.store.asked().len(), cases.len(), "no plugin asks twice");

    world.store.want("another token");
    let outcomes = world.fetch(&[key("db"), path("app", true)]).await;
    for outcome in &outcomes {
        assert_eq!(failed(outcome).kind, StoreErrorKind::Unauthenticated);
    }
}

/// As much as one call may return. Each language has its own way of running out of memory, or of collecting it at a bad
/// moment.
async fn large_values_of_one_call_all_arrive(world: &World) {
    let large = "x".repeat(512 << 10);
    let names: Vec<String> = (0..14).map(|n| format!("large {n}")).collect();
    for name in &names {
        world.store.set(name, &large);
    }
    let requests: Vec<_> = names.iter().map(|name| key(name)).collect();
    for outcome in world.fetch(&requests).await {
        assert!(value(&outcome).0 == large, "a value is not what the store has");
    }
}

/// `fetch` in JavaScript has no bound of its own; there the host's holds alone.
#[tokio::test]
async fn an_answer_over_the_bound_is_not_read_to_its_end() {
    for file in [rust(), built(Example::Python), built(Example::Go)] {
        let world = World::with(&file, |grant| grant.limits.response_body = 16 << 20).await;
        world.store.set("large", &"x".repeat(5 << 20));
        world.store.set("small", "x");
        let outcomes = world.fetch(&[key("large"), key("small")]).await;
        assert_eq!(
            failed(&outcomes[0]).kind,
            StoreErrorKind::TooLarge,
            "{}",
            file.display()
        );
        assert_eq!(value(&outcomes[1]).0, "x");
    }
}

async fn the_prefix_of_an_object_is_not_left(mut world: World) {
    world.store.set("team-a/db", "of team a");
    world.store.set("team-b/db", "of team b");
    world.settings["prefix"] = json!("team-a/");
    let outcomes = world
        .fetch(&[
            key("db"),
            key("/db"),
            key("../team-b/db"),
            key("x/../../team-b/db"),
            path("", true),
        ])
        .await;
    assert_eq!(value(&outcomes[0]).0, "of team a");
    assert_eq!(value(&outcomes[1]).0, "of team a");
    for outcome in &outcomes[2..4] {
        assert_eq!(failed(outcome).kind, StoreErrorKind::Invalid("/key".to_owned()));
    }
    assert_eq!(values(&outcomes[4]), [("db", "team-a/db", "of team a")]);
    assert_eq!(world.store.asked().len(), 3);
}

async fn the_description_and_the_problems_of_settings_are_those_of_all_languages(world: &World) {
    let said = world.plugin.description();
    assert_eq!(said.version, "0.1.0");
    assert_eq!(said.max_batch.get(), 50);
    let wanted = [CredentialWant::Header("authorization".parse().unwrap())];
    assert_eq!(said.credentials, wanted);
    assert_eq!(said.settings_schema["required"], json!(["address"]));
    assert_eq!(
        said.settings_schema["properties"]["prefix"]["x-keyhole-scope"],
        "object"
    );
    assert_eq!(said.options_schema["additionalProperties"], false);

    let good = world.plugin.validate(&world.settings.to_string()).await.unwrap();
    assert!(good.is_empty(), "{good:?}");
    let bad = json!({ "address": "store", "prefix": "../team-b" }).to_string();
    let problems = world.plugin.validate(&bad).await.unwrap();
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["/address", "/prefix"]);
}
