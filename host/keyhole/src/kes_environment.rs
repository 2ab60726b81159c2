//! Variables of KES that this version does not serve.
//!
//! Whoever moves over from KES brings a Deployment full of variables. One that is silently without
//! effect is a surprise later, and one that was meant to protect is worse: then the host does not
//! start, because serving without the protection is not what was asked for.

use anyhow::bail;

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

/// Protect something; without them the host must not start.
const PROTECTING: [&str; 3] = [
    "ENFORCE_NAMESPACE_ANNOTATIONS",
    "NAMING_PERMITTED_ANNOTATION",
    "ROLE_PERMITTED_ANNOTATION",
];

/// The variables that are there and have no effect.
///
/// # Errors
///
/// When one that protects is there.
pub fn check(env: impl Fn(&str) -> Option<String>) -> anyhow::Result<Vec<&'static str>> {
    if let Some(name) = PROTECTING.iter().find(|name| env(name).is_some()) {
        bail!(
            "{name} is set, but this version does not judge annotations of namespaces (it refuses objects where one \
             of KES's default names limits something); remove it only if every namespace may fetch with every role"
        );
    }
    Ok(WITHOUT_EFFECT
        .into_iter()
        .filter(|name| env(name).is_some_and(|value| !value.is_empty()))
        .collect())
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
            check(env(&[("VAULT_ADDR", "x"), ("WATCH_TIMEOUT", "")])).unwrap(),
            ["VAULT_ADDR"]
        );
        assert!(check(env(&[("AWS_REGION", "x")])).unwrap().is_empty());
    }

    #[test]
    fn a_protection_that_does_not_exist_yet_is_refused() {
        let error = check(env(&[("ENFORCE_NAMESPACE_ANNOTATIONS", "")])).unwrap_err();
        assert!(
            error.to_string().starts_with("ENFORCE_NAMESPACE_ANNOTATIONS is set"),
            "{error}"
        );
    }
}
