//! Variables of KES that this version does not serve.
//!
//! Whoever moves over from KES brings a Deployment full of variables. One that is silently without
//! effect is a surprise later. None of them protects anything: those that do are all served.

/// Have no effect; told at start.
const WITHOUT_EFFECT: [&str; 23] = [
    "AKEYLESS_ACCESS_ID",
    "AKEYLESS_ACCESS_TYPE",
    "AKEYLESS_ACCESS_TYPE_PARAM",
    "AKEYLESS_API_ENDPOINT",
    "ALICLOUD_ACCESS_KEY_ID",
    "ALICLOUD_ACCESS_KEY_SECRET",
    "ALICLOUD_ENDPOINT",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_ENVIRONMENT",
    "AZURE_KEY_VAULT_DNS_SUFFIX",
    "AZURE_TENANT_ID",
    "DEFAULT_VAULT_MOUNT_POINT",
    "DEFAULT_VAULT_ROLE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "IBM_CLOUD_SECRETS_MANAGER_API_APIKEY",
    "IBM_CLOUD_SECRETS_MANAGER_API_AUTH_TYPE",
    "IBM_CLOUD_SECRETS_MANAGER_API_ENDPOINT",
    "NODE_EXTRA_CA_CERTS",
    "VAULT_ADDR",
    "VAULT_NAMESPACE",
    "VAULT_TOKEN_RENEW_THRESHOLD",
    "WATCH_TIMEOUT",
];

/// The variables that are there and have no effect.
pub fn without_effect(env: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
    WITHOUT_EFFECT
        .into_iter()
        .filter(|name| env(name).is_some_and(|value| !value.is_empty()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn what_has_no_effect_is_told() {
        assert_eq!(
            without_effect(env(&[("VAULT_ADDR", "x"), ("WATCH_TIMEOUT", "")])),
            ["VAULT_ADDR"]
        );
        assert!(without_effect(env(&[("AWS_REGION", "x")])).is_empty());
    }

    #[test]
    fn what_protects_has_an_effect() {
        for name in [
            "ENFORCE_NAMESPACE_ANNOTATIONS",
            "NAMING_PERMITTED_ANNOTATION",
            "ROLE_PERMITTED_ANNOTATION",
        ] {
            assert!(!WITHOUT_EFFECT.contains(&name), "{name}");
        }
    }
}
