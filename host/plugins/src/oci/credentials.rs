//! Credentials for registries, out of a docker configuration: a pull secret, or the file of `docker login`.
//!
//! Which entry counts is kubelet's rule: the host matches (`*` stands for one label of it), the path is the
//! longest that the repository is below. A host alone is an entry for all its repositories.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keyhole_core::SecretBytes;
use serde::{Deserialize, Deserializer};

use crate::oci::Reference;

/// Under this name `docker login` keeps what is for Docker Hub.
const DOCKER_HUB: [&str; 3] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/// How somebody proves to a registry who he is.
#[derive(Clone)]
pub enum Credentials {
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretBytes,
    },
    /// A refresh token, which the registry's own service changes into tokens.
    Refresh(SecretBytes),
}

/// Why a docker configuration is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDockerConfig {
    /// Something else.
    #[error("is no docker configuration with auths")]
    Malformed,
    /// An entry that cannot be read.
    #[error("has an entry for {0} that is no user and password in base64")]
    Entry(String),
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<SecretText>,
    username: Option<String>,
    password: Option<SecretText>,
    identitytoken: Option<SecretText>,
}

/// A text that is wiped with its last owner.
struct SecretText(SecretBytes);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl SecretText {
    /// The bytes of one that is not empty.
    fn filled(text: Option<&Self>) -> Option<&SecretBytes> {
        text.map(|Self(bytes)| bytes).filter(|bytes| !bytes.is_empty())
    }
}

impl Credentials {
    /// Those of a docker configuration for this repository; `None` when it has none.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be read.
    pub fn in_docker_config(config: &SecretBytes, reference: &Reference) -> Result<Option<Self>, InvalidDockerConfig> {
        // The parser's own errors may quote what they did not expect.
        let config: DockerConfig =
            serde_json::from_slice(config.expose()).map_err(|_| InvalidDockerConfig::Malformed)?;
        let best = config
            .auths
            .iter()
            .filter_map(|(name, entry)| Some((specificity(name, reference)?, name, entry)))
            .max_by_key(|(specificity, ..)| *specificity);
        match best {
            Some((_, name, entry)) => entry.credentials(name),
            None => Ok(None),
        }
    }
}

impl Entry {
    fn credentials(&self, name: &str) -> Result<Option<Credentials>, InvalidDockerConfig> {
        if let Some(token) = SecretText::filled(self.identitytoken.as_ref()) {
            return Ok(Some(Credentials::Refresh(token.clone())));
        }
        if let (Some(user), Some(SecretText(password))) = (&self.username, &self.password) {
            return Ok(Some(Credentials::Basic {
                user: user.clone(),
                password: password.clone(),
            }));
        }
        let Some(auth) = SecretText::filled(self.auth.as_ref()) else {
            return Ok(None);
        };
        let broken = || InvalidDockerConfig::Entry(name.to_owned());
        let decoded = BASE64_STANDARD.decode(auth.expose().trim_ascii());
        let decoded = SecretBytes::new(decoded.map_err(|_| broken())?);
        let text = std::str::from_utf8(decoded.expose()).map_err(|_| broken())?;
        let (user, password) = text.split_once(':').ok_or_else(broken)?;
        Ok(Some(Credentials::Basic {
            user: user.to_owned(),
            // Some tools pad it.
            password: password.trim_end_matches('\0').to_owned().into(),
        }))
    }
}

/// How well an entry of a configuration fits a repository, if at all: the length of its path, and whether its
/// host is written out.
fn specificity(name: &str, reference: &Reference) -> Option<(usize, bool)> {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let path = path.trim_end_matches('/');
    if reference.is_docker_hub() {
        // Its entry is an address of version 1 of the API.
        return DOCKER_HUB.contains(&host).then_some((0, true));
    }
    // `docker login` of old wrote the address of the API.
    let path = if matches!(path, "v1" | "v2") { "" } else { path };
    let fits_path = path.is_empty()
        || reference
            .repository()
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (fits_host(host, reference.registry()) && fits_path).then(|| (path.len(), !host.contains('*')))
}

/// Whether a registry is what a pattern says; `*` is exactly one label.
fn fits_host(pattern: &str, registry: &str) -> bool {
    let parts = |host: &str| -> (String, Option<String>) {
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (
                name.to_ascii_lowercase(),
                Some(port.to_owned()).filter(|port| port != "443"),
            ),
            _ => (host.to_ascii_lowercase(), None),
        }
    };
    let ((pattern, pattern_port), (registry, port)) = (parts(pattern), parts(registry));
    let (pattern, registry): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), registry.split('.').collect());
    pattern_port == port
        && pattern.len() == registry.len()
        && pattern
            .iter()
            .zip(registry)
            .all(|(pattern, label)| *pattern == "*" || *pattern == label)
}

/// A password is not shown.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Refresh(_) => f.debug_struct("Refresh").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user(auths: serde_json::Value, reference: &str) -> Option<String> {
        let config = SecretBytes::from(json!({ "auths": auths }).to_string());
        let found = Credentials::in_docker_config(&config, &reference.parse().unwrap()).unwrap();
        found.map(|credentials| match credentials {
            Credentials::Basic { user, .. } => user,
            Credentials::Refresh(_) => "refresh".to_owned(),
        })
    }

    fn entry(user: &str) -> serde_json::Value {
        json!({ "auth": BASE64_STANDARD.encode(format!("{user}:pass:word")) })
    }

    #[test]
    fn the_most_specific_entry_counts() {
        let auths = json!({
            "https://registry.example.com/v1/": entry("host"),
            "registry.example.com/acme": entry("path"),
            "registry.example.com/acme/inner": entry("inner"),
            "registry.example.com:5000": entry("port"),
            "*.azurecr.io": entry("glob"),
            "own.azurecr.io": entry("own"),
            "https://index.docker.io/v1/": entry("hub"),
        });
        for (reference, expected) in [
            ("registry.example.com/other/x:1", Some("host")),
            ("registry.example.com/acme/x:1", Some("path")),
            ("registry.example.com/acme:1", Some("path")),
            ("registry.example.com/acmeish/x:1", Some("host")),
            ("registry.example.com/acme/inner/x:1", Some("inner")),
            ("registry.example.com:5000/acme/x:1", Some("port")),
            ("registry.example.com:443/other/x:1", Some("host")),
            ("registry.example.com:5001/acme/x:1", None),
            ("some.azurecr.io/x:1", Some("glob")),
            ("own.azurecr.io/x:1", Some("own")),
            ("a.b.azurecr.io/x:1", None),
            ("docker.io/acme/x:1", Some("hub")),
            ("evil.example.com/x:1", None),
        ] {
            assert_eq!(user(auths.clone(), reference).as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn each_way_to_write_credentials_is_read() {
        assert_eq!(
            user(json!({"r.io": {"username": "named", "password": "x"}}), "r.io/x:1").as_deref(),
            Some("named")
        );
        assert_eq!(
            user(json!({"r.io": {"auth": "", "identitytoken": "t"}}), "r.io/x:1").as_deref(),
            Some("refresh")
        );
        assert_eq!(user(json!({"r.io": {}}), "r.io/x:1"), None);
    }

    #[test]
    fn a_broken_configuration_is_told_without_its_content() {
        for config in [
            "hunter2",
            r#"{"auths": "hunter2"}"#,
            r#"{"auths": {"r.io": {"auth": "aHVudGVyMg=="}}}"#,
        ] {
            let error =
                Credentials::in_docker_config(&SecretBytes::from(config.to_owned()), &"r.io/x:1".parse().unwrap());
            let error = error.unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let config =
            SecretBytes::from(json!({"auths": {"r.io": {"username": "u", "password": "hunter2"}}}).to_string());
        let found = Credentials::in_docker_config(&config, &"r.io/x:1".parse().unwrap()).unwrap();
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
