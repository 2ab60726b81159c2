//! What an object wants of its namespace, in the words of its spec.
//!
//! Taken from the spec and not from the plan's requests: KES judges a key beside a path, which no request
//! is made of, and a role for Vault on an object that asks AWS.

use std::sync::Arc;

use keyhole_api::ExternalSecretSpec;
use keyhole_core::permission::{Claim, Claims};
use keyhole_plugins::LivePlugin;

/// The claims, in the order in which KES looks at them. It leaves out `dataFromWithOptions`; here every
/// key counts. KES judges one role; here so is every other one that the object hands to `plugin` in its
/// free-form parts, or `spec.config` would be a way around the rule.
pub(super) fn claims(spec: &ExternalSecretSpec, plugin: &LivePlugin) -> Claims {
    let data = spec.data.iter().flat_map(|entry| {
        let path = entry.path.as_deref().map(|path| Claim::Path(path.into()));
        let key = entry.key.as_deref().map(|key| Claim::Key(key.into()));
        path.into_iter().chain(key)
    });
    let from = spec.data_from.iter().map(String::as_str);
    let from_with_options = spec.data_from_with_options.iter().map(|entry| entry.key.as_str());
    let spread = from.chain(from_with_options).map(|key| Claim::Key(key.into()));
    Claims {
        roles: roles(spec, plugin),
        texts: data.chain(spread).collect(),
    }
}

fn roles(spec: &ExternalSecretSpec, plugin: &LivePlugin) -> Vec<Arc<str>> {
    let given = |role: &'_ Option<String>| role.clone().filter(|role| !role.is_empty());
    let kes = given(&spec.role_arn).or_else(|| given(&spec.vault_role));
    let fixed = spec.fixed_settings();
    // KES does not judge a `vaultRole` beside a `roleArn`; where the plugin takes it, that is a hole.
    let taken = plugin.roles_in_settings(&fixed);
    let config = spec.config.iter().flat_map(|config| plugin.roles_in_settings(config));
    let options = spec.data.iter().filter_map(|entry| entry.options.as_ref());
    let more_options = spec
        .data_from_with_options
        .iter()
        .filter_map(|entry| entry.options.as_ref());
    let options = options
        .chain(more_options)
        .flat_map(|options| plugin.roles_in_options(options));
    let mut roles: Vec<Arc<str>> = Vec::new();
    for role in kes.into_iter().chain(taken).chain(config).chain(options) {
        if !roles.iter().any(|known| **known == *role) {
            roles.push(role.into());
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::live_set;
    use serde_json::{Value as Json, json};

    fn of(spec: Json) -> Claims {
        let plugins = live_set(&Arc::default());
        let backend = if spec["backendType"] == "other" { "other" } else { "aws" };
        let plugin = plugins.serving(backend).unwrap();
        claims(&serde_json::from_value(spec).unwrap(), &plugin)
    }

    fn roles(spec: Json) -> Vec<String> {
        of(spec).roles.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_key_and_path_of_every_form_counts_in_kess_order() {
        let claims = of(json!({
            "backendType": "b",
            "dataFromWithOptions": [{"key": "o1"}],
            "dataFrom": ["f1", "f2"],
            "data": [{"key": "k1", "name": "n"}, {"path": "p1", "key": "k2"}, {"path": ""}],
        }));
        let path = |text: &str| Claim::Path(text.into());
        let key = |text: &str| Claim::Key(text.into());
        assert_eq!(
            claims.texts,
            [
                key("k1"),
                path("p1"),
                key("k2"),
                path(""),
                key("f1"),
                key("f2"),
                key("o1")
            ]
        );
    }

    #[test]
    fn the_role_is_that_of_aws_or_else_that_of_vault_on_any_backend() {
        let roles = |mut spec: Json| {
            spec["backendType"] = json!("secretsManager");
            roles(spec)
        };
        assert_eq!(roles(json!({"roleArn": "a", "vaultRole": "v"})), ["a"]);
        assert_eq!(roles(json!({"vaultRole": "v"})), ["v"]);
        assert_eq!(roles(json!({"roleArn": "", "vaultRole": "v"})), ["v"]);
        assert!(roles(json!({"roleArn": "", "vaultRole": ""})).is_empty());
    }

    #[test]
    fn a_role_in_the_free_form_parts_of_a_spec_is_judged_as_the_others_are() {
        let other = |mut spec: Json| {
            spec["backendType"] = json!("other");
            roles(spec)
        };
        assert_eq!(other(json!({"config": {"vaultRole": "v"}})), ["v"]);
        assert_eq!(other(json!({"vaultRole": "v", "config": {"vaultRole": "v"}})), ["v"]);
        assert_eq!(
            other(json!({"roleArn": "a", "vaultRole": "v"})),
            ["a", "v"],
            "both reach the plugin"
        );
        assert_eq!(
            other(json!({"roleArn": "a", "config": {"roleArn": "b", "tenant": ["c", "d", ""]}})),
            ["a", "b", "c", "d"]
        );
        assert_eq!(other(json!({"config": {"tenant": {"name": "c"}}})), ["name", "c"]);
        assert_eq!(other(json!({"data": [{"key": "k", "options": {"as": "o"}}]})), ["o"]);
        assert_eq!(
            other(json!({"dataFromWithOptions": [{"key": "k", "options": {"as": "w"}}]})),
            ["w"]
        );
        assert!(other(json!({"config": {"mount": "m", "unknown": "u"}})).is_empty());
    }
}
