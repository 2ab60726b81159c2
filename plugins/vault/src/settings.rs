//! What an administrator says of the server, and what an object may say of its login.
//!
//! The names are those of KES's fields, so a manifest of KES works as it is and the administrator's settings
//! of the same names are its defaults. Address and namespace belong to the administrator alone: the plugin
//! sends a token there.

use keyhole_sdk::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// Where the server is, e.g. `https://vault.example.com:8200`. Its host must be granted.
    pub address: String,
    /// Vault's own namespace, e.g. `team-a`. None in Vault's community edition.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The role to log in with.
    #[serde(default)]
    #[schemars(extend("x-keyhole-scope" = "object", "x-keyhole-claim" = "role"))]
    pub vault_role: Option<String>,
    /// Where the Kubernetes auth method is mounted.
    #[serde(default = "default_mount")]
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub vault_mount_point: String,
    /// Version of the key-value engine: 1 or 2. Every engine that answers with plain data (databases, PKI,
    /// ...) is read as version 1.
    #[serde(default = "default_version")]
    #[schemars(extend("x-keyhole-scope" = "object"), range(min = 1, max = 2))]
    pub kv_version: u8,
    /// HTTP exchanges that one call may take: the number of `grant.limits.exchanges`. It bounds how many
    /// entries can be read under a path.
    #[serde(default = "default_exchanges")]
    #[schemars(range(min = 64, max = 10_000))]
    pub exchanges: u32,
}

/// Version of the key-value engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kv {
    /// Plain data.
    One,
    /// Data with versions.
    Two,
}

impl Settings {
    /// Version of the key-value engine; the schema lets nothing but 1 and 2 through.
    pub fn kv(&self) -> Kv {
        if self.kv_version == 1 { Kv::One } else { Kv::Two }
    }
}

fn default_mount() -> String {
    "kubernetes".to_owned()
}

fn default_version() -> u8 {
    2
}

fn default_exchanges() -> u32 {
    64
}

/// What the schema cannot say.
pub fn validate(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut check = |pointer: &str, problem: Option<&str>| {
        problems.extend(problem.map(|message| Problem::at(pointer, message)));
    };
    check("/address", address_problem(&settings.address));
    check("/namespace", settings.namespace.as_deref().and_then(path_problem));
    check("/vaultMountPoint", path_problem(&settings.vault_mount_point));
    problems
}

/// The address is the beginning of every URL: what stands in it decides where the token goes.
fn address_problem(address: &str) -> Option<&'static str> {
    let Some(rest) = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
    else {
        return Some("the address must begin with https:// (or http://, where that is granted)");
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() {
        Some("the address names no host; write it like https://vault.example.com:8200")
    } else if authority.contains('@') {
        Some("the address must not name a user")
    } else if address.contains(['?', '#']) || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("the address must not hold a query, a fragment or a blank")
    } else {
        None
    }
}

/// A mount or a namespace is a path without surprises: it is put into URLs and headers.
fn path_problem(path: &str) -> Option<&'static str> {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '\\');
    if path.trim_matches('/').split('/').any(odd) {
        Some("it must not be empty or have empty parts, \".\" or \"..\"; write it like kubernetes or team/kubernetes")
    } else if !path.chars().all(fits) {
        Some("it must not hold blanks, \"?\", \"#\", \"%\", backslashes or anything but ASCII")
    } else {
        None
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    pub fn settings(more: serde_json::Value) -> serde_json::Value {
        let mut settings = json!({"address": "https://vault.example", "vaultRole": "app"});
        let object = settings.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        settings
    }

    fn parsed(more: serde_json::Value) -> Settings {
        serde_json::from_value(settings(more)).unwrap()
    }

    #[test]
    fn defaults_are_those_of_kes_and_of_vault() {
        let settings = parsed(json!({}));
        assert_eq!(settings.kv(), Kv::Two);
        assert_eq!(settings.vault_mount_point, "kubernetes");
        assert!(settings.namespace.is_none() && validate(&settings).is_empty());
        assert_eq!(parsed(json!({"kvVersion": 1})).kv(), Kv::One);
    }

    #[test]
    fn an_address_that_could_lead_elsewhere_is_a_problem() {
        for address in [
            "vault.example",
            "ftp://vault.example",
            "https://",
            "https:///v1",
            "https://user:pass@vault.example",
            "https://vault.example/?x=",
            "https://vault.example#",
            "https://vault example",
        ] {
            let problems = validate(&parsed(json!({"address": address})));
            assert_eq!(problems[0].path, "/address", "{address}");
        }
        for address in ["http://127.0.0.1:8200", "https://vault.example/behind/proxy/"] {
            assert!(validate(&parsed(json!({"address": address}))).is_empty(), "{address}");
        }
    }

    #[test]
    fn a_mount_or_namespace_that_could_lead_elsewhere_is_a_problem() {
        for path in [
            "", "/", "..", "a/../b", "a//b", "a?b", "a#b", "a%2fb", "a b", "a\\b", "\u{e9}", "a\nb",
        ] {
            for field in ["vaultMountPoint", "namespace"] {
                let problems = validate(&parsed(json!({ field: path })));
                assert_eq!(
                    problems.first().map(|problem| problem.path.clone()),
                    Some(format!("/{field}")),
                    "{path:?}"
                );
            }
        }
        for path in ["kubernetes", "team/k8s", "k8s/"] {
            assert!(validate(&parsed(json!({"vaultMountPoint": path, "namespace": path}))).is_empty());
        }
    }

    #[test]
    fn an_object_may_set_its_login_and_nothing_else() {
        let schema = schemars::schema_for!(Settings).to_value();
        let open: Vec<&str> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, property)| property["x-keyhole-scope"] == "object")
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(open, ["kvVersion", "vaultMountPoint", "vaultRole"]);
        assert_eq!(schema["properties"]["vaultRole"]["x-keyhole-claim"], "role");
        assert_eq!(schema["required"], json!(["address"]));
    }
}
