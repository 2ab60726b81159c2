//! The session store as a guest sees it, and who may see it.

use std::sync::Arc;

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
    let fetch = async |namespaces: &[&str]| {
        let mut call = call(json!({"do": "session", "token": "t"}));
        call.compartments = namespaces.iter().map(|namespace| Arc::from(*namespace)).collect();
        call.namespace = match namespaces {
            [namespace] => Some(Arc::from(*namespace)),
            _ => None,
        };
        let outcomes = sandbox.plugin.fetch(&call, &keys(&["k"])).await.unwrap();
        texts(&outcomes).remove(0)
    };
    // Calls that serve other namespaces find nothing, whether they serve one, several or are shared by all.
    let served: [&[&str]; 7] = [
        &["a"],
        &["b"],
        &["a", "b"],
        &["a", "c"],
        &["b", "c"],
        &["a", "b", "c"],
        &[],
    ];
    for namespaces in served {
        assert_eq!(fetch(namespaces).await, "stored Ok(())", "{namespaces:?}");
    }
    for namespaces in served {
        assert_eq!(fetch(namespaces).await, "found t", "{namespaces:?}");
    }
    assert_eq!(fetch(&["b", "a", "b"]).await, "found t", "the same namespaces");
}

#[tokio::test]
async fn what_is_too_large_to_be_stored_is_not_held_either() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let said = sandbox.says(json!({"do": "session-large", "times": 300})).await;
    assert_eq!(said, "300 too large, name true, then Ok(())");
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn what_is_offered_where_there_is_no_store_is_not_held() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let settings = r#"{"validate":"session","token":"kept by nobody"}"#;
    let problems = sandbox.plugin.validate(settings).await.unwrap();
    // Had the call held it, it would be masked.
    assert!(
        problems[0].message.contains("kept by nobody") && problems[0].message.contains("full"),
        "{problems:?}"
    );
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
