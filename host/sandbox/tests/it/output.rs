//! What a guest says reaches the log bounded, on one line, and without its secrets.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyhole_core::limits::Limits;
use keyhole_core::{CallError, Outcome};
use serde_json::json;
use tracing::subscriber::DefaultGuard;

use crate::guest::Sandbox;

const SECRET: &str = "hunter2 \"quoted\" and long";

/// Catches everything that this thread logs.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub fn catch() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub fn everything(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Lines that came from the plugin.
    pub fn lines(&self) -> Vec<String> {
        self.everything()
            .lines()
            .filter(|line| line.contains(" plugin: "))
            .map(str::to_owned)
            .collect()
    }
}

async fn sandbox() -> Sandbox {
    Sandbox::new(Limits {
        cpu: Duration::from_millis(200),
        ..Limits::default()
    })
    .await
}

#[tokio::test]
async fn a_line_is_logged_with_its_level_and_origin() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    sandbox.says(json!({"do": "log", "text": "all is\nwell"})).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "WARN",
        "all is well",
        "plugin=\"hostile\"",
        "digest=\"sha256:0\"",
        "call=\"fetch\"",
        "name=all is well",
    ] {
        assert!(lines[0].contains(part), "{part} in {lines:?}");
    }
}

#[tokio::test]
async fn standard_output_and_error_are_lines_too() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    sandbox
        .says(json!({"do": "print", "text": "to whom it may concern"}))
        .await;
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("INFO") && line.contains("concern"))
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("WARN") && line.contains("concern"))
    );
    assert!(lines.iter().any(|line| line.contains("no line break")));
}

#[tokio::test]
async fn a_returned_value_is_masked_wherever_the_guest_repeats_it() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    let outcomes = sandbox
        .fetch(json!({"do": "indiscreet", "text": SECRET}), &["a", "b"])
        .await
        .unwrap();
    let Outcome::Failed(error) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(error.message, "no b, but here is ***");
    assert_eq!(log.lines().len(), 3);
    let everything = log.everything();
    assert!(
        everything.contains("raw *** json \"***\"") && everything.contains("field=***"),
        "{everything}"
    );
    assert!(
        everything.contains("printed ***") && everything.contains("complained \"***\""),
        "{everything}"
    );
    assert!(
        !everything.contains("hunter2") && !everything.contains("and long"),
        "{everything}"
    );
}

#[tokio::test]
async fn a_key_that_is_printed_arrives_in_lines_and_none_is_shown() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    let key = "-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n-----END KEY-----";
    sandbox.says(json!({"do": "indiscreet", "text": key})).await;
    let everything = log.everything();
    assert_eq!(
        log.lines()
            .iter()
            .filter(|line| line.contains("INFO plugin: ***"))
            .count(),
        3,
        "{everything}"
    );
    assert!(
        !["MIIE", "Bgkq", "BEGIN", "END"]
            .iter()
            .any(|part| everything.contains(part)),
        "{everything}"
    );
}

#[tokio::test]
async fn sessions_are_masked_as_well() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    sandbox
        .says(json!({"do": "session-logged", "token": "s.TOKEN-OF-MINE"}))
        .await;
    let everything = log.everything();
    assert!(everything.contains("my token is ***"), "{everything}");
    assert!(!everything.contains("TOKEN-OF"), "{everything}");
}

#[tokio::test]
async fn of_a_crashed_or_stopped_guest_only_the_number_of_lines_is_shown() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    assert!(matches!(
        sandbox.error(json!({"do": "log-and-trap", "text": SECRET})).await,
        CallError::Trap(_)
    ));
    assert!(matches!(
        sandbox.error(json!({"do": "log-and-loop", "text": SECRET})).await,
        CallError::Cpu(_)
    ));
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("ERROR") && lines[0].contains("2 lines of a call that failed are not shown"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("ERROR") && lines[1].contains("1 lines of a call that failed"),
        "{lines:?}"
    );
    assert!(!log.everything().contains("hunter2"));
}

#[tokio::test]
async fn lines_beyond_the_limit_are_counted_and_gone() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    sandbox.says(json!({"do": "log", "times": 1000})).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 65);
    assert!(lines[64].contains("936 more lines"), "{}", lines[64]);
}

#[tokio::test]
async fn an_endless_log_ends_with_the_cpu_time_of_the_guest() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    for habit in ["log-forever", "print-forever"] {
        assert!(
            matches!(sandbox.error(json!({ "do": habit })).await, CallError::Cpu(_)),
            "{habit}"
        );
    }
    // All of `print-forever` is one line without an end.
    assert_eq!(log.lines().len(), 2, "{:?}", log.lines());
}

#[tokio::test]
async fn a_giant_line_is_cut_or_refused() {
    let sandbox = sandbox().await;
    let (log, _guard) = Log::catch();
    sandbox.says(json!({"do": "log-giant", "bytes": 1 << 20})).await;
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].len() < 1400, "{}", lines[0].len());
    let error = sandbox.error(json!({"do": "log-giant", "bytes": 20 << 20})).await;
    assert_eq!(
        error,
        CallError::Output {
            what: "answer",
            limit: 8 << 20
        }
    );
}
