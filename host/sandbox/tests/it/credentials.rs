//! What a plugin is handed when it asks, and what is said when it cannot be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use keyhole_core::{CallError, Identity, SecretBytes};
use keyhole_sandbox::{Credential, CredentialError, Credentials, Grant, LoadError, Ports};
use serde_json::json;

use crate::guest::{Sandbox, engine, load, load_with, ports};
use crate::output::Log;

const PASSWORD: &str = "hunter2-of-the-store";

/// Credentials for tests: a table, and who asked for what.
#[derive(Default)]
pub struct Safe {
    pub values: Mutex<BTreeMap<Credential, String>>,
    pub asked: Mutex<Vec<(Credential, Identity)>>,
}

impl Safe {
    pub fn put(&self, credential: Credential, value: &str) {
        self.values.lock().unwrap().insert(credential, value.to_owned());
    }

    pub fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Credentials for Safe {
    fn credential<'a>(
        &'a self,
        credential: &'a Credential,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        self.asked.lock().unwrap().push((credential.clone(), identity.clone()));
        let value = self.values.lock().unwrap().get(credential).cloned();
        let missing = || CredentialError::SecretMissing {
            namespace: "keyhole-system".to_owned(),
            name: credential.to_string(),
            key: "k".to_owned(),
        };
        Box::pin(std::future::ready(value.map(SecretBytes::from).ok_or_else(missing)))
    }
}

pub fn secret(name: &str, key: &str) -> Credential {
    Credential::Secret {
        name: name.into(),
        key: key.into(),
    }
}

pub fn token(audience: &str) -> Credential {
    Credential::Token {
        audience: audience.into(),
    }
}

/// A plugin that may see a password and a token, and where they come from.
async fn sandbox() -> (Sandbox, Arc<Safe>) {
    let safe = Arc::new(Safe::default());
    safe.put(secret("login", "password"), PASSWORD);
    safe.put(token("vault"), "eyJ-a-token-for-vault");
    let grant = Grant {
        exposed: [("password".to_owned(), secret("login", "password"))].into(),
        token: Some("vault".into()),
        ..Grant::default()
    };
    let ports = Ports {
        credentials: Arc::clone(&safe) as Arc<dyn Credentials>,
        ..ports()
    };
    let engine = engine();
    let plugin = load_with(&engine, grant, ports).await.unwrap();
    (Sandbox { engine, plugin }, safe)
}

#[tokio::test]
async fn a_plugin_is_handed_what_its_grant_names_and_nothing_else() {
    let (sandbox, _) = sandbox().await;
    let get = async |name: &str| sandbox.says(json!({"do": "credential", "name": name})).await;
    assert_eq!(get("password").await, format!("{} bytes", PASSWORD.len()));
    assert_eq!(get("service-account-token").await, "21 bytes");
    for name in ["login", "vault", "", "Password"] {
        let said = get(name).await;
        assert!(
            said.contains("NotGranted") && said.contains("grant.auth"),
            "{name}: {said}"
        );
    }
}

#[tokio::test]
async fn a_new_value_is_handed_out_without_loading_the_plugin_again() {
    let (sandbox, safe) = sandbox().await;
    let get = json!({"do": "credential", "name": "password"});
    sandbox.says(get.clone()).await;
    safe.put(secret("login", "password"), "rotated");
    assert_eq!(sandbox.says(get).await, "7 bytes");
}

#[tokio::test]
async fn a_missing_secret_is_told_to_the_plugin_and_stands_in_place_of_its_own_guess() {
    let (sandbox, safe) = sandbox().await;
    safe.values.lock().unwrap().clear();
    let said = sandbox.says(json!({"do": "credential", "name": "password"})).await;
    assert!(
        said.contains("Unavailable") && said.contains("does not exist"),
        "{said}"
    );
    let settings = json!({"do": "credential", "name": "password", "fail": true});
    let error = sandbox.error(settings).await;
    let CallError::Identity { message, transient } = error else {
        panic!("{error:?}")
    };
    assert!(message.contains("does not exist; create it") && !transient, "{message}");
}

#[tokio::test]
async fn handed_credentials_are_masked_in_what_the_plugin_says() {
    let (sandbox, _) = sandbox().await;
    let (log, _guard) = Log::catch();
    for name in ["password", "service-account-token"] {
        sandbox.says(json!({"do": "credential", "name": name})).await;
    }
    let everything = log.everything();
    assert_eq!(everything.matches("I see ***").count(), 2, "{everything}");
    assert!(
        !everything.contains("hunter2") && !everything.contains("eyJ"),
        "{everything}"
    );
}

#[tokio::test]
async fn nothing_is_handed_out_where_there_is_no_cluster() {
    let grant = Grant {
        exposed: [("password".to_owned(), secret("login", "password"))].into(),
        ..Grant::default()
    };
    let said = Sandbox::of(engine(), grant)
        .await
        .says(json!({"do": "credential", "name": "password"}))
        .await;
    assert!(
        said.contains("Unavailable") && said.contains("there is none here"),
        "{said}"
    );
}

#[tokio::test]
async fn validate_is_handed_nothing() {
    let (sandbox, safe) = sandbox().await;
    let problems = sandbox.plugin.validate(r#"{"validate":"credential"}"#).await.unwrap();
    assert!(problems[0].message.contains("NotGranted"), "{problems:?}");
    assert_eq!(safe.asked(), 0);
}

#[tokio::test]
async fn two_credentials_of_one_name_are_no_grant() {
    let grant = Grant {
        exposed: [("service-account-token".to_owned(), secret("a", "b"))].into(),
        token: Some("vault".into()),
        ..Grant::default()
    };
    let error = load(&engine(), grant).await.err().unwrap();
    assert!(
        matches!(&error, LoadError::Grant(why) if why.contains("service-account-token")),
        "{error}"
    );
}
