//! What an object wants of its namespace, in the words of its spec.
//!
//! Taken from the spec and not from the plan's requests: KES judges a key beside a path, which no request
//! is made of, and a role for Vault on an object that asks AWS.

use keyhole_api::ExternalSecretSpec;
use keyhole_core::permission::{Claim, Claims};

/// The claims, in the order in which KES looks at them. It leaves out `dataFromWithOptions`; here every
/// key counts.
pub(super) fn claims(spec: &ExternalSecretSpec) -> Claims {
    let data = spec.data.iter().flat_map(|entry| {
        let path = entry.path.as_deref().map(|path| Claim::Path(path.into()));
        let key = entry.key.as_deref().map(|key| Claim::Key(key.into()));
        path.into_iter().chain(key)
    });
    let from = spec.data_from.iter().map(String::as_str);
    let from_with_options = spec.data_from_with_options.iter().map(|entry| entry.key.as_str());
    let spread = from.chain(from_with_options).map(|key| Claim::Key(key.into()));
    let given = |role: &'_ Option<String>| role.as_deref().filter(|role| !role.is_empty()).map(Into::into);
    Claims {
        role: given(&spec.role_arn).or_else(|| given(&spec.vault_role)),
        texts: data.chain(spread).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn of(spec: Json) -> Claims {
        claims(&serde_json::from_value(spec).unwrap())
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
        let role = |spec: Json| of(spec).role.as_deref().map(str::to_owned);
        assert_eq!(role(json!({"roleArn": "a", "vaultRole": "v"})).as_deref(), Some("a"));
        assert_eq!(
            role(json!({"backendType": "secretsManager", "vaultRole": "v"})).as_deref(),
            Some("v")
        );
        assert_eq!(role(json!({"roleArn": "", "vaultRole": "v"})).as_deref(), Some("v"));
        assert_eq!(role(json!({"roleArn": "", "vaultRole": ""})), None);
    }
}
