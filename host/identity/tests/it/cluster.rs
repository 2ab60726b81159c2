//! What grants name, found in a cluster: Secrets that change and go, tokens that are kept.

use std::time::Duration;

use keyhole_core::{Identity, ServiceAccount};
use keyhole_identity::ClusterCredentials;
use keyhole_sandbox::{Credential, CredentialError, Credentials as _};
use serde_json::json;

use crate::Clock;
use crate::api_server::ApiServer;

fn secret(name: &str, key: &str) -> Credential {
    Credential::Secret {
        name: name.into(),
        key: key.into(),
    }
}

fn token(audience: &str) -> Credential {
    Credential::Token {
        audience: audience.into(),
    }
}

fn as_account(namespace: &str, name: &str) -> Identity {
    Identity {
        account: Some(ServiceAccount::new(namespace, name).unwrap()),
        ..Identity::default()
    }
}

async fn get(
    credentials: &ClusterCredentials,
    credential: &Credential,
    identity: &Identity,
) -> Result<String, CredentialError> {
    let value = credentials.credential(credential, identity).await?;
    Ok(String::from_utf8(value.expose().to_vec()).unwrap())
}

async fn of_operator(credentials: &ClusterCredentials, credential: &Credential) -> Result<String, CredentialError> {
    get(credentials, credential, &Identity::default()).await
}

#[tokio::test]
async fn an_entry_of_a_secret_is_read_once_and_anew_after_seconds() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    let credentials = server.credentials(&clock);
    server.secret("keyhole-system/login", "token", "first");
    let login = secret("login", "token");
    for _ in 0..20 {
        assert_eq!(of_operator(&credentials, &login).await.unwrap(), "first");
    }
    assert_eq!(server.asked(), 1);
    server.secret("keyhole-system/login", "token", "rotated");
    clock.advance(Duration::from_secs(6));
    assert_eq!(of_operator(&credentials, &login).await.unwrap(), "rotated");
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn secrets_are_the_operators_own_whoever_asks() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    let credentials = server.credentials(&clock);
    server.secret("team/login", "token", "of the team");
    server.secret("keyhole-system/login", "token", "of the operator");
    let value = get(&credentials, &secret("login", "token"), &as_account("team", "reader")).await;
    assert_eq!(value.unwrap(), "of the operator");
    assert_eq!(
        server.state.lock().unwrap().requests,
        ["GET /api/v1/namespaces/keyhole-system/secrets/login"]
    );
}

#[tokio::test]
async fn a_deleted_secret_and_a_deleted_entry_are_missed_although_an_older_value_is_at_hand() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    let credentials = server.credentials(&clock);
    server.secret("keyhole-system/login", "token", "x");
    server.secret("keyhole-system/login", "other", "y");
    let login = secret("login", "token");
    of_operator(&credentials, &login).await.unwrap();
    server
        .state
        .lock()
        .unwrap()
        .secrets
        .get_mut("keyhole-system/login")
        .unwrap()
        .remove("token");
    clock.advance(Duration::from_secs(6));
    let error = of_operator(&credentials, &login).await.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(
        error.to_string(),
        "Secret keyhole-system/login has no entry \"token\"; add it, or name another one in the plugin's grant"
    );
    server.state.lock().unwrap().secrets.clear();
    clock.advance(Duration::from_secs(6));
    assert_eq!(
        of_operator(&credentials, &login).await.unwrap_err().to_string(),
        "Secret keyhole-system/login, which the plugin's grant names, does not exist; create it with an entry \"token\""
    );
    server.secret("keyhole-system/login", "token", "again");
    clock.advance(Duration::from_secs(6));
    assert_eq!(of_operator(&credentials, &login).await.unwrap(), "again");
}

#[tokio::test]
async fn while_the_api_server_is_away_a_value_serves_on_for_a_minute() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    let credentials = server.credentials(&clock);
    server.secret("keyhole-system/login", "token", "x");
    let login = secret("login", "token");
    of_operator(&credentials, &login).await.unwrap();
    server.fault(Some(500));
    clock.advance(Duration::from_secs(30));
    assert_eq!(of_operator(&credentials, &login).await.unwrap(), "x");
    clock.advance(Duration::from_secs(31));
    let error = of_operator(&credentials, &login).await.unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("status 500"),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_right_is_told_with_what_grants_it() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    let credentials = server.credentials(&clock);
    server.fault(Some(403));
    let told = async |credential: Credential, identity: Identity| {
        let error = get(&credentials, &credential, &identity).await.unwrap_err();
        assert!(!error.is_transient());
        error.to_string()
    };
    let line = told(secret("login", "token"), Identity::default()).await;
    assert!(
        line.contains("Secret keyhole-system/login cannot be read") && line.contains("keyhole manifests"),
        "{line}"
    );
    let line = told(token("vault"), as_account("team", "reader")).await;
    for part in [
        "team/reader",
        "\"vault\"",
        "serviceaccounts/token",
        "--service-account-tokens",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_name_reaches_no_path() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    let credentials = server.credentials(&clock);
    for name in ["../../team/secrets/x", "a/b", "", "..", "A"] {
        let error = of_operator(&credentials, &secret(name, "k")).await.unwrap_err();
        assert!(error.to_string().contains("no name of a Secret"), "{error}");
    }
    assert_eq!(server.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_make_one_token_for_one_audience_and_ten_minutes() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    server.account("team/reader", &[]);
    let credentials = server.credentials(&clock);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let credentials = credentials.clone();
        callers.spawn(async move {
            get(&credentials, &token("vault"), &as_account("team", "reader"))
                .await
                .unwrap()
        });
    }
    let mut tokens = std::collections::BTreeSet::new();
    while let Some(token) = callers.join_next().await {
        tokens.insert(token.unwrap());
    }
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        server.state.lock().unwrap().wanted,
        [json!({"audiences": ["vault"], "expirationSeconds": 600})]
    );
}

#[tokio::test]
async fn a_token_is_kept_until_four_fifths_of_its_life_and_never_shared() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    for account in ["team/reader", "team/writer", "other/reader"] {
        server.account(account, &[]);
    }
    let credentials = server.credentials(&clock);
    let of = async |namespace: &str, name: &str, audience: &str| {
        get(&credentials, &token(audience), &as_account(namespace, name))
            .await
            .unwrap()
    };
    let first = of("team", "reader", "vault").await;
    for (namespace, name, audience) in [
        ("team", "writer", "vault"),
        ("other", "reader", "vault"),
        ("team", "reader", "b"),
    ] {
        assert_ne!(of(namespace, name, audience).await, first);
    }
    clock.advance(Duration::from_secs(440));
    assert_eq!(of("team", "reader", "vault").await, first);
    clock.advance(Duration::from_secs(41));
    assert_ne!(of("team", "reader", "vault").await, first, "480 of 600 s are over");
}

#[tokio::test]
async fn without_an_account_the_token_is_the_operators_own() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    server.account("keyhole-system/keyhole", &[]);
    let credentials = server.credentials(&clock);
    of_operator(&credentials, &token("vault")).await.unwrap();
    assert_eq!(
        server.state.lock().unwrap().requests,
        [
            "POST /apis/authentication.k8s.io/v1/selfsubjectreviews",
            "POST /api/v1/namespaces/keyhole-system/serviceaccounts/keyhole/token"
        ]
    );
    let (server, clock) = (ApiServer::start().await, Clock::default());
    server.state.lock().unwrap().user = "kubernetes-admin".to_owned();
    let error = of_operator(&server.credentials(&clock), &token("vault"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("runs as \"kubernetes-admin\", which is no service account"),
        "{error}"
    );
}

#[tokio::test]
async fn an_account_that_is_not_there_is_named() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    let credentials = server.credentials(&clock);
    let error = get(&credentials, &token("vault"), &as_account("team", "nobody"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no token of service account team/nobody for audience \"vault\": there is no such service account; create it"
    );
}

/// Without one the API server would put its own, and the token would be good for the cluster itself.
#[tokio::test]
async fn a_token_without_an_audience_is_never_made() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    server.account("team/reader", &[]);
    let credentials = server.credentials(&clock);
    for audience in ["", " "] {
        let error = get(&credentials, &token(audience), &as_account("team", "reader"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("an audience must be named"), "{error}");
    }
    assert!(server.state.lock().unwrap().wanted.is_empty());
}

#[tokio::test]
async fn nothing_secret_shows_in_debug_output_or_errors() {
    let (server, clock) = (ApiServer::start().await, Clock::default());
    server.secret("keyhole-system/login", "token", "the-secret-itself");
    server.account("team/reader", &[]);
    let credentials = server.credentials(&clock);
    of_operator(&credentials, &secret("login", "token")).await.unwrap();
    let made = get(&credentials, &token("vault"), &as_account("team", "reader"))
        .await
        .unwrap();
    let shown = format!("{credentials:?}");
    assert!(!shown.contains("the-secret") && !shown.contains(&made), "{shown}");
}
