//! `keyhole run` where it cannot start. Where it can is tested against a cluster, in `tests/e2e`.

use super::*;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

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
fn a_protection_that_looks_turned_off_and_is_on_is_warned_about() {
    let output = keyhole()
        .args(["run", "--metrics-address", "127.0.0.1"])
        .env("METRICS_PORT", "0")
        .env("ENFORCE_NAMESPACE_ANNOTATIONS", "false")
        .output()
        .unwrap();
    let log = text(&output.stdout);
    assert!(
        log.contains("ENFORCE_NAMESPACE_ANNOTATIONS is on as soon as it is there"),
        "{log}"
    );
}

#[test]
fn a_port_that_is_taken_is_named_with_its_variable() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
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

/// One answer of the admin port: status line and body.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn while_the_api_server_hangs_it_is_alive_but_not_ready_and_stops_at_once() {
    // Accepts by its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    let server = silent.local_addr().unwrap().to_string();
    std::fs::write(&kubeconfig, KUBECONFIG.replace("127.0.0.1:9", &server)).unwrap();
    let mut child = keyhole()
        .args(["run", "--metrics-address", "127.0.0.1", "--metrics-port", "0"])
        .env("KUBECONFIG", &kubeconfig)
        .env(
            "KEYHOLE_CACHE_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = |message: &str| loop {
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if line["msg"] == message {
            return line;
        }
    };
    let address = next("serving metrics, health and readiness")["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    next("starting");
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").starts_with("HTTP/1.1 503"));
    let metrics = get(address, "/metrics");
    assert!(
        metrics.contains("keyhole_build_info{version=") && metrics.contains("keyhole_sandbox_instances 0"),
        "{metrics}"
    );

    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    let began = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    next("stopped");
    assert!(child.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
