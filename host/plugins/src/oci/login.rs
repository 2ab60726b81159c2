//! Who pushes: what `docker login` left on this machine, in its configuration or with the helper that the
//! configuration names.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use keyhole_core::SecretBytes;
use serde::{Deserialize, Deserializer};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::oci::{Credentials, InvalidDockerConfig, Reference};

/// A helper may ask its user to unlock something.
const WITHIN: Duration = Duration::from_secs(60);
/// As what Docker Hub is known to helpers.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// The user that a helper names when it has a refresh token.
const TOKEN_USER: &str = "<token>";

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error(transparent)]
    Invalid(#[from] InvalidDockerConfig),
    /// The helper that it names does not work.
    #[error("names the helper docker-credential-{name}, which {why}")]
    Helper {
        /// Its name.
        name: String,
        /// What happened.
        why: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Helpers {
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    #[serde(deserialize_with = "secret")]
    secret: SecretBytes,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretBytes, D::Error> {
    String::deserialize(deserializer).map(SecretBytes::from)
}

/// The credentials for a repository out of a file as `docker login` writes it; `None` when there are none, or no
/// file.
///
/// # Errors
///
/// When the file or the helper that it names is of no use.
pub async fn docker_login(config: &Path, reference: &Reference) -> Result<Option<Credentials>, LoginError> {
    login(config, reference, None).await
}

/// With helpers from `path`, or from this process's.
async fn login(config: &Path, reference: &Reference, path: Option<&Path>) -> Result<Option<Credentials>, LoginError> {
    let bytes = match tokio::fs::read(config).await {
        Ok(bytes) => SecretBytes::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(found) = Credentials::in_docker_config(&bytes, reference)? {
        return Ok(Some(found));
    }
    let helpers: Helpers = serde_json::from_slice(bytes.expose()).map_err(|_| InvalidDockerConfig::Malformed)?;
    let server = if reference.is_docker_hub() {
        DOCKER_HUB
    } else {
        reference.registry()
    };
    let helper = helpers.cred_helpers.get(server).or(helpers.creds_store.as_ref());
    match helper {
        Some(name) => ask(name, server, path).await.map_err(|why| LoginError::Helper {
            name: name.clone(),
            why,
        }),
        None => Ok(None),
    }
}

async fn ask(name: &str, server: &str, path: Option<&Path>) -> Result<Option<Credentials>, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err("is no name of a helper".to_owned());
    }
    let mut helper = Command::new(format!("docker-credential-{name}"));
    if let Some(path) = path {
        helper.env("PATH", path);
    }
    let mut helper = helper
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {}", error.kind()))?;
    let asked = async {
        if let Some(mut stdin) = helper.stdin.take() {
            // One that ends without reading says why with its exit code.
            let _ = stdin.write_all(server.as_bytes()).await;
        }
        helper.wait_with_output().await
    };
    let output = tokio::time::timeout(WITHIN, asked)
        .await
        .map_err(|_| format!("does not answer within {} s", WITHIN.as_secs()))?
        .map_err(|error| format!("cannot be heard: {}", error.kind()))?;
    let said = SecretBytes::new(output.stdout);
    if !output.status.success() {
        // The one refusal that the protocol of helpers has words for.
        let text = String::from_utf8_lossy(said.expose());
        return if text.contains("credentials not found") {
            Ok(None)
        } else {
            Err(format!("fails ({})", output.status))
        };
    }
    let answer: Answer = serde_json::from_slice(said.expose()).map_err(|_| "gives no credentials".to_owned())?;
    Ok(Some(if answer.username == TOKEN_USER {
        Credentials::Refresh(answer.secret)
    } else {
        Credentials::Basic {
            user: answer.username,
            password: answer.secret,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_test_harness::write_script;
    use serde_json::{Value as Json, json};
    use std::fs;

    /// The user that is found with this configuration and a helper `test` that does `script`.
    async fn user(config: Json, script: &str) -> Result<Option<String>, LoginError> {
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("docker-credential-test");
        write_script(&helper, script);
        let file = folder.path().join("config.json");
        fs::write(&file, config.to_string()).unwrap();
        let found = login(&file, &"r.io/x:1".parse().unwrap(), Some(folder.path())).await?;
        Ok(found.map(|found| match found {
            Credentials::Basic { user, .. } => user,
            Credentials::Refresh(_) => "refresh".to_owned(),
        }))
    }

    #[tokio::test]
    async fn a_helper_is_asked_about_the_registry_when_the_file_itself_has_nothing() {
        let script = r#"read server; test "$1" = get && printf '{"Username": "%s", "Secret": "s"}' "$server""#;
        for config in [
            json!({"auths": {"r.io": {}}, "credsStore": "test"}),
            json!({"credsStore": "absent", "credHelpers": {"r.io": "test"}}),
        ] {
            assert_eq!(user(config, script).await.unwrap().as_deref(), Some("r.io"));
        }
        let written = json!({"auths": {"r.io": {"username": "u", "password": "p"}}, "credsStore": "test"});
        assert_eq!(user(written, script).await.unwrap().as_deref(), Some("u"));
        let token = r#"printf '{"Username": "<token>", "Secret": "s"}'"#;
        let found = user(json!({"credsStore": "test"}), token).await.unwrap();
        assert_eq!(found.as_deref(), Some("refresh"));
    }

    #[tokio::test]
    async fn a_helper_without_an_entry_is_no_failure_and_one_that_does_not_work_is() {
        let config = || json!({"credsStore": "test"});
        let without = "echo credentials not found in native keychain; exit 1";
        assert_eq!(user(config(), without).await.unwrap(), None);
        for script in ["exit 1", "echo hunter2"] {
            let error = user(config(), script).await.unwrap_err().to_string();
            assert!(
                error.contains("docker-credential-test") && !error.contains("hunter2"),
                "{error}"
            );
        }
        for name in ["absent", "../test", ""] {
            assert!(user(json!({"credsStore": name}), "").await.is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn without_a_file_nobody_is_logged_in() {
        let found = docker_login(Path::new("/nonexistent/config.json"), &"r.io/x:1".parse().unwrap()).await;
        assert!(found.unwrap().is_none());
    }
}
