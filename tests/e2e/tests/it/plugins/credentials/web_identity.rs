//! AWS as a service account of the namespace: its token is exchanged for a role, and nobody signs that.

use serde_json::json;

use super::bench::{account, credential_case, owner};
use crate::case::Case;
use crate::plugins::roster::bench::Bench;

const ROLE: &str = "arn:aws:iam::123456789012:role/of-the-team";
const OTHER: &str = "arn:aws:iam::123456789012:role/another";

/// Lets objects of Secrets Manager name service accounts.
async fn allow(bench: &Bench) {
    let spec = json!({
        "source": {"builtin": "secrets-manager"},
        "grant": {"auth": {
            "aws": [{"service": "secretsmanager", "actions": ["GetSecretValue", "BatchGetSecretValue"]}],
            "allowServiceAccounts": true,
        }},
    });
    bench.apply("secrets-manager", spec).await;
    bench.expect_serving("secrets-manager").await;
}

/// Who exchanged a token for which role, for this case's accounts.
fn exchanges(case: &Case, bench: &Bench) -> Vec<(String, String)> {
    let ours = format!("system:serviceaccount:{}:", case.namespace);
    let requests = bench.world.aws.requests().into_iter();
    requests
        .filter(|request| request.operation == "AssumeRoleWithWebIdentity")
        .filter_map(|request| Some((request.principal?, request.resources.concat())))
        .filter(|(principal, _)| principal.starts_with(&ours))
        .collect()
}

/// One case, because the built-in plugin is the cluster's.
#[test]
fn a_namespace_asks_aws_as_its_own_service_account() {
    credential_case(async |case, bench| {
        let key = case.set("db", crate::case::unique("value"));
        let data = json!([{"key": key, "name": "value"}]);
        let object = async |case: &Case, name: &str, more: serde_json::Value| {
            let mut spec = json!({"backendType": "secretsManager", "refreshInterval": "1h", "data": data});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            case.create_spec(name, spec).await;
        };
        account(case, "reader", json!({})).await;
        account(case, "annotated", json!({"eks.amazonaws.com/role-arn": OTHER})).await;
        object(case, "early", json!({"serviceAccountName": "reader", "roleArn": ROLE})).await;
        case.expect_error(
            "early",
            "NotPermitted",
            &["plugin secrets-manager asks its store as the operator only"],
        )
        .await;
        assert!(exchanges(case, bench).is_empty());

        allow(bench).await;
        case.expect_success("early").await;
        let reader = format!("system:serviceaccount:{}:reader", case.namespace);
        assert_eq!(exchanges(case, bench), [(reader, ROLE.to_owned())]);

        object(case, "annotated", json!({"serviceAccountName": "annotated"})).await;
        case.expect_success("annotated").await;
        assert_eq!(exchanges(case, bench).pop().unwrap().1, OTHER);

        object(case, "roleless", json!({"serviceAccountName": "reader"})).await;
        case.expect_error(
            "roleless",
            "Unauthenticated",
            &["has no role", "eks.amazonaws.com/role-arn"],
        )
        .await;

        // The namespace's rule still judges what the object asks for.
        let limited = case
            .in_annotated(json!({"iam.amazonaws.com/permitted": "of-the-team$"}))
            .await;
        account(&limited, "reader", json!({})).await;
        object(
            &limited,
            "denied",
            json!({"serviceAccountName": "reader", "roleArn": OTHER}),
        )
        .await;
        let words = format!("namespace does not allow to assume role {OTHER}");
        limited.expect_error("denied", "NotPermitted", &[&words]).await;
        object(
            &limited,
            "allowed",
            json!({"serviceAccountName": "reader", "roleArn": ROLE}),
        )
        .await;
        limited.expect_success("allowed").await;
        assert_eq!(exchanges(&limited, bench).len(), 1);

        // What was shown to STS is genuine, for STS alone.
        let operators = bench.world.aws.credential_secrets();
        let mut judged = 0;
        for token in operators.iter().filter(|secret| secret.split('.').count() == 3) {
            if owner(case, token, "sts.amazonaws.com").await.is_some() {
                assert_eq!(owner(case, token, "https://kubernetes.default.svc").await, None);
                judged += 1;
            }
        }
        assert!(judged >= 3, "{judged}");
    });
}
