//! What is printed, against what is written down.

use super::*;

#[test]
fn version_is_one_line() {
    assert_eq!(
        stdout(&["version"]),
        concat!("keyhole ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn generated_pages_are_up_to_date() {
    for page in ["externalsecret", "flags", "metrics", "reasons"] {
        let path = repository().join(format!("docs/reference/{page}.md"));
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let printed = stdout(&["docs", page]);
        assert!(
            written == printed,
            "{} is out of date; run `cargo xtask generate`",
            path.display()
        );
    }
}

#[test]
fn the_page_of_flags_names_every_variable_of_kes_that_is_served() {
    let page = stdout(&["docs", "flags"]);
    for variable in [
        "INSTANCE_ID",
        "POLLER_INTERVAL_MILLISECONDS",
        "WATCHED_NAMESPACES",
        "DISABLE_POLLING",
        "METRICS_PORT",
        "LOG_LEVEL",
        "LOG_MESSAGE_KEY",
        "LOG_BASE_PID_KEY",
        "LOG_BASE_HOSTNAME_KEY",
        "USE_HUMAN_READABLE_LOG_LEVELS",
        "AWS_REGION",
        "AWS_INTERMEDIATE_ROLE_ARN",
        "AWS_STS_ENDPOINT",
        "AWS_SSM_ENDPOINT",
        "AWS_SM_ENDPOINT",
        "AWS_STS_ENDPOINT_TYPE",
        "LOCALSTACK",
        "LOCALSTACK_SM_URL",
        "LOCALSTACK_SSM_URL",
        "LOCALSTACK_STS_URL",
    ] {
        assert!(page.contains(&format!("| `{variable}` |")), "{variable}");
    }
}

#[test]
fn crds_are_yaml_that_kubernetes_understands() {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let crds: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&stdout(&["crds"])).unwrap();
    assert_eq!(
        crds[0].metadata.name.as_deref(),
        Some("externalsecrets.kubernetes-client.io")
    );
}

#[test]
fn help_lists_the_commands_and_hides_the_childs() {
    let help = stdout(&["--help"]);
    for command in ["run", "render", "convert", "crds", "manifests", "version", "precompile"] {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{command}: {help}"
        );
    }
    assert!(
        !help.contains("compile a component") && !help.contains("  docs"),
        "{help}"
    );
}

#[test]
fn values_of_the_environment_are_not_shown_in_help() {
    let output = keyhole()
        .args(["run", "--help"])
        .env("AWS_SM_ENDPOINT", "https://private.example")
        .output()
        .unwrap();
    assert!(!text(&output.stdout).contains("private.example"));
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let mut child = keyhole()
        .arg("crds")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        text(&output.stderr)
    );
}
