//! `keyhole render` through the real plugin in the real sandbox, against an AWS that verifies signatures.

use super::*;
use keyhole_test_aws::{Deny, FakeAws, FakeConfig};

const APP: &str = "arn:aws:iam::123456789012:role/app";

struct Scene {
    aws: FakeAws,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        aws.set_secret("eu-west-1", "db", r#"{"user":"app","password":"correct horse"}"#);
        aws.set_secret("eu-west-1", "plain", "battery staple");
        Self {
            aws,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn render(&self, arguments: &[&str], yaml: &str) -> Output {
        let base = self.aws.base_credentials();
        let mut command = keyhole();
        command
            .args(["render", "-f", "-"])
            .args(arguments)
            .env("AWS_ENDPOINT_URL", self.aws.endpoint())
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", base.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", base.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("KEYHOLE_CACHE_DIR", cache())
            .current_dir(self.folder.path());
        with_input(&mut command, yaml.as_bytes())
    }
}

/// Compiled plugins are shared by the tests: the first one compiles.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

fn object(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: kubernetes-client.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

const DB: &str =
    "{backendType: secretsManager, data: [{key: db, name: pw, property: password}, {key: plain, name: p}]}";

#[test]
fn objects_become_secrets() {
    let scene = Scene::new();
    let output = scene.render(&[], &(object("one", DB) + &object("two", DB)));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let secrets: Vec<k8s_openapi::api::core::v1::Secret> = serde_saphyr::from_multiple(&text(&output.stdout)).unwrap();
    assert_eq!(secrets.len(), 2);
    let data = secrets[1].data.as_ref().unwrap();
    assert_eq!(
        (&data["pw"].0[..], &data["p"].0[..]),
        (&b"correct horse"[..], &b"battery staple"[..])
    );
    assert_eq!(secrets[1].metadata.name.as_deref(), Some("two"));
    assert_eq!(secrets[1].metadata.namespace.as_deref(), Some("default"));
    assert_eq!(
        scene.aws.counts().total(),
        1,
        "one batch serves both: {:?}",
        scene.aws.counts()
    );
    assert_eq!(scene.aws.counts().refused, 0);
}

#[test]
fn redacted_output_tells_no_value() {
    let scene = Scene::new();
    let output = scene.render(&["--redact"], &object("one", DB));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("pw: 13 bytes"), "{printed}");
    for value in ["correct horse", "Y29ycmVjdCBob3JzZQ", "battery"] {
        assert!(!printed.contains(value));
    }
}

#[test]
fn what_fails_is_told_per_object_and_the_rest_is_printed() {
    let scene = Scene::new();
    let missing = "{backendType: secretsManager, data: [{key: absent, name: a}]}";
    let property = "{backendType: secretsManager, data: [{key: db, name: a, property: oops}]}";
    let backend = "{backendType: nothing, data: [{key: db, name: a}]}";
    let yaml = [
        object("missing", missing),
        object("property", property),
        object("backend", backend),
        object("good", DB),
    ]
    .concat();
    let output = scene.render(&[], &yaml);
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    let line = |name: &str| {
        let start = format!("default/{name}: ");
        errors
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("{name}: {errors}"))
            .to_owned()
    };
    assert!(
        line("missing").contains("NotFound") && line("missing").contains("absent"),
        "{errors}"
    );
    assert!(
        line("property").contains("Could not find property oops in db"),
        "{errors}"
    );
    assert!(
        line("backend").contains("no plugin serves backendType \"nothing\""),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 3, "{errors}");
    assert_eq!(text(&output.stdout).matches("kind: Secret").count(), 1);
    assert!(!errors.contains("correct horse"));
}

#[test]
fn a_role_is_assumed_and_a_denied_one_is_named() {
    let scene = Scene::new();
    let spec = DB.replace("{backendType", &format!("{{roleArn: \"{APP}\", backendType"));
    let output = scene.render(&[], &object("one", &spec));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(scene.aws.counts().of("AssumeRole"), 1);
    let fetch = scene.aws.requests().pop().unwrap();
    assert!(
        fetch
            .principal
            .unwrap()
            .ends_with("assumed-role/app/k8s-external-secrets")
    );

    scene.aws.deny(Deny::role(APP));
    let output = scene.render(&[], &object("one", &spec));
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(
        errors.contains(&format!("cannot assume role {APP}")) && errors.contains("trust policy"),
        "{errors}"
    );
}

#[test]
fn without_credentials_the_remedy_is_told() {
    let scene = Scene::new();
    let mut command = keyhole();
    command
        .args(["render", "-f", "-", "--aws-region", "eu-west-1"])
        .env("AWS_ENDPOINT_URL", scene.aws.endpoint())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("KEYHOLE_CACHE_DIR", cache());
    let output = with_input(&mut command, object("one", DB).as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the operator has no AWS credentials; give its service account a role"));
    assert_eq!(scene.aws.counts().total(), 0);
}

#[test]
fn region_and_credentials_can_come_from_a_profile() {
    let scene = Scene::new();
    let base = scene.aws.base_credentials();
    let profile = scene.folder.path().join("config");
    let text_of = format!(
        "[profile work]\nregion = eu-west-1\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        base.access_key_id, base.secret_access_key
    );
    std::fs::write(&profile, text_of).unwrap();
    let mut command = keyhole();
    command
        .args(["render", "-f", "-"])
        .env("AWS_ENDPOINT_URL", scene.aws.endpoint())
        .env("AWS_CONFIG_FILE", &profile)
        .env("AWS_PROFILE", "work")
        .env("KEYHOLE_CACHE_DIR", cache());
    let output = with_input(&mut command, object("one", DB).as_bytes());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(scene.aws.counts().in_region("BatchGetSecretValue", "eu-west-1"), 1);
}

/// A pod's agent for credentials: answers one request with a session that AWS does not know.
fn agent() -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/credentials", listener.local_addr().unwrap());
    let body = r#"{"AccessKeyId":"ASIAPODAGENT","SecretAccessKey":"s3cr3t-key","Token":"s3cr3t-token","Expiration":"2099-01-01T00:00:00Z"}"#;
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
            head.push(byte[0]);
        }
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        text(&head)
    });
    (url, served)
}

#[test]
fn credentials_can_come_from_the_agent_of_the_pod_and_not_through_a_proxy() {
    let scene = Scene::new();
    let (url, served) = agent();
    let token = scene.folder.path().join("token");
    std::fs::write(&token, "pod-token").unwrap();
    let mut command = keyhole();
    command
        .args(["render", "-f", "-", "--aws-region", "eu-west-1"])
        .env("AWS_ENDPOINT_URL", scene.aws.endpoint())
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token)
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("KEYHOLE_CACHE_DIR", cache());
    let output = with_input(&mut command, object("one", DB).as_bytes());
    assert!(
        served
            .join()
            .unwrap()
            .to_ascii_lowercase()
            .contains("authorization: pod-token")
    );
    // The session was used for signing, and what AWS says about it names no secret.
    assert_eq!(scene.aws.requests()[0].access_key_id, "ASIAPODAGENT");
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(
        errors.contains("Unauthenticated") && !errors.contains("s3cr3t"),
        "{errors}"
    );
}

#[test]
fn an_image_compiles_nothing() {
    let scene = Scene::new();
    let image = scene.folder.path().join("plugins");
    stdout(&["precompile", "--out", image.to_str().unwrap()]);
    // A cache that cannot be made: nothing but the image can have served.
    let file = scene.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let arguments = [
        "--log-level",
        "info",
        "--precompiled-dir",
        image.to_str().unwrap(),
        "--cache-dir",
        file.to_str().unwrap(),
    ];
    let output = scene.render(&arguments, &object("one", DB));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = text(&output.stderr);
    assert!(
        !log.contains("compiled in memory") && !log.contains("plugin compiled"),
        "{log}"
    );
}

#[test]
fn without_a_folder_plugins_are_compiled_in_memory() {
    let scene = Scene::new();
    let base = scene.aws.base_credentials();
    let mut command = keyhole();
    command
        .args(["render", "-f", "-", "--log-level", "info"])
        .env("AWS_ENDPOINT_URL", scene.aws.endpoint())
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", base.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", base.secret_access_key);
    let output = with_input(&mut command, object("one", DB).as_bytes());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("plugin compiled in memory"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn nothing_to_render_is_an_error() {
    let scene = Scene::new();
    let output = scene.render(&[], "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("no ExternalSecret"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_damaged_file_in_the_cache_is_compiled_again() {
    let scene = Scene::new();
    let cache = tempfile::tempdir().unwrap();
    let render = || {
        let base = scene.aws.base_credentials();
        let mut command = keyhole();
        command
            .args(["render", "-f", "-", "--log-level", "info"])
            .env("AWS_ENDPOINT_URL", scene.aws.endpoint())
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", base.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", base.secret_access_key)
            .env("KEYHOLE_CACHE_DIR", cache.path());
        let output = with_input(&mut command, object("one", DB).as_bytes());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(render().contains("plugin compiled"));
    assert!(
        !render().contains("plugin compiled"),
        "the second start compiles nothing"
    );
    let plugins = cache.path().join("plugins");
    for entry in std::fs::read_dir(&plugins).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let log = render();
    assert!(
        log.contains("a compiled plugin is not used") && log.contains("plugin compiled"),
        "{log}"
    );
}

#[test]
fn a_quota_costs_hardly_a_call_even_where_batches_are_denied() {
    const SECRETS: u64 = 80;
    let scene = Scene::new();
    let mut yaml = String::new();
    for number in 0..SECRETS {
        scene.aws.set_secret("eu-west-1", &format!("many/{number}"), "value");
        let spec = format!("{{backendType: secretsManager, data: [{{key: many/{number}, name: v}}]}}");
        yaml += &object(&format!("o{number}"), &spec);
    }
    scene.aws.deny(Deny::action("secretsmanager:BatchGetSecretValue"));
    scene.aws.quota(&["GetSecretValue", "BatchGetSecretValue"], 40.0, 40.0);
    let output = scene.render(&[], &yaml);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let counts = scene.aws.counts();
    assert!(counts.of("GetSecretValue") <= SECRETS * 6 / 5, "{counts:?}");
}

#[test]
fn backend_plugins_of_a_file_are_used_as_a_cluster_would() {
    let scene = Scene::new();
    let plugin = |source: &str| {
        let plugins = format!(
            "apiVersion: kubernetes-client.io/v1alpha1\nkind: BackendPlugin\nmetadata: {{name: secrets-manager}}\n\
             spec: {{source: {source}, settings: {{region: us-west-2}}}}\n"
        );
        std::fs::write(scene.folder.path().join("plugins.yaml"), plugins).unwrap();
        scene.render(&["--plugins", "plugins.yaml"], &object("one", DB))
    };
    // Their settings win over the environment: there is nothing in that region.
    let output = plugin("{builtin: secrets-manager}");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("us-west-2"), "{}", text(&output.stderr));

    let output = plugin("{file: {path: none.wasm}}");
    let error = text(&output.stderr);
    assert!(
        error.contains("BackendPlugin secrets-manager in plugins.yaml"),
        "{error}"
    );
    assert!(
        error.contains("set builtin: secrets-manager, or give the object another name"),
        "{error}"
    );
}
