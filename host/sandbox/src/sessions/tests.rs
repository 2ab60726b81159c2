use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;

fn scope(name: &str) -> ScopeKey {
    let settings = json!({ "name": name });
    ScopeKey {
        identity: Identity::default(),
        settings: JsonText::new(settings.as_object().unwrap()),
        compartments: BTreeSet::new(),
    }
}

fn secret(text: &str) -> SecretBytes {
    SecretBytes::from(text.to_owned())
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn an_entry_lives_in_its_scope_until_its_time() {
    let sessions = Sessions::default();
    sessions
        .set(&scope("a"), "token".to_owned(), secret("t1"), Duration::from_secs(10))
        .unwrap();
    assert_eq!(sessions.get(&scope("a"), "token"), Some(secret("t1")));
    assert_eq!(sessions.get(&scope("b"), "token"), None, "another scope");
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(sessions.get(&scope("a"), "token"), None, "over its time");
    assert_eq!(sessions.with(|scopes| scopes.bytes), 0);
}

#[tokio::test]
async fn every_direction_is_bounded() {
    let sessions = Sessions::default();
    let key = scope("a");
    let big = || SecretBytes::new(vec![7; VALUE]);
    assert_eq!(
        sessions.set(&key, "k".to_owned(), SecretBytes::new(vec![7; VALUE + 1]), HOUR),
        Err(NotStored::TooLarge)
    );
    assert_eq!(
        sessions.set(&key, "k".repeat(KEY + 1), big(), HOUR),
        Err(NotStored::TooLarge)
    );
    for entry in 0..ENTRIES {
        sessions.set(&key, entry.to_string(), big(), HOUR).unwrap();
    }
    assert_eq!(sessions.set(&key, "more".to_owned(), big(), HOUR), Err(NotStored::Full));
    assert_eq!(
        sessions.set(&key, "0".to_owned(), secret("replaced"), HOUR),
        Ok(()),
        "replacing is no growth"
    );
    for number in 0..2 * SCOPES {
        sessions
            .set(&scope(&number.to_string()), "k".to_owned(), big(), HOUR)
            .unwrap();
    }
    let (scopes, bytes) = sessions.with(|scopes| (scopes.scopes.len(), scopes.bytes));
    assert!(scopes <= SCOPES, "{scopes} scopes");
    assert!(bytes <= TOTAL, "{bytes} bytes");
    let counted: usize = sessions.with(|scopes| {
        scopes
            .scopes
            .values()
            .flat_map(|scope| &scope.entries)
            .map(|(name, entry)| name.len() + entry.value.len())
            .sum()
    });
    assert_eq!(counted, bytes, "the count of bytes is kept");
    assert_eq!(
        sessions.get(&key, "0"),
        None,
        "the scope that was used least recently went first"
    );
}

/// Runs `calls` calls at once. Each logs in when it finds no session. Returns the logins.
async fn logins(calls: usize, leaves_session: bool, succeeds: bool) -> (usize, usize) {
    let sessions = Sessions::default();
    let (logins, at_once, most) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..calls {
        let (sessions, logins, at_once, most) = (
            sessions.clone(),
            Arc::clone(&logins),
            Arc::clone(&at_once),
            Arc::clone(&most),
        );
        tasks.spawn(async move {
            let key = scope("a");
            let turn = sessions.turn(&key).await;
            most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if sessions.get(&key, "token").is_none() {
                logins.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                if leaves_session {
                    sessions.set(&key, "token".to_owned(), secret("t1"), HOUR).unwrap();
                }
            } else {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            at_once.fetch_sub(1, Ordering::SeqCst);
            sessions.ended(&key, succeeds);
            drop(turn);
        });
    }
    while tasks.join_next().await.is_some() {}
    (logins.load(Ordering::SeqCst), most.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_at_once_make_one_login_and_then_run_together() {
    assert_eq!(logins(100, true, true).await, (1, 99));
}

#[tokio::test(start_paused = true)]
async fn calls_that_need_no_session_wait_for_the_first_only() {
    assert_eq!(logins(100, false, true).await, (100, 99));
}

#[tokio::test(start_paused = true)]
async fn while_logins_fail_they_are_tried_one_at_a_time() {
    assert_eq!(logins(10, false, false).await, (10, 1));
}
