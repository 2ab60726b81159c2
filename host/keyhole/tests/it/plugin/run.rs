//! `keyhole plugin run` against a store on loopback, and against what was recorded of it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;

const SECRET: &str = "correct \"horse\" battery/staple";

/// Answers `GET /v1/KEY` until the test ends.
struct Store {
    address: String,
}

impl Store {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // Ends with the process: nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream);
            }
        });
        Self { address }
    }

    fn backend_plugin(&self, folder: &Path, grant: &str) -> String {
        let yaml = format!(
            "apiVersion: kubernetes-client.io/v1alpha1\nkind: BackendPlugin\nmetadata: {{name: bad}}\nspec:\n  \
             source: {{file: {{path: elsewhere.wasm}}}}\n  settings: {{address: \"http://{}\"}}\n  grant: {grant}\n",
            self.address
        );
        let path = folder.join("plugin.yaml");
        std::fs::write(&path, yaml).unwrap();
        path.display().to_string()
    }

    fn granted(&self) -> String {
        format!(
            "{{hosts: [\"http://{}\"], allowPrivateAddresses: [127.0.0.0/8]}}",
            self.address
        )
    }
}

fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = text(&head);
    let (status, body) = if head.starts_with("GET /v1/prod/db ") {
        (
            "200 OK",
            serde_json::json!({ "value": SECRET, "of": "prod/db" }).to_string(),
        )
    } else {
        ("404 Not Found", String::new())
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

#[test]
fn a_fetch_is_made_under_the_grants_of_the_backend_plugin_and_values_are_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (guest(folder.path(), "good"), Store::start());
    let yaml = store.backend_plugin(folder.path(), &store.granted());
    let arguments = ["run", file.to_str().unwrap(), "-f", &yaml, "--key", "prod/db"];
    let (out, err, code) = ended(&mut plugin(&arguments));
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out, format!("prod/db: {} bytes\n", SECRET.len()));
    assert!(err.starts_with("1 exchanges, "), "{err}");

    let (out, _, code) = ended(plugin(&arguments).arg("--show-values"));
    assert_eq!((code, out.lines().nth(1).unwrap().trim()), (Some(0), SECRET));

    let (out, _, code) = ended(plugin(&arguments).args(["--key", "absent", "--json"]));
    assert_eq!(code, Some(1));
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        said["outcomes"][0],
        serde_json::json!({"key": "prod/db", "bytes": SECRET.len()})
    );
    assert_eq!(said["outcomes"][1]["error"], "not-found");
    assert_eq!(said["exchanges"], 2);
}

#[test]
fn what_is_not_granted_is_refused_as_in_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (guest(folder.path(), "good"), Store::start());
    let run = |grant: &str| {
        let yaml = store.backend_plugin(folder.path(), grant);
        ended(&mut plugin(&[
            "run",
            file.to_str().unwrap(),
            "-f",
            &yaml,
            "--key",
            "prod/db",
        ]))
    };
    let (out, _, code) = run("{}");
    assert_eq!(code, Some(1));
    assert!(out.contains("127.0.0.1") && out.contains("grant"), "{out}");
    let (_, err, code) = run("{hosts: [\"*.example.com\"], limits: {memory: lots}}");
    assert_eq!(code, Some(1));
    assert!(
        err.contains("spec.grant.hosts[0]") && err.contains("spec.grant.limits.memory"),
        "{err}"
    );
    let (_, err, code) = run("{auth: {exposed: {token: {name: vault, key: token}}}}");
    assert_eq!(code, Some(1));
    assert!(err.contains("--secret vault/token=FILE"), "{err}");
}

#[test]
fn a_recording_holds_no_secret_replays_and_passes_as_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (guest(folder.path(), "good"), Store::start());
    let yaml = store.backend_plugin(folder.path(), &store.granted());
    let case = folder.path().join("tests/a-key");
    let arguments = ["run", file.to_str().unwrap(), "-f", &yaml, "--key", "prod/db"];
    let (_, err, code) = ended(plugin(&arguments).args(["--record", case.to_str().unwrap()]));
    assert_eq!(code, Some(0), "{err}");
    let files: Vec<_> = std::fs::read_dir(&case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for path in &files {
        let written = std::fs::read_to_string(path).unwrap();
        for part in ["horse", "battery", "staple"] {
            assert!(!written.contains(part), "{part}: {written}");
        }
        assert!(err.contains(&path.display().to_string()), "{err}");
    }

    // The store is gone; the recording answers, at the same address and under the same grant.
    let (out, err, code) = ended(plugin(&arguments).args(["--replay", case.to_str().unwrap(), "--show-values"]));
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().nth(1).unwrap().trim(), "replaced-secret-01");

    let tests = folder.path().join("tests");
    let (out, _, code) = ended(&mut plugin(&[
        "test",
        file.to_str().unwrap(),
        "--recordings",
        tests.to_str().unwrap(),
    ]));
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.lines()
            .any(|line| line.starts_with("ok") && line.contains("recordings") && line.ends_with("1 request")),
        "{out}"
    );
}

#[test]
fn mistakes_of_the_command_line_are_told_with_their_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (guest(folder.path(), "good"), Store::start());
    let yaml = store.backend_plugin(folder.path(), &store.granted());
    let arguments = ["run", file.to_str().unwrap(), "-f", &yaml, "--key", "prod/db"];
    for (more, told) in [
        (["--settings", "[]"], "--settings is no JSON object"),
        (
            ["--settings", "{\"adress\": \"x\"}"],
            "spec.config.adress is not known to this backend",
        ),
        (["--option", "version"], "write it as NAME=VALUE"),
        (["--option", "version=2"], "options.version is not known"),
        (["--secret", "vault"], "NAME/KEY=FILE"),
        (["--token", "vault"], "AUDIENCE=FILE"),
        (["--secret", "vault/token=env:NO_SUCH"], "variable NO_SUCH is not set"),
        (["--replay", "/nonexistent"], "holds no exchanges"),
    ] {
        let (_, err, code) = ended(plugin(&arguments).args(more));
        assert_eq!(code, Some(1), "{more:?}");
        assert!(err.contains(told) && err.lines().count() == 1, "{more:?}: {err}");
    }
}
