//! Variables of KES that have no effect here, and what to do in their place.
//!
//! Whoever moves over from KES brings a Deployment full of variables. One that is silently without
//! effect is a surprise later, so each that is set is told once, at start.

/// Backends that KES had built in and that no plugin of ours serves, and the variables of each.
const BACKENDS: [(&str, &[&str]); 5] = [
    (
        "akeyless",
        &[
            "AKEYLESS_ACCESS_ID",
            "AKEYLESS_ACCESS_TYPE",
            "AKEYLESS_ACCESS_TYPE_PARAM",
            "AKEYLESS_API_ENDPOINT",
        ],
    ),
    (
        "alicloudSecretsManager",
        &[
            "ALICLOUD_ACCESS_KEY_ID",
            "ALICLOUD_ACCESS_KEY_SECRET",
            "ALICLOUD_ENDPOINT",
        ],
    ),
    (
        "azureKeyVault",
        &[
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
            "AZURE_ENVIRONMENT",
            "AZURE_KEY_VAULT_DNS_SUFFIX",
            "AZURE_TENANT_ID",
        ],
    ),
    ("gcpSecretsManager", &["GOOGLE_APPLICATION_CREDENTIALS"]),
    (
        "ibmcloudSecretsManager",
        &[
            "IBM_CLOUD_SECRETS_MANAGER_API_APIKEY",
            "IBM_CLOUD_SECRETS_MANAGER_API_AUTH_TYPE",
            "IBM_CLOUD_SECRETS_MANAGER_API_ENDPOINT",
        ],
    ),
];

/// Variables of KES's backend for Vault, and the setting of our plugin that says the same; empty where nothing
/// has to be said.
const VAULT: [(&str, &str); 5] = [
    ("DEFAULT_VAULT_MOUNT_POINT", "vaultMountPoint"),
    ("DEFAULT_VAULT_ROLE", "vaultRole"),
    ("VAULT_ADDR", "address"),
    ("VAULT_NAMESPACE", "namespace"),
    ("VAULT_TOKEN_RENEW_THRESHOLD", ""),
];

/// Other variables without effect, each with the reason or the replacement.
const OTHERS: [(&str, &str); 2] = [
    (
        "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE and SSL_CERT_DIR say which certificate authorities are trusted, and grant.caBundle of a BackendPlugin which ones beside them",
    ),
    (
        "WATCH_TIMEOUT",
        "a watch that is cut off is noticed and resumed where it was, whatever the time",
    ),
];

/// One line for each variable, or each backend, that is set in vain.
pub fn without_effect(env: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let is_set = |name: &&&str| env(name).is_some_and(|value| !value.is_empty());
    let backends = BACKENDS.iter().filter_map(|(backend, names)| {
        let set: Vec<&str> = names.iter().filter(is_set).copied().collect();
        (!set.is_empty()).then(|| {
            format!(
                "{} has no effect: backendType {backend:?} is not built in, and a plugin that serves it has settings of its own",
                set.join(", ")
            )
        })
    });
    let vault: Vec<_> = VAULT.iter().filter(|(name, _)| is_set(&name)).collect();
    let vault = (!vault.is_empty()).then(|| {
        let names: Vec<&str> = vault.iter().map(|(name, _)| *name).collect();
        let settings = vault.iter().filter(|(_, setting)| !setting.is_empty());
        let settings: Vec<String> = settings.map(|(name, setting)| format!("{setting} for {name}")).collect();
        let what = match settings.as_slice() {
            [] => "which renews its tokens by itself".to_owned(),
            settings => format!("and give it in spec.settings {}", settings.join(", ")),
        };
        format!(
            "{} has no effect: backendType \"vault\" is served by a plugin to install; apply a BackendPlugin as in plugins/catalog/vault.yaml, {what}",
            names.join(", ")
        )
    });
    let others = OTHERS
        .iter()
        .filter(|(name, _)| is_set(&name))
        .map(|(name, why)| format!("{name} has no effect: {why}"));
    backends.chain(vault).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(set: &[(&str, &str)]) -> Vec<String> {
        without_effect(|name| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_backend_is_told_once_with_its_variables() {
        let set = [
            ("ALICLOUD_ENDPOINT", "x"),
            ("ALICLOUD_ACCESS_KEY_ID", "y"),
            ("WATCH_TIMEOUT", "60000"),
        ];
        let lines = told(&set);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("ALICLOUD_ACCESS_KEY_ID, ALICLOUD_ENDPOINT has no effect: backendType \"alicloudSecretsManager\" is not built in"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("WATCH_TIMEOUT has no effect: "), "{lines:?}");
    }

    #[test]
    fn variables_of_vault_are_told_with_the_settings_that_take_their_place() {
        let lines = told(&[("VAULT_ADDR", "https://hunter2"), ("DEFAULT_VAULT_ROLE", "y")]);
        let wanted = "DEFAULT_VAULT_ROLE, VAULT_ADDR has no effect: backendType \"vault\" is served by a plugin to install; \
                      apply a BackendPlugin as in plugins/catalog/vault.yaml, and give it in spec.settings \
                      vaultRole for DEFAULT_VAULT_ROLE, address for VAULT_ADDR";
        assert_eq!(lines, [wanted]);
        let lines = told(&[("VAULT_TOKEN_RENEW_THRESHOLD", "30")]);
        assert!(lines[0].ends_with("which renews its tokens by itself"), "{lines:?}");
    }

    #[test]
    fn what_is_empty_or_has_an_effect_is_not_told() {
        assert!(told(&[("VAULT_ADDR", ""), ("AWS_REGION", "x")]).is_empty());
    }

    #[test]
    fn no_value_is_ever_told() {
        let lines = told(&[("ALICLOUD_ACCESS_KEY_SECRET", "hunter2")]);
        assert!(!lines[0].contains("hunter2"), "{lines:?}");
    }
}
