//! What an object asks for, and every mistake in it, named by its field.

use super::*;
use crate::plan::fixture::{external_secret, live_set};
use keyhole_core::Selector;
use keyhole_core::item::Mapping;
use serde_json::{Value as Json, json};

fn planned(spec: Json) -> Planned {
    planned_with(spec, &Defaults::default())
}

fn planned_with(spec: Json, defaults: &Defaults) -> Planned {
    plan_object(&external_secret("app", spec), &live_set(&Arc::default()), defaults)
}

/// The condition messages of what is wrong.
fn wrong(spec: Json) -> Vec<String> {
    planned(spec)
        .unwrap_err()
        .iter()
        .map(|failure| failure.condition_message(0))
        .collect()
}

fn one(backend_type: &str) -> Json {
    json!({"backendType": backend_type, "region": "eu-west-1", "data": [{"key": "k", "name": "n"}]})
}

fn with(mut spec: Json, field: &str, value: Json) -> Json {
    spec[field] = value;
    spec
}

#[test]
fn items_come_in_merge_order_with_their_places() {
    let plan = planned(json!({
        "backendType": "aws",
        "region": "eu-west-1",
        "data": [
            {"key": "k", "name": "a", "property": "p", "isBinary": true},
            {"path": "/team", "recursive": true},
            {"key": "k", "name": "b", "versionStage": "AWSPREVIOUS"},
        ],
        "dataFrom": ["f1", "k"],
        "dataFromWithOptions": [{"key": "w", "versionStage": "S", "isBinary": true}],
    }))
    .unwrap();
    let places: Vec<_> = plan.items.iter().map(|item| item.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "dataFrom[0]",
            "dataFrom[1]",
            "dataFromWithOptions[0]",
            "data[0]",
            "data[1]",
            "data[2]"
        ]
    );
    assert_eq!(plan.items[0].mapping, Mapping::Spread);
    assert_eq!(plan.items[2].request.options.as_str(), r#"{"versionStage":"S"}"#);
    assert_eq!(
        plan.items[3].mapping,
        Mapping::Single {
            name: "a".into(),
            property: Some("p".into()),
            is_binary: true
        }
    );
    assert_eq!(
        plan.items[4].request.selector,
        Selector::Prefix {
            path: "/team".into(),
            recursive: true
        }
    );
    // The same key with the same options is one request; with others it is another.
    assert_eq!(plan.requests().len(), 5);
    assert_eq!(plan.needs(), [0, 1, 2, 1, 3, 4]);
    assert_eq!(
        (plan.generation, &*plan.uid, &plan.key.to_string()),
        (3, "uid-app", &"team/app".to_owned())
    );
}

#[test]
fn a_group_is_plugin_settings_region_identity_and_where_needed_namespace() {
    let role = "arn:aws:iam::123456789012:role/app";
    let aws = planned(with(one("aws"), "roleArn", json!(role))).unwrap().group.clone();
    assert_eq!(
        (&*aws.plugin.name, aws.settings.as_str()),
        ("aws", r#"{"region":"eu-west-1"}"#)
    );
    assert_eq!((aws.region.as_deref(), aws.namespace), (Some("eu-west-1"), None));
    assert_eq!(aws.identity.role.unwrap().as_str(), role);
    let other = planned(one("other")).unwrap().group.clone();
    assert_eq!((other.region, other.namespace.as_deref()), (None, Some("team")));
}

#[test]
fn a_role_means_something_only_to_plugins_that_the_host_signs_for() {
    let group = planned(with(one("other"), "roleArn", json!("not an arn")))
        .unwrap()
        .group
        .clone();
    assert_eq!(group.identity, Identity::default());
    let group = planned(with(one("aws"), "roleArn", json!(""))).unwrap().group.clone();
    assert_eq!(group.identity, Identity::default());
    let message = &wrong(with(one("aws"), "roleArn", json!("app")))[0];
    assert!(
        message.starts_with("spec.roleArn: \"app\" is no role ARN; write"),
        "{message}"
    );
}

#[test]
fn sessions_are_tagged_with_the_namespace_on_demand() {
    let defaults = Defaults {
        tag_sessions_with_namespace: true,
        ..Defaults::default()
    };
    let spec = with(one("aws"), "roleArn", json!("arn:aws:iam::1:role/app"));
    let tag = |spec, defaults: &Defaults| {
        planned_with(spec, defaults)
            .unwrap()
            .group
            .identity
            .namespace_tag
            .clone()
    };
    assert_eq!(tag(spec.clone(), &defaults).as_deref(), Some("team"));
    assert_eq!(tag(spec, &Defaults::default()), None);
    assert_eq!(
        tag(one("aws"), &defaults),
        None,
        "the operator's own session is one for all"
    );
}

#[test]
fn an_unknown_backend_names_those_that_there_are() {
    let failures = planned(one("x")).unwrap_err();
    assert_eq!(failures[0].reason, Reason::NoPlugin);
    assert_eq!(
        failures[0].status_line(),
        r#"ERROR, no plugin serves backendType "x" (known: aws, other)"#
    );
    let none = plan_object(
        &external_secret("app", one("x")),
        &LiveSet::default(),
        &Defaults::default(),
    )
    .unwrap_err();
    assert!(none[0].message.ends_with("(known: none)"));
}

#[test]
fn an_unknown_backend_names_the_plugins_that_should_serve_and_do_not() {
    let plugins = LiveSet::default();
    let before = *plugins.changes().borrow();
    plugins.lacks([("acme".into(), "SignatureMissing"), ("b".into(), "TimedOut")].into());
    assert_eq!(*plugins.changes().borrow(), before + 1, "plans are made anew");
    let failed = || plan_object(&external_secret("app", one("x")), &plugins, &Defaults::default()).unwrap_err();
    assert_eq!(
        failed()[0].condition_message(0),
        "no plugin serves backendType \"x\" (known: none); BackendPlugins that do not serve: acme (SignatureMissing), \
         b (TimedOut); kubectl describe backendplugin acme says why"
    );
    let many = ["a", "b", "c", "d", "e", "f"].map(|name| (name.into(), "TimedOut"));
    plugins.lacks(many.into());
    assert!(
        failed()[0].message.ends_with("d (TimedOut), 2 more"),
        "{}",
        failed()[0].message
    );
    plugins.lacks([].into());
    assert!(failed()[0].message.ends_with("(known: none)"));
}

#[test]
fn fields_that_are_not_served_are_said() {
    let rollout = json!([{ "kind": "Deployment", "name": "app" }]);
    let failures = planned(with(one("aws"), "rollout", rollout)).unwrap_err();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].reason, Reason::InvalidSpec);
    assert_eq!(
        failures[0].condition_message(0),
        "spec.rollout is accepted but not served by this version; remove it, or use a version that serves it"
    );
}

#[test]
fn everything_that_is_wrong_is_collected() {
    let lines = wrong(json!({
        "backendType": "aws",
        "region": "Not A Region",
        "roleArn": "app",
        "refreshInterval": "soon",
        "rollout": [{"kind": "Deployment", "name": "app"}],
        "data": [
            {"key": "k"},
            {"key": "k", "name": "n", "options": {"nope": 1}},
            {"path": "/p", "property": "x"},
            {"path": ""},
            {"key": "", "name": "n"},
            {"path": "/p", "isBinary": true},
        ],
        "dataFrom": ["", "fine"],
    }));
    let starts = [
        "spec.rollout is accepted but not served",
        "spec.refreshInterval: \"soon\" is no duration",
        "\"Not A Region\" is no AWS region",
        "spec.roleArn: ",
        "dataFrom[0]: key is empty",
        "data[0]: neither key and name nor path are given",
        "data[1]: options.nope is not known",
        "data[2]: property has no effect beside path",
        "data[3]: path is empty",
        "data[4]: key is empty",
        "data[5]: isBinary has no effect beside path",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line} / {start}");
    }
}

#[test]
fn an_object_that_asks_for_nothing_says_so() {
    assert!(wrong(json!({"backendType": "other", "data": []}))[0].starts_with("the object asks for nothing; add"));
}

#[test]
fn a_spec_that_cannot_be_read_is_an_error_on_the_object() {
    let lines = wrong(json!({"backendType": "aws", "data": "no list"}));
    assert!(lines[0].starts_with("the spec cannot be read: "), "{lines:?}");
}

#[test]
fn intervals_are_the_objects_own_or_the_operators_and_not_too_short() {
    let s = Duration::from_secs;
    let interval = |given: Option<&str>, defaults: &Defaults| {
        let spec = given.map_or_else(|| one("aws"), |given| with(one("aws"), "refreshInterval", json!(given)));
        planned_with(spec, defaults).map(|plan| plan.interval)
    };
    let defaults = Defaults {
        interval: s(30),
        least_interval: s(5),
        ..Defaults::default()
    };
    assert_eq!(interval(None, &defaults).unwrap(), Some(s(30)));
    assert_eq!(interval(Some("1h"), &defaults).unwrap(), Some(s(3600)));
    assert_eq!(interval(Some("0"), &defaults).unwrap(), None);
    assert_eq!(
        interval(Some("5124095h"), &defaults).unwrap(),
        Some(s(10 * 365 * 86_400))
    );
    let short = interval(Some("4s"), &defaults).unwrap_err();
    assert_eq!(
        short[0].condition_message(0),
        "spec.refreshInterval: 4s is shorter than the operator allows; write 5s or more, or 0"
    );
    let still = Defaults {
        disable_polling: true,
        ..defaults
    };
    assert_eq!(interval(None, &still).unwrap(), None);
    assert_eq!(interval(Some("1h"), &still).unwrap(), None);
}

#[test]
fn a_service_account_is_of_the_objects_namespace_and_splits_groups() {
    let plan = |name: &str| planned(with(one("aws"), "serviceAccountName", json!(name))).unwrap();
    let identity = plan("reader").group.identity.clone();
    assert_eq!(identity.account.unwrap().to_string(), "team/reader");
    assert_ne!(plan("reader").group, plan("writer").group);
    assert_ne!(plan("reader").group, planned(one("aws")).unwrap().group);
    assert_eq!(plan("").group, planned(one("aws")).unwrap().group);
}

#[test]
fn a_service_account_is_refused_where_the_grant_does_not_let_objects_name_one() {
    let failures = planned(with(one("other"), "serviceAccountName", json!("reader"))).unwrap_err();
    assert_eq!(failures[0].reason, Reason::NotPermitted);
    assert_eq!(
        failures[0].condition_message(0),
        "spec.serviceAccountName: plugin other asks its store as the operator only; remove it, or ask for \
         grant.auth.allowServiceAccounts in the BackendPlugin"
    );
}

#[test]
fn a_service_account_of_another_namespace_cannot_be_named() {
    for name in [
        "../kube-system/admin",
        "kube-system/admin",
        "system:serviceaccount:a:b",
        "A",
    ] {
        let message = &wrong(with(one("aws"), "serviceAccountName", json!(name)))[0];
        assert!(message.contains("is no name of a service account"), "{message}");
    }
}

#[test]
fn a_session_of_a_service_account_has_no_tag() {
    let defaults = Defaults {
        tag_sessions_with_namespace: true,
        ..Defaults::default()
    };
    let spec = with(one("aws"), "roleArn", json!("arn:aws:iam::1:role/app"));
    let plan = planned_with(with(spec, "serviceAccountName", json!("reader")), &defaults).unwrap();
    assert_eq!(plan.group.identity.namespace_tag, None);
    assert_eq!(plan.claims.roles.len(), 1, "the namespace still judges the role");
}
