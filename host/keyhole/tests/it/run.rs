//! `keyhole run` where it cannot start. Where it can is tested against a cluster, in `tests/e2e`.

use super::*;

fn refused(configure: impl FnOnce(&mut Command)) -> String {
    let mut command = keyhole();
    command
        .args(["run", "--metrics-address", "127.0.0.1"])
        .env("METRICS_PORT", "0");
    configure(&mut command);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

#[test]
fn without_a_cluster_it_says_so_and_ends() {
    let line = refused(|_| {});
    assert!(line.starts_with("keyhole: no cluster: "), "{line}");
}

#[test]
fn a_protection_that_is_not_there_is_not_left_out_silently() {
    let line = refused(|command| {
        command.env("ENFORCE_NAMESPACE_ANNOTATIONS", "1");
    });
    assert!(line.contains("ENFORCE_NAMESPACE_ANNOTATIONS"), "{line}");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_variable() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let line = refused(|command| {
        command.args(["--metrics-port", &port]);
    });
    assert!(line.contains(&port) && line.contains("METRICS_PORT"), "{line}");
}

#[test]
fn an_endpoint_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    std::fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let line = refused(|command| {
        command
            .env("KUBECONFIG", &kubeconfig)
            .env("AWS_SM_ENDPOINT", "nonsense");
    });
    assert!(line.contains("AWS_SM_ENDPOINT"), "{line}");
}

/// A cluster where nobody listens.
const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: \"http://127.0.0.1:9\"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
";

#[test]
fn mistakes_on_the_command_line_have_their_own_exit_code() {
    for words in [&["run", "--writers", "none"][..], &["walk"], &[]] {
        assert_eq!(
            keyhole().args(words).output().unwrap().status.code(),
            Some(2),
            "{words:?}"
        );
    }
}

#[test]
fn warnings_about_kess_variables_are_json_lines() {
    let mut command = keyhole();
    command.args(["run", "--metrics-address", "127.0.0.1", "--metrics-port", "0"]);
    command
        .env("VAULT_ADDR", "http://vault")
        .env("DISABLE_POLLING", "false")
        .env("USE_HUMAN_READABLE_LOG_LEVELS", "");
    let output = command.output().unwrap();
    let lines: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = |part: &str| {
        lines
            .iter()
            .any(|line| line["level"] == "warn" && line["msg"].as_str().unwrap().contains(part))
    };
    assert!(said("VAULT_ADDR") && said("DISABLE_POLLING"), "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line["name"] == "keyhole" && line["time"].is_u64())
    );
}
