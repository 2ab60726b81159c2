//! The session store as a guest sees it, and who may see it.

use keyhole_core::limits::Limits;
use keyhole_core::{CallError, Identity};
use serde_json::json;

use crate::guest::{Sandbox, call, keys, texts};

#[tokio::test]
async fn a_session_outlives_the_instance_in_its_own_scope_only() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let settings = json!({"do": "session", "token": "t1"});
    assert_eq!(sandbox.says(settings.clone()).await, "stored Ok(())");
    assert_eq!(sandbox.says(settings.clone()).await, "found t1");
    assert_eq!(
        sandbox.says(json!({"do": "session", "token": "t2"})).await,
        "stored Ok(())",
        "other settings"
    );

    let mut other = call(settings.clone());
    other.identity = Identity {
        account: None,
        role: Some("arn:aws:iam::1:role/a".parse().unwrap()),
        namespace_tag: None,
    };
    let outcomes = sandbox.plugin.fetch(&other, &keys(&["k"])).await.unwrap();
    assert_eq!(texts(&outcomes), ["stored Ok(())"], "another identity");

    let again = crate::guest::load(&sandbox.engine, Default::default()).await.unwrap();
    let outcomes = again.fetch(&call(settings), &keys(&["k"])).await.unwrap();
    assert_eq!(texts(&outcomes), ["stored Ok(())"], "another load of the plugin");
    sandbox.assert_empty();
}

#[tokio::test]
async fn a_value_of_one_namespace_cannot_be_carried_to_another_through_the_store() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let fetch = async |namespace: Option<&str>| {
        let mut call = call(json!({"do": "session", "token": "t"}));
        call.namespace = namespace.map(Into::into);
        let outcomes = sandbox.plugin.fetch(&call, &keys(&["k"])).await.unwrap();
        texts(&outcomes).remove(0)
    };
    assert_eq!(fetch(Some("a")).await, "stored Ok(())");
    assert_eq!(fetch(Some("b")).await, "stored Ok(())", "another namespace");
    assert_eq!(fetch(None).await, "stored Ok(())", "a call for several");
    assert_eq!(fetch(Some("a")).await, "found t");
    assert_eq!(fetch(None).await, "found t", "shared batches share their session");
}

#[tokio::test]
async fn a_session_ends_with_its_time() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let settings = json!({"do": "session", "token": "t1", "ttl": 0});
    assert_eq!(sandbox.says(settings.clone()).await, "stored Ok(())");
    assert_eq!(sandbox.says(settings).await, "stored Ok(())");
}

#[tokio::test]
async fn the_store_is_full_at_64_entries_of_16_kib() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let said = sandbox.says(json!({"do": "session-flood"})).await;
    assert_eq!(said, "6 full, too large true");
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_guest_that_writes_sessions_without_end_pays_with_cpu_time() {
    let cpu = std::time::Duration::from_millis(100);
    let sandbox = Sandbox::new(Limits {
        cpu,
        ..Limits::default()
    })
    .await;
    assert_eq!(
        sandbox.error(json!({"do": "session-endless"})).await,
        CallError::Cpu(cpu)
    );
}

#[tokio::test]
async fn a_credential_that_is_not_granted_says_what_to_do() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let said = sandbox.says(json!({"do": "credential", "name": "password"})).await;
    assert!(said.contains("NotGranted") && said.contains("grant.auth"), "{said}");
}
