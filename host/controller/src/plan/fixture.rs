//! Plugins for tests: real ones to everybody above the sandbox, with a scripted backend below.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use keyhole_api::ExternalSecret;
use keyhole_core::{CallError, Outcome, PluginId, StoreError, StoreErrorKind, Value};
use keyhole_plugins::{Backend, Call, LivePlugin, LiveSet, PlannedRequest, Rules};
use keyhole_sandbox::{BackendType, Description, Problem};
use serde_json::{Map, Value as Json, json};

/// Answers from a table; everything else is not found.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) values: Vec<(&'static str, &'static str)>,
    /// What each call asked for.
    pub(crate) calls: Mutex<Vec<Vec<String>>>,
}

impl Backend for Table {
    fn validate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<Problem>, CallError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn fetch<'a>(
        &'a self,
        _: &'a Call,
        requests: &'a [PlannedRequest],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        let names: Vec<_> = requests
            .iter()
            .map(|planned| planned.request.selector.name().to_owned())
            .collect();
        let outcome = |name: &String| match self.values.iter().find(|(known, _)| known == name) {
            Some((_, text)) => Outcome::Value(Value {
                bytes: text.as_bytes().to_vec().into(),
                is_text: true,
                version: None,
            }),
            None => Outcome::Failed(StoreError {
                kind: StoreErrorKind::NotFound,
                message: format!("no secret {name:?}"),
                store_code: None,
            }),
        };
        let outcomes = names.iter().map(outcome).collect();
        self.calls.lock().unwrap().push(names);
        Box::pin(async { Ok(outcomes) })
    }
}

fn map(value: Json) -> Map<String, Json> {
    value.as_object().unwrap().clone()
}

/// `aws` signs, mixes namespaces, as the built-in plugins do, and takes service accounts; `other` does none
/// of it, and takes roles.
pub(crate) fn live_set(table: &Arc<Table>) -> LiveSet {
    let plugins = LiveSet::default();
    for (name, aws) in [("aws", true), ("other", false)] {
        let mut description = Description {
            name: name.into(),
            version: "1.0.0".into(),
            backend_types: vec![BackendType {
                name: name.into(),
                aliases: vec![],
            }],
            settings_schema: map(json!({"properties": {
                "region": {"type": "string", "x-keyhole-scope": "object"},
                "mount": {"type": "string", "x-keyhole-scope": "object"},
            }})),
            options_schema: map(json!({"properties": {
                "versionStage": {"type": "string"},
                "as": {"type": "string", "x-keyhole-claim": "role"},
            }})),
            hosts: vec![],
            credentials: vec![],
            max_batch: NonZeroU32::new(20).unwrap(),
            metadata: Map::new(),
        };
        if !aws {
            let object = json!({"x-keyhole-scope": "object"});
            let roles = json!({
                "vaultRole": object,
                "roleArn": object,
                "tenant": {"x-keyhole-scope": "object", "x-keyhole-claim": "role"},
            });
            let properties = description.settings_schema["properties"].as_object_mut().unwrap();
            properties.extend(map(roles));
        }
        let rules = Rules {
            signs_aws: aws,
            service_accounts: aws,
            shares_batches: aws,
            concurrent_calls: 4,
            ..Rules::default()
        };
        let id = PluginId {
            name: name.into(),
            digest: "sha256:00".into(),
        };
        let backend = Arc::clone(table) as Arc<dyn Backend>;
        assert_eq!(
            plugins.install(LivePlugin::new(id, &description, rules, backend).unwrap()),
            []
        );
    }
    plugins
}

/// An object of namespace `team` with this name and spec.
pub(crate) fn external_secret(name: &str, spec: Json) -> ExternalSecret {
    let manifest = json!({
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"namespace": "team", "name": name, "uid": format!("uid-{name}"), "generation": 3},
        "spec": spec,
    });
    serde_json::from_value(manifest).unwrap()
}
