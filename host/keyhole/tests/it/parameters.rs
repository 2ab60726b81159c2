//! Parameter Store as `keyhole render` serves it, wherever its endpoint is.

use super::*;
use keyhole_test_aws::{FakeAws, FakeConfig};

/// Compiled plugins are shared by the tests: the first one compiles.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

fn aws() -> FakeAws {
    let aws = FakeAws::start(FakeConfig::default()).unwrap();
    aws.set_secret("eu-west-1", "db", "correct horse");
    aws.set_parameter("eu-west-1", "/app/one", "battery");
    aws.set_parameter("eu-west-1", "/app/two", "staple");
    aws
}

/// Renders an object for the parameters, and one for the secret when `both`, with these variables.
fn render(aws: &FakeAws, both: bool, variables: &[(&str, &str)]) -> Output {
    let object = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: kubernetes-client.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let mut yaml = object("parameters", "{backendType: systemManager, data: [{path: /app}]}");
    if both {
        yaml += &object("secret", "{backendType: secretsManager, data: [{key: db, name: p}]}");
    }
    let base = aws.base_credentials();
    let mut command = keyhole();
    command
        .args(["render", "-f", "-"])
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", base.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", base.secret_access_key)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("KEYHOLE_CACHE_DIR", cache())
        .envs(variables.iter().copied());
    with_input(&mut command, yaml.as_bytes())
}

#[test]
fn both_backends_are_served_side_by_side() {
    let aws = aws();
    let output = render(&aws, true, &[("AWS_ENDPOINT_URL", &aws.endpoint())]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let secrets: Vec<k8s_openapi::api::core::v1::Secret> = serde_saphyr::from_multiple(&text(&output.stdout)).unwrap();
    let data = secrets[0].data.as_ref().unwrap();
    let values = ["one", "two"].map(|key| data[key].0.as_slice());
    assert_eq!(values, [b"battery".as_slice(), b"staple"]);
    assert_eq!(secrets[1].data.as_ref().unwrap()["p"].0, b"correct horse");
    let counts = aws.counts();
    assert_eq!((counts.of("GetParametersByPath"), counts.of("GetSecretValue")), (1, 1));
    assert_eq!(counts.refused, 0);
}

#[test]
fn the_endpoint_of_parameters_can_be_moved_by_each_of_its_variables() {
    let aws = aws();
    let endpoint = aws.endpoint();
    // Nobody listens there: only the endpoint of Parameter Store can have answered.
    let nobody = "http://127.0.0.1:9";
    for (calls, variables) in [
        [("AWS_SSM_ENDPOINT", endpoint.as_str()), ("AWS_ENDPOINT_URL", nobody)],
        [("AWS_ENDPOINT_URL_SSM", &endpoint), ("AWS_ENDPOINT_URL", nobody)],
        [("LOCALSTACK", "1"), ("LOCALSTACK_SSM_URL", &endpoint)],
    ]
    .iter()
    .enumerate()
    {
        let output = render(&aws, false, variables);
        assert!(output.status.success(), "{variables:?}: {}", text(&output.stderr));
        assert_eq!(aws.counts().of("GetParametersByPath"), calls as u64 + 1);
    }
    assert_eq!(aws.counts().refused, 0);
}
