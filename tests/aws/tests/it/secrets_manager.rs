//! The operations answer as AWS does.

use keyhole_test_aws::{Content, Deny, FakeAws, FakeConfig, Fault};
use serde_json::{Value, json};

use crate::signer::{Signer, session};

const REGION: &str = "eu-west-1";

fn start() -> (FakeAws, Signer) {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    let signer = Signer::new(&fake);
    (fake, signer)
}

fn names(answer: &Value, list: &str, member: &str) -> Vec<String> {
    let entries = answer[list].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry[member].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn text_and_binary_come_back_as_they_were_set() {
    let (fake, signer) = start();
    fake.set_secret(REGION, "text", "héllo");
    fake.set_secret(REGION, "binary", Content::Bytes(vec![0, 255, 7]));
    let text = signer.call("GetSecretValue", json!({"SecretId": "text"})).await.json();
    assert_eq!(
        (text["SecretString"].as_str(), text["SecretBinary"].as_str()),
        (Some("héllo"), None)
    );
    let binary = signer
        .call("GetSecretValue", json!({"SecretId": "binary"}))
        .await
        .json();
    assert_eq!(
        (binary["SecretString"].as_str(), binary["SecretBinary"].as_str()),
        (None, Some("AP8H"))
    );
}

#[tokio::test]
async fn a_batch_gives_values_and_errors_and_not_in_order() {
    let (fake, signer) = start();
    for name in ["a", "b", "c"] {
        fake.set_secret(REGION, name, name);
    }
    let arn = fake.arn(REGION, "c");
    let answer = signer
        .call(
            "BatchGetSecretValue",
            json!({"SecretIdList": ["a", "missing", "b", arn]}),
        )
        .await
        .json();
    assert_eq!(names(&answer, "SecretValues", "Name"), ["c", "b", "a"]);
    assert_eq!(names(&answer, "Errors", "SecretId"), ["missing"]);
    assert_eq!(answer["Errors"][0]["ErrorCode"], "ResourceNotFoundException");
    assert!(answer.get("NextToken").is_none());
}

#[tokio::test]
async fn a_batch_comes_in_pages() {
    let fake = FakeAws::start(FakeConfig {
        batch_page: 2,
        ..FakeConfig::default()
    })
    .unwrap();
    let signer = Signer::new(&fake);
    let ids = ["a", "b", "c", "d", "e"];
    for name in ids {
        fake.set_secret(REGION, name, name);
    }
    let (mut seen, mut input) = (Vec::new(), json!({"SecretIdList": ids}));
    loop {
        let answer = signer.call("BatchGetSecretValue", input.clone()).await.json();
        seen.extend(names(&answer, "SecretValues", "Name"));
        match answer.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["e", "d", "c", "b", "a"]);
    assert_eq!(fake.counts().of("BatchGetSecretValue"), 3);
}

#[tokio::test]
async fn a_batch_of_more_than_twenty_is_refused() {
    let (_fake, signer) = start();
    let ids: Vec<String> = (0..21).map(|number| format!("s{number}")).collect();
    assert_eq!(
        signer
            .call("BatchGetSecretValue", json!({"SecretIdList": ids}))
            .await
            .error(),
        "ValidationException"
    );
}

#[tokio::test]
async fn denials_hit_who_and_what_they_name() {
    let (fake, base) = start();
    fake.set_secret(REGION, "db", "x");
    fake.set_secret(REGION, "other", "y");
    let role = "arn:aws:iam::123456789012:role/app";
    let form = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=k8s-external-secrets");
    let sts = Signer::sts(&fake);
    let app = Signer::new(&fake).with(session(&sts.send(sts.query(&form)).await.unwrap().text()));

    fake.deny(Deny::action("secretsmanager:GetSecretValue").to(role).on("db"));
    assert_eq!(base.call("GetSecretValue", json!({"SecretId": "db"})).await.status, 200);
    let denied = app
        .call("GetSecretValue", json!({"SecretId": fake.arn(REGION, "db")}))
        .await;
    assert_eq!(denied.error(), "AccessDeniedException");
    assert!(denied.text().contains("User: arn:aws:sts::123456789012:assumed-role/app/k8s-external-secrets is not authorized to perform: secretsmanager:GetSecretValue on resource: "));
    let batch = app
        .call("BatchGetSecretValue", json!({"SecretIdList": ["db", "other"]}))
        .await
        .json();
    assert_eq!(names(&batch, "SecretValues", "Name"), ["other"]);
    assert_eq!(batch["Errors"][0]["ErrorCode"], "AccessDeniedException");

    fake.deny(Deny::action("secretsmanager:BatchGetSecretValue"));
    assert_eq!(
        app.call("BatchGetSecretValue", json!({"SecretIdList": ["other"]}))
            .await
            .error(),
        "AccessDeniedException"
    );
    assert_eq!(
        app.call("GetSecretValue", json!({"SecretId": "other"})).await.status,
        200
    );
    fake.clear_denials();
    assert_eq!(app.call("GetSecretValue", json!({"SecretId": "db"})).await.status, 200);
}

#[tokio::test]
async fn a_secret_is_created_rotated_described_and_deleted() {
    let (_fake, signer) = start();
    let create = json!({"Name": "team/db", "SecretString": "one"});
    assert_eq!(signer.call("CreateSecret", create.clone()).await.status, 200);
    assert_eq!(
        signer.call("CreateSecret", create).await.error(),
        "ResourceExistsException"
    );
    let rotated = signer
        .call("PutSecretValue", json!({"SecretId": "team/db", "SecretString": "two"}))
        .await
        .json();
    let current = signer
        .call("GetSecretValue", json!({"SecretId": "team/db"}))
        .await
        .json();
    assert_eq!(
        (&current["SecretString"], &current["VersionId"]),
        (&json!("two"), &rotated["VersionId"])
    );
    let previous = json!({"SecretId": "team/db", "VersionStage": "AWSPREVIOUS"});
    assert_eq!(
        signer.call("GetSecretValue", previous).await.json()["SecretString"],
        "one"
    );
    let described = signer
        .call("DescribeSecret", json!({"SecretId": "team/db"}))
        .await
        .json();
    assert_eq!(described["VersionIdsToStages"].as_object().unwrap().len(), 2);
    signer.call("DeleteSecret", json!({"SecretId": "team/db"})).await;
    assert_eq!(
        signer
            .call("GetSecretValue", json!({"SecretId": "team/db"}))
            .await
            .error(),
        "InvalidRequestException"
    );
    signer
        .call(
            "DeleteSecret",
            json!({"SecretId": "team/db", "ForceDeleteWithoutRecovery": true}),
        )
        .await;
    assert_eq!(
        signer
            .call("GetSecretValue", json!({"SecretId": "team/db"}))
            .await
            .error(),
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn values_are_per_region() {
    let (fake, mut signer) = start();
    fake.set_secret(REGION, "db", "irish");
    fake.set_secret("us-east-1", "db", "virginian");
    assert_eq!(
        signer.call("GetSecretValue", json!({"SecretId": "db"})).await.json()["SecretString"],
        "irish"
    );
    "us-east-1".clone_into(&mut signer.region);
    assert_eq!(
        signer.call("GetSecretValue", json!({"SecretId": "db"})).await.json()["SecretString"],
        "virginian"
    );
    "eu-north-1".clone_into(&mut signer.region);
    assert_eq!(
        signer.call("GetSecretValue", json!({"SecretId": "db"})).await.error(),
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn an_error_for_one_secret_leaves_the_rest_of_a_batch() {
    let (fake, signer) = start();
    fake.set_secret(REGION, "a", "1");
    fake.set_secret(REGION, "b", "2");
    fake.fault(Fault::everywhere().secret("a").times(1));
    let answer = signer
        .call("BatchGetSecretValue", json!({"SecretIdList": ["a", "b"]}))
        .await
        .json();
    assert_eq!(names(&answer, "SecretValues", "Name"), ["b"]);
    assert_eq!(answer["Errors"][0]["ErrorCode"], "InternalServiceError");
}
