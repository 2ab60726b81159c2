//! A plugin that was built against a released contract loads and answers in this host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keyhole_core::{CallError, Outcome, StoreErrorKind};
use keyhole_sandbox::{CredentialWant, Grant, Plugin};
use keyhole_test_harness::JsonStore;
use serde_json::json;

use super::world::{
    self, SECOND, TOKEN, call, failed, grant_of, key, knowing, path, secret, value, values, with_options,
};

async fn plugin(grant: Grant) -> Plugin {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contract-0.1.0/plugins");
        keyhole_guests::build(&workspace, "contract-0-1-0", &world::guests()).unwrap()
    });
    world::load(file, grant).await
}

#[tokio::test]
async fn a_plugin_of_contract_0_1_0_says_what_it_is() {
    let plugin = plugin(Grant::default()).await;
    let said = plugin.description();
    assert_eq!((said.name.as_str(), said.version.as_str()), ("contract-0-1-0", "0.1.0"));
    assert_eq!(said.backend_types[0].name, "every");
    assert_eq!(said.backend_types[0].aliases, ["everything"]);
    assert_eq!(
        (said.hosts.len(), said.credentials.len(), said.max_batch.get()),
        (1, 4, 100)
    );
    assert!(
        said.credentials
            .contains(&CredentialWant::Exposed("password".to_owned()))
    );
    assert_eq!(
        said.settings_schema["properties"]["greeting"]["x-keyhole-scope"],
        "object"
    );
    assert_eq!(said.options_schema["additionalProperties"], false);
    assert_eq!(said.metadata["title"], "Every answer");

    assert!(plugin.validate(r#"{"greeting":"good"}"#).await.unwrap().is_empty());
    let problems = plugin.validate(r#"{"greeting":"bad"}"#).await.unwrap();
    assert_eq!(problems[0].path, "/greeting");
}

#[tokio::test]
async fn a_plugin_of_contract_0_1_0_gives_every_answer() {
    let grant = Grant {
        exposed: BTreeMap::from([("password".to_owned(), secret("password"))]),
        ..Grant::default()
    };
    let plugin = plugin(grant).await;
    let requests = [
        with_options("text", json!({ "suffix": "!" })),
        key("bytes"),
        knowing(key("unchanged"), "7"),
        path("app", false),
        path("app", true),
        key("namespace"),
        key("login"),
        key("credential"),
    ];
    let mut asked = call(&json!({ "greeting": "hello " }));
    asked.namespace = Some("team-a".into());
    let outcomes = plugin.fetch(&asked, &requests).await.unwrap();
    assert_eq!(value(&outcomes[0]), ("hello text!", Some("7")));
    let Outcome::Value(bytes) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!((bytes.bytes.expose(), bytes.is_text), ([0, 159, 255].as_slice(), false));
    assert!(matches!(outcomes[2], Outcome::Unchanged));
    assert_eq!(values(&outcomes[3]), [("a", "app/a", "value of a")]);
    assert_eq!(values(&outcomes[4]).len(), 2);
    assert_eq!(value(&outcomes[5]).0, "team-a");
    assert_eq!(value(&outcomes[6]).0, "earned");
    assert_eq!(value(&outcomes[7]).0, TOKEN);
    assert_eq!(plugin.session_entries(), 1);
}

#[tokio::test]
async fn a_plugin_of_contract_0_1_0_tells_every_kind_of_error() {
    let plugin = plugin(Grant::default()).await;
    let kinds = [
        ("not-found", StoreErrorKind::NotFound),
        ("denied", StoreErrorKind::Denied),
        ("unauthenticated", StoreErrorKind::Unauthenticated),
        ("invalid", StoreErrorKind::Invalid("/key".to_owned())),
        ("throttled", StoreErrorKind::Throttled(SECOND)),
        ("throttled-at-will", StoreErrorKind::Throttled(None)),
        ("unavailable", StoreErrorKind::Unavailable(SECOND)),
        ("too-large", StoreErrorKind::TooLarge),
        ("unsupported", StoreErrorKind::Unsupported),
        ("ambiguous", StoreErrorKind::Ambiguous),
        ("internal", StoreErrorKind::Internal),
        ("other", StoreErrorKind::Other("a-code".to_owned())),
    ];
    let requests: Vec<_> = kinds.iter().map(|(name, _)| key(name)).collect();
    let outcomes = plugin.fetch(&call(&json!({})), &requests).await.unwrap();
    for (outcome, (name, kind)) in outcomes.iter().zip(&kinds) {
        let error = failed(outcome);
        assert_eq!(error.kind, *kind, "{name}");
        assert_eq!(error.message, format!("this is {name}"));
        assert_eq!(error.store_code.as_deref(), Some("Code"));
    }
    let error = plugin
        .fetch(&call(&json!({ "down": true })), &[key("text")])
        .await
        .unwrap_err();
    let CallError::Store(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.message, "down");
}

#[tokio::test]
async fn a_plugin_of_contract_0_1_0_speaks_http() {
    let store = JsonStore::start(TOKEN).unwrap();
    store.set("db", "hunter2");
    let plugin = plugin(grant_of(&store.address())).await;
    let url = |path: &str| key(&format!("{}/v1/secrets/{path}", store.address()));
    let outcomes = plugin
        .fetch(&call(&json!({})), &[url("db"), url("absent")])
        .await
        .unwrap();
    assert_eq!(value(&outcomes[0]).0, r#"{"value":"hunter2","version":"1"}"#);
    assert_eq!(failed(&outcomes[1]).kind, StoreErrorKind::NotFound);
}
