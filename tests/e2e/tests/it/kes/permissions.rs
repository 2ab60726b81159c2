//! What annotations of a namespace permit its objects: verdict and phrase, as KES has them.

use k8s_openapi::api::core::v1::Namespace;
use keyhole_test_harness::{Host, eventually};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, PATIENCE, ready, unique};
use crate::world::case;

const NAMING: &str = "externalsecrets.kubernetes-client.io/permitted-key-name";
const ROLE: &str = "iam.amazonaws.com/permitted";
/// A role that the fake AWS lets anybody assume.
const APP: &str = "arn:aws:iam::123456789012:role/app";

async fn annotate(case: &Case, annotation: &str, rule: Value) {
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: rule}}}));
    namespaces
        .patch(&case.namespace, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Whether anybody asked AWS for this secret.
fn was_asked_for(case: &Case, key: &str) -> bool {
    let requests = case.world.aws.requests();
    requests
        .iter()
        .any(|request| request.resources.iter().any(|id| id == key))
}

fn one(key: &str) -> Value {
    json!({"backendType": "secretsManager", "data": [{"key": key, "name": "value"}]})
}

fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

/// An object `app` whose status line is exactly KES's, and that has no Secret.
async fn expect_denied(case: &Case, name: &str, reason: &str) {
    let line = format!(
        "ERROR, not allowed to fetch secret: {}/{name}: {reason}",
        case.namespace
    );
    let status = case.expect_status(name, &line, |found| found == line).await;
    assert_eq!(ready(&status)["reason"], "NotPermitted", "{status}");
    assert_eq!(case.data(name).await, None);
}

/// In a namespace with these annotations, an object with this spec is denied for this reason. `reason`
/// and `spec` are given the namespace's case.
async fn denied(case: &Case, annotations: Value, spec: impl Fn(&Case) -> Value, reason: impl Fn(&Case) -> String) {
    let case = case.in_annotated(annotations).await;
    case.set("good/db", unique("denied"));
    case.create_spec("app", spec(&case)).await;
    expect_denied(&case, "app", &reason(&case)).await;
    // Who is denied is also denied what the namespace would allow. No case is allowed these two.
    let is_its = |id: &String| id.contains(&case.namespace) || id == "/good/db" || id.starts_with("/bad/");
    let asked = case.world.aws.requests();
    let asked: Vec<_> = asked
        .iter()
        .flat_map(|request| &request.resources)
        .filter(|id| is_its(id))
        .collect();
    assert!(asked.is_empty(), "{asked:?}");
}

/// In a namespace with these annotations, an object with this spec gets its Secret.
async fn allowed(case: &Case, annotations: Value, spec: impl Fn(&Case) -> Value) {
    let case = case.in_annotated(annotations).await;
    for name in ["good/db", "bad/db"] {
        case.set(name, format!("{{\"member\": \"{}\"}}", unique("allowed")));
    }
    case.create_spec("app", spec(&case)).await;
    case.expect_success("app").await;
    assert!(case.data("app").await.is_some());
}

/// In a namespace with these annotations, an object with this path is no matter of permission; that
/// Secrets Manager has no paths is another.
async fn path_allowed(case: &Case, annotations: Value, data: Value) {
    let case = case.in_annotated(annotations).await;
    case.create_spec("app", json!({"backendType": "secretsManager", "data": data}))
        .await;
    let status = case
        .expect_status("app", "an error", |line| line.starts_with("ERROR, "))
        .await;
    assert_ne!(ready(&status)["reason"], "NotPermitted", "{status}");
}

fn good(case: &Case) -> Value {
    one(&case.key("good/db"))
}

fn bad(case: &Case) -> Value {
    one(&case.key("bad/db"))
}

fn key_mismatch(case: &Case) -> String {
    format!(
        "key name {} does not match naming convention /good/",
        case.key("bad/db")
    )
}

fn role_mismatch(_: &Case) -> String {
    format!("namespace does not allow to assume role {APP}")
}

#[test]
fn n1_a_namespace_without_annotations_allows_everything() {
    case(async |case| allowed(case, json!({}), |case| with(bad(case), "roleArn", json!(APP))).await);
}

#[test]
fn n2_an_annotation_of_another_name_limits_nothing() {
    case(async |case| allowed(case, json!({"example.com/permitted-key-name": "/good/"}), bad).await);
}

#[test]
fn n3_an_empty_naming_annotation_allows_every_key() {
    case(async |case| allowed(case, json!({NAMING: ""}), bad).await);
}

#[test]
fn n4_an_expression_for_everything_allows_every_key() {
    case(async |case| allowed(case, json!({NAMING: ".*"}), bad).await);
}

#[test]
fn n5_a_key_that_matches_is_allowed() {
    case(async |case| allowed(case, json!({NAMING: "^case-[a-z0-9]+/good/.*$"}), good).await);
}

#[test]
fn n6_a_key_that_does_not_match_is_denied() {
    case(async |case| denied(case, json!({NAMING: "/good/"}), bad, key_mismatch).await);
}

#[test]
fn n7_an_expression_may_match_anywhere_in_a_key() {
    case(async |case| {
        allowed(case, json!({NAMING: "good"}), good).await;
        let reason = |case: &Case| {
            format!(
                "key name {} does not match naming convention ^good",
                case.key("good/db")
            )
        };
        denied(case, json!({NAMING: "^good"}), good, reason).await;
    });
}

#[test]
fn n8_a_path_that_matches_is_allowed() {
    case(async |case| path_allowed(case, json!({NAMING: "^/good/"}), json!([{"path": "/good/app"}])).await);
}

#[test]
fn n9_a_path_that_does_not_match_is_denied() {
    case(async |case| {
        let spec = |_: &Case| json!({"backendType": "secretsManager", "data": [{"path": "/bad/app"}]});
        let reason = |_: &Case| "path /bad/app does not match naming convention ^/good/".to_owned();
        denied(case, json!({NAMING: "^/good/"}), spec, reason).await;
    });
}

#[test]
fn n10_an_empty_path_is_denied_even_where_everything_is_permitted() {
    case(async |case| {
        for annotations in [json!({NAMING: "^/good/"}), json!({})] {
            let case = case.in_annotated(annotations).await;
            let spec = json!({"backendType": "secretsManager", "data": [{"path": ""}]});
            case.create_spec("app", spec).await;
            case.expect_error("app", "InvalidSpec", &["data[0]: path is empty"])
                .await;
            assert_eq!(case.data("app").await, None);
        }
    });
}

#[test]
fn n11_of_a_good_key_and_a_bad_path_the_path_is_named() {
    case(async |case| {
        let spec =
            |_: &Case| json!({"backendType": "secretsManager", "data": [{"path": "/bad/app", "key": "/good/db"}]});
        let reason = |_: &Case| "path /bad/app does not match naming convention ^/good/".to_owned();
        denied(case, json!({NAMING: "^/good/"}), spec, reason).await;
    });
}

#[test]
fn n12_n13_of_a_bad_key_and_any_path_the_key_is_named() {
    case(async |case| {
        for path in ["/good/app", "/bad/app"] {
            let spec = |_: &Case| json!({"backendType": "secretsManager", "data": [{"path": path, "key": "/bad/db"}]});
            let reason = |_: &Case| "key name /bad/db does not match naming convention ^/good/".to_owned();
            denied(case, json!({NAMING: "^/good/"}), spec, reason).await;
        }
    });
}

#[test]
fn n14_of_several_bad_keys_the_last_is_named() {
    case(async |case| {
        let data = json!([
            {"key": "/bad/first", "name": "a"}, {"key": "/good/db", "name": "b"}, {"key": "/bad/last", "name": "c"},
        ]);
        let spec = |_: &Case| json!({"backendType": "secretsManager", "data": data});
        let reason = |_: &Case| "key name /bad/last does not match naming convention /good/".to_owned();
        denied(case, json!({NAMING: "/good/"}), spec, reason).await;
    });
}

#[test]
fn n15_a_good_entry_of_data_from_is_allowed() {
    case(async |case| {
        let spec = |case: &Case| json!({"backendType": "secretsManager", "dataFrom": [case.key("good/db")]});
        allowed(case, json!({NAMING: "/good/"}), spec).await;
    });
}

#[test]
fn n16_a_bad_entry_of_data_from_is_denied() {
    case(async |case| {
        let spec = |case: &Case| json!({"backendType": "secretsManager", "dataFrom": [case.key("bad/db")]});
        denied(case, json!({NAMING: "/good/"}), spec, key_mismatch).await;
    });
}

#[test]
fn n17_one_bad_entry_among_good_ones_denies_all() {
    case(async |case| {
        let keys = |case: &Case| [case.key("good/db"), case.key("bad/db"), case.key("good/db")];
        let spec = |case: &Case| json!({"backendType": "secretsManager", "dataFrom": keys(case)});
        denied(case, json!({NAMING: "/good/"}), spec, key_mismatch).await;
    });
}

#[test]
fn n18_a_role_that_matches_is_allowed() {
    case(async |case| {
        let spec = |case: &Case| with(bad(case), "roleArn", json!(APP));
        allowed(case, json!({ROLE: ".*:role/app$"}), spec).await;
    });
}

#[test]
fn n19_a_role_that_does_not_match_is_denied() {
    case(async |case| {
        let spec = |case: &Case| with(good(case), "roleArn", json!(APP));
        denied(case, json!({ROLE: ":role/other"}), spec, role_mismatch).await;
    });
}

#[test]
fn n20_an_empty_role_annotation_allows_every_role() {
    case(async |case| {
        let spec = |case: &Case| with(bad(case), "roleArn", json!(APP));
        allowed(case, json!({ROLE: ""}), spec).await;
    });
}

#[test]
fn n21_an_object_without_a_role_is_no_matter_of_the_role_annotation() {
    case(async |case| allowed(case, json!({ROLE: ":role/other"}), bad).await);
}

#[test]
fn n22_a_good_role_does_not_excuse_a_bad_key() {
    case(async |case| {
        let spec = |case: &Case| with(bad(case), "roleArn", json!(APP));
        denied(case, json!({NAMING: "/good/", ROLE: ":role/app"}), spec, key_mismatch).await;
    });
}

#[test]
fn n24_when_key_and_role_are_bad_the_role_is_named() {
    case(async |case| {
        let spec = |case: &Case| with(bad(case), "roleArn", json!(APP));
        denied(
            case,
            json!({NAMING: "/good/", ROLE: ":role/other"}),
            spec,
            role_mismatch,
        )
        .await;
    });
}

#[test]
fn n18_n19_a_role_for_vault_is_judged_on_any_backend() {
    case(async |case| {
        let spec = |case: &Case| with(good(case), "vaultRole", json!("team-b"));
        let reason = |_: &Case| "namespace does not allow to assume role team-b".to_owned();
        denied(case, json!({NAMING: "/good/", ROLE: "team-a"}), spec, reason).await;
        allowed(case, json!({NAMING: "/good/", ROLE: "team-b"}), spec).await;
    });
}

#[test]
fn n25_a_key_of_data_from_with_options_is_judged_like_any_other() {
    case(async |case| {
        let spec = |name: &'static str| move |case: &Case| json!({"backendType": "secretsManager", "dataFromWithOptions": [{"key": case.key(name)}]});
        denied(case, json!({NAMING: "/good/"}), spec("bad/db"), key_mismatch).await;
        allowed(case, json!({NAMING: "/good/"}), spec("good/db")).await;
    });
}

#[test]
fn a1_a2_a3_a4_a5_a6_an_enforcing_host_asks_for_annotations_of_its_own_names_that_match_all_of_a_text() {
    case(async |case| {
        let config = case
            .own_host("enforcing")
            .env("ENFORCE_NAMESPACE_ANNOTATIONS", "")
            .env("NAMING_PERMITTED_ANNOTATION", "example.com/keys")
            .env("ROLE_PERMITTED_ANNOTATION", "example.com/roles")
            .env("KEYHOLE_ANCHORED_PERMISSIONS", "true");
        let host = Host::start(config).await.unwrap();
        let ours = |spec: Value| with(spec, "controllerId", json!("enforcing"));
        let plain = |case: &Case| ours(good(case));
        let with_role = |case: &Case| with(ours(good(case)), "roleArn", json!(APP));
        let missing = |name: &'static str| {
            move |case: &Case| {
                format!(
                    "Missing required annotation example.com/{name} on namespace {}",
                    case.namespace
                )
            }
        };

        // A1: no annotation at all.
        let required = |_: &Case| "Namespace annotation is required".to_owned();
        denied(case, json!({}), plain, required).await;
        // A2 and A3: no naming annotation, or an empty one. KES's own name is another annotation here.
        denied(case, json!({NAMING: ".*"}), plain, missing("keys")).await;
        denied(case, json!({"example.com/keys": ""}), plain, missing("keys")).await;
        // A4: enough without a role.
        allowed(case, json!({"example.com/keys": ".*/good/.*"}), plain).await;
        // A5: a role needs its own, which is named first.
        denied(case, json!({"example.com/keys": ".*"}), with_role, missing("roles")).await;
        denied(case, json!({"other": "x"}), with_role, missing("roles")).await;
        // A6: both.
        let both = json!({"example.com/keys": ".*/good/.*", "example.com/roles": "arn:.*:role/(app|db)"});
        allowed(case, both, with_role).await;

        // A part of the text is not enough for this host.
        let partial = |case: &Case| {
            format!(
                "key name {} does not match naming convention /good/",
                case.key("good/db")
            )
        };
        denied(case, json!({"example.com/keys": "/good/"}), plain, partial).await;

        // JavaScript is loaded when an expression needs it, and was not before.
        assert!(!host.log().contains("javascript"), "loaded for nothing");
        allowed(case, json!({"example.com/keys": ".*(?<=good)/[^]*"}), plain).await;
        assert!(host.log().contains("javascript"));
        let judged = host.metrics().await.unwrap();
        let labels = [("engine", "javascript"), ("verdict", "match")];
        assert!(judged.sum("keyhole_permission_judgements_total", &labels) > 0.0);
        case.keep_log(host.log());
    });
}

#[test]
fn a7_a_denied_role_or_key_makes_no_secret_and_says_so_until_the_namespace_allows_it() {
    case(async |case| {
        let case = &case.in_annotated(json!({NAMING: "^other/", ROLE: "role/other"})).await;
        let value = unique("limited");
        let key = case.set("good/db", value.clone());
        let data = json!([{"key": key, "name": "value"}]);
        case.create_slow("key", data.clone()).await;
        let role = json!({"backendType": "secretsManager", "refreshInterval": "1h", "roleArn": APP, "data": data});
        case.create_spec("role", role).await;
        let key_denied = format!("key name {key} does not match naming convention ^other/");
        expect_denied(case, "key", &key_denied).await;
        expect_denied(case, "role", &role_mismatch(case)).await;
        assert!(!was_asked_for(case, &key));

        // A wider limit takes effect at once, one after the other.
        annotate(case, NAMING, json!("/good/")).await;
        case.expect_data("key", &[("value", &value)]).await;
        case.expect_success("key").await;
        assert_eq!(case.data("role").await, None);
        annotate(case, ROLE, json!(null)).await;
        case.expect_data("role", &[("value", &value)]).await;

        // A tighter one ends the service, with the Secret as it was.
        annotate(case, NAMING, json!("^other/")).await;
        let line = format!(
            "ERROR, not allowed to fetch secret: {}/key: {key_denied}",
            case.namespace
        );
        case.expect_status("key", &line, |found| found == line).await;
        case.expect_data("key", &[("value", &value)]).await;
        case.set("good/db", unique("too-late"));
        let refresh = json!({"externalsecrets.kubernetes-client.io/refresh": "now"});
        case.patch("key", json!({"metadata": {"annotations": refresh}})).await;
        eventually(PATIENCE, "the refresh to be taken note of", async || {
            let object = case.objects().get("key").await.map_err(|error| error.to_string())?;
            match object.data["status"]["observedRefresh"].as_str() {
                Some("now") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
        case.expect_data("key", &[("value", &value)]).await;
    });
}

#[test]
fn an_expression_of_javascript_alone_is_judged_as_javascript_does() {
    case(async |case| {
        allowed(case, json!({NAMING: "^(?!secret/)[^]*(?<=/good)/"}), good).await;
        let reason = |case: &Case| {
            format!(
                "key name {} does not match naming convention (?<=/good)/",
                case.key("bad/db")
            )
        };
        denied(case, json!({NAMING: "(?<=/good)/"}), bad, reason).await;
    });
}

#[test]
fn a_malformed_expression_denies_and_says_what_is_wrong() {
    case(async |case| {
        let case = case.in_annotated(json!({NAMING: "(?i)good", ROLE: "("})).await;
        case.create_spec("app", good(&case)).await;
        let place = format!("annotation {NAMING} of namespace {}", case.namespace);
        case.expect_error("app", "NotPermitted", &[&place, "malformed expression", ": (?i)good"])
            .await;
        // Nobody asks what roles are permitted where none is used.
        annotate(&case, NAMING, json!(null)).await;
        case.set("good/db", unique("mended"));
        case.expect_success("app").await;
    });
}

#[test]
fn an_expression_without_end_denies_and_delays_nobody_else() {
    case(async |case| {
        let slow = case.in_annotated(json!({NAMING: "^(a+)+(?!b)$"})).await;
        let endless = format!("{}!", "a".repeat(60));
        for number in 0..8 {
            // Each another text, so that each takes its time.
            let key = format!("{endless}{number}");
            slow.create(&format!("app-{number}"), json!([{"key": key, "name": "value"}]))
                .await;
        }
        allowed(case, json!({NAMING: "(?<=/good)/"}), good).await;
        for number in 0..8 {
            let words = ["cannot be judged by ^(a+)+(?!b)$: it takes more than 250 ms of CPU time"];
            slow.expect_error(&format!("app-{number}"), "NotPermitted", &words)
                .await;
        }
    });
}
