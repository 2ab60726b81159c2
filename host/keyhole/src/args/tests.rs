use super::*;
use std::ffi::OsString;
use std::time::Duration;

#[test]
fn the_command_line_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn every_flag_of_run_has_a_variable_and_a_help_text() {
    let command = Args::command();
    let run = command.find_subcommand("run").unwrap();
    for arg in run.get_arguments().filter(|arg| arg.get_id() != "help") {
        assert!(arg.get_env().is_some(), "{arg} has no variable");
        assert!(arg.get_help().is_some(), "{arg} has no help");
    }
}

fn parsed(words: &[&str]) -> Result<RunArgs, clap::Error> {
    let words = ["keyhole", "run"].into_iter().chain(words.iter().copied());
    // No variables: the tests' own environment must not count.
    let command = Args::command().mut_subcommands(|command| command.mut_args(|arg| arg.env(Resettable::Reset)));
    let matches = command.try_get_matches_from(words)?;
    match Args::from_arg_matches(&matches)?.command {
        Command::Run(args) => Ok(*args),
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_are_kess() {
    let args = parsed(&[]).unwrap();
    assert_eq!(args.operator.poller_interval_milliseconds, 10_000);
    assert_eq!(args.metrics_port, 3001);
    assert_eq!(args.operator.watched_namespaces, Namespaces::default());
    assert!(args.operator.disable_polling.is_none() && args.log.use_human_readable_log_levels.is_none());
    assert!(args.operator.list_secrets && args.object_metrics && !args.deprecated_metrics);
    assert_eq!(args.log.log_level, LogLevel::Info);
    assert_eq!(args.grace, Duration::from_secs(25));
    assert_eq!(args.aws.aws_sts_endpoint_type, aws::StsEndpoint::Regional);
}

#[test]
fn a_switch_is_on_whatever_its_value_says() {
    for word in [
        "--disable-polling",
        "--disable-polling=",
        "--disable-polling=false",
        "--disable-polling=yes",
    ] {
        let given = parsed(&[word]).unwrap().operator.disable_polling.unwrap();
        assert_eq!(given.looks_off(), word.ends_with("=false"), "{word}");
    }
}

#[test]
fn permissions_are_kess_unless_told_otherwise() {
    use keyhole_core::permission::Policy;
    let policy = |words: &[&str]| parsed(words).unwrap().permission.policy();
    assert_eq!(policy(&[]), Policy::default());
    let told = [
        "--naming-permitted-annotation=keys",
        "--role-permitted-annotation=roles",
        "--enforce-namespace-annotations=false",
        "--anchored-permissions",
    ];
    let all = Policy {
        naming_annotation: "keys".into(),
        role_annotation: "roles".into(),
        enforced: true,
        anchored: true,
    };
    assert_eq!(policy(&told), all);
    assert!(!policy(&["--anchored-permissions=false"]).anchored);
}

#[test]
fn namespaces_are_trimmed_and_empty_entries_dropped() {
    let names = |text: &str| {
        parsed(&["--watched-namespaces", text])
            .unwrap()
            .operator
            .watched_namespaces
            .0
    };
    assert_eq!(names("a, b,"), ["a", "b"]);
    assert_eq!(names(" , "), Vec::<String>::new());
}

#[test]
fn what_makes_no_sense_is_refused() {
    for words in [
        ["--poller-interval-milliseconds", "0"],
        ["--poller-interval-milliseconds", "soon"],
        ["--metrics-port", "70000"],
        ["--log-level", "loud"],
        ["--aws-intermediate-role-arn", "admin"],
        ["--grace", "long"],
        ["--writers", "0"],
        ["--sandbox-slots", "0"],
    ] {
        assert!(parsed(&words).is_err(), "{words:?}");
    }
}

#[test]
fn an_empty_variable_is_unset_except_for_switches() {
    let empty = |name: &OsStr| {
        ["METRICS_PORT", "DISABLE_POLLING", "ENFORCE_NAMESPACE_ANNOTATIONS"]
            .contains(&name.to_str()?)
            .then(OsString::new)
    };
    let command = command_for(empty);
    let run = command.find_subcommand("run").unwrap();
    let variable = |id: &str| run.get_arguments().find(|arg| arg.get_id() == id).unwrap().get_env();
    assert_eq!(variable("metrics_port"), None);
    assert_eq!(variable("disable_polling"), Some(OsStr::new("DISABLE_POLLING")));
    assert_eq!(
        variable("enforce_namespace_annotations"),
        Some(OsStr::new("ENFORCE_NAMESPACE_ANNOTATIONS"))
    );
    assert_eq!(variable("log_level"), Some(OsStr::new("LOG_LEVEL")));
}

#[test]
fn flags_about_endpoints_stand_for_their_variables() {
    let endpoint = |words: &[&str], service: &str| {
        let env = |name: &str| (name == "AWS_ENDPOINT_URL_SSM").then(|| "https://ssm.example".to_owned());
        parsed(words)
            .unwrap()
            .aws
            .endpoints(env)
            .map(|found| found.get(service).map(ToString::to_string))
    };
    assert_eq!(
        endpoint(&["--aws-sm-endpoint", "https://a.example"], "secretsmanager")
            .unwrap()
            .unwrap(),
        "https://a.example/"
    );
    assert_eq!(
        endpoint(&["--aws-endpoint-url", "https://b.example"], "sts")
            .unwrap()
            .unwrap(),
        "https://b.example/"
    );
    assert_eq!(
        endpoint(&["--aws-endpoint-url", "https://b.example"], "ssm")
            .unwrap()
            .unwrap(),
        "https://ssm.example/"
    );
    assert_eq!(
        endpoint(&["--localstack"], "ssm").unwrap().unwrap(),
        "http://localhost:4566/"
    );
    assert_eq!(endpoint(&["--localstack=0"], "secretsmanager").unwrap(), None);
    assert!(endpoint(&["--aws-sm-endpoint", "nonsense"], "secretsmanager").is_err());
}

#[test]
fn the_cache_is_in_the_users_own_folder() {
    let folder = |words: &[&str], set: &'static [(&'static str, &'static str)]| {
        let env = |name: &str| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        parsed(words).unwrap().plugins.cache.writable_cache(env)
    };
    assert_eq!(
        folder(&["--cache-dir", "/c"], &[("HOME", "/home/app")]),
        Some("/c/plugins".into())
    );
    assert_eq!(
        folder(&[], &[("HOME", "/home/app"), ("XDG_CACHE_HOME", "/x")]),
        Some("/x/keyhole/plugins".into())
    );
    assert_eq!(
        folder(&[], &[("HOME", "/home/app")]),
        Some("/home/app/.cache/keyhole/plugins".into())
    );
    assert_eq!(folder(&[], &[("HOME", "relative"), ("XDG_CACHE_HOME", "")]), None);
}
