//! Parameter Store answers as AWS does.

use keyhole_test_aws::{Deny, FakeAws, FakeConfig, ParameterType};
use serde_json::{Value, json};

use crate::signer::Signer;

const REGION: &str = "eu-west-1";

fn start() -> (FakeAws, Signer) {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    let signer = Signer::ssm(&fake);
    (fake, signer)
}

fn names(answer: &Value) -> Vec<&str> {
    let parameters = answer["Parameters"].as_array().unwrap();
    parameters
        .iter()
        .map(|parameter| parameter["Name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_parameter_has_the_members_of_aws_and_is_decrypted_when_asked() {
    let (fake, signer) = start();
    fake.set_parameter(REGION, "/app/secret", "hidden");
    fake.set_parameter_as(REGION, "/app/list", ParameterType::StringList, "a,b");
    let get = async |name: &str, decrypted: bool| {
        let input = json!({"Name": name, "WithDecryption": decrypted});
        signer.call("GetParameter", input).await.json()["Parameter"].clone()
    };
    let secret = get("/app/secret", true).await;
    assert_eq!(secret["ARN"], "arn:aws:ssm:eu-west-1:123456789012:parameter/app/secret");
    assert!(secret["LastModifiedDate"].as_f64().unwrap() > 1.7e9);
    let shown = ["Name", "Type", "Value", "DataType"].map(|member| secret[member].as_str().unwrap());
    assert_eq!(shown, ["/app/secret", "SecureString", "hidden", "text"]);
    assert_eq!((&secret["Version"], secret.get("Selector")), (&json!(1), None));
    assert!(!get("/app/secret", false).await.to_string().contains("hidden"));
    let list = get("/app/list", false).await;
    assert_eq!((&list["Type"], &list["Value"]), (&json!("StringList"), &json!("a,b")));
}

#[tokio::test]
async fn selectors_and_arns_are_understood() {
    let (fake, signer) = start();
    let first = fake.set_parameter(REGION, "/a", "one");
    fake.set_parameter(REGION, "/a", "two");
    fake.label_parameter(REGION, "/a", first, "prod").unwrap();
    assert_eq!(fake.label_parameter(REGION, "/a", 9, "prod"), None);
    let arn = fake.parameter_arn(REGION, "/a");
    for (name, value, selector) in [
        ("/a", "two", None),
        ("/a:1", "one", Some(":1")),
        ("/a:prod", "one", Some(":prod")),
        (&arn, "two", None),
        (&format!("{arn}:prod"), "one", Some(":prod")),
    ] {
        let found = signer
            .call("GetParameter", json!({"Name": name, "WithDecryption": true}))
            .await
            .json();
        let found = &found["Parameter"];
        assert_eq!(
            (&found["Name"], &found["Value"]),
            (&json!("/a"), &json!(value)),
            "{name}"
        );
        assert_eq!(found.get("Selector").and_then(Value::as_str), selector, "{name}");
    }
    let absent = signer.call("GetParameter", json!({"Name": "/a:9"})).await;
    assert_eq!(absent.error(), "ParameterVersionNotFound");
}

#[tokio::test]
async fn an_absent_parameter_is_a_code_without_a_message() {
    let (fake, signer) = start();
    fake.set_parameter("us-east-1", "/a", "elsewhere");
    let absent = signer.call("GetParameter", json!({"Name": "/a"})).await;
    assert_eq!(
        (absent.status, absent.json()),
        (400, json!({"__type": "ParameterNotFound"}))
    );
}

#[tokio::test]
async fn a_batch_gives_values_and_invalid_names_and_not_in_order() {
    let (fake, signer) = start();
    for name in ["/a", "/b", "/c"] {
        fake.set_parameter(REGION, name, name);
    }
    let asked = json!({"Names": ["/a", "/missing", "/b", "/c:7", "/c"], "WithDecryption": true});
    let answer = signer.call("GetParameters", asked).await.json();
    assert_eq!(names(&answer), ["/c", "/b", "/a"]);
    assert_eq!(answer["InvalidParameters"], json!(["/c:7", "/missing"]));
    let many: Vec<String> = (0..11).map(|n| format!("/p{n}")).collect();
    let answer = signer.call("GetParameters", json!({"Names": many})).await;
    assert_eq!(answer.error(), "ValidationException");
    let recorded = &fake.requests()[0];
    assert_eq!(recorded.resources, ["/a", "/missing", "/b", "/c:7", "/c"]);
}

#[tokio::test]
async fn a_path_comes_in_pages_of_ten() {
    let (fake, signer) = start();
    for number in 0..25 {
        fake.set_parameter(REGION, &format!("/app/p{number:02}"), "x");
    }
    fake.set_parameter(REGION, "/app/deep/p", "x");
    let mut input = json!({"Path": "/app", "MaxResults": 10});
    let mut sizes = Vec::new();
    loop {
        let answer = signer.call("GetParametersByPath", input.clone()).await.json();
        sizes.push(names(&answer).len());
        match answer.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(sizes, [10, 10, 5], "not the one that lies deeper");
    let all = signer
        .call("GetParametersByPath", json!({"Path": "/app/", "Recursive": true}))
        .await
        .json();
    assert_eq!(names(&all)[0], "/app/deep/p");
    let empty = signer
        .call("GetParametersByPath", json!({"Path": "/none"}))
        .await
        .json();
    assert_eq!(empty, json!({"Parameters": []}));
    for (input, code) in [
        (json!({"Path": "app"}), "ValidationException"),
        (json!({"Path": "/app", "MaxResults": 11}), "ValidationException"),
        (json!({"Path": "/app", "NextToken": "x"}), "InvalidNextToken"),
    ] {
        assert_eq!(signer.call("GetParametersByPath", input).await.error(), code);
    }
    assert_eq!(fake.requests()[0].resources, ["/app"]);
}

#[tokio::test]
async fn denials_hit_their_action_and_a_batch_as_a_whole() {
    let (fake, signer) = start();
    for name in ["/a", "/b"] {
        fake.set_parameter(REGION, name, name);
    }
    fake.deny(Deny::action("ssm:GetParameters").on("/b"));
    let denied = signer.call("GetParameters", json!({"Names": ["/a", "/b"]})).await;
    assert_eq!(denied.error(), "AccessDeniedException");
    let words =
        "is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:123456789012:parameter/b";
    assert!(denied.text().contains(words), "{}", denied.text());
    assert_eq!(signer.call("GetParameters", json!({"Names": ["/a"]})).await.status, 200);
    assert_eq!(signer.call("GetParameter", json!({"Name": "/b"})).await.status, 200);
    fake.deny(Deny::action("ssm:GetParametersByPath"));
    let denied = signer.call("GetParametersByPath", json!({"Path": "/"})).await;
    assert_eq!(denied.error(), "AccessDeniedException");
    fake.deny(Deny::action("ssm:GetParameter").on(&fake.parameter_arn(REGION, "/a")));
    let denied = signer.call("GetParameter", json!({"Name": "/a:1"})).await;
    assert_eq!(denied.error(), "AccessDeniedException");
}

#[tokio::test]
async fn a_signature_for_another_service_is_refused() {
    let (fake, mut signer) = start();
    fake.set_parameter(REGION, "/a", "x");
    "secretsmanager".clone_into(&mut signer.service);
    let refused = signer.call("GetParameter", json!({"Name": "/a"})).await;
    assert_eq!(refused.error(), "InvalidSignatureException");
    assert_eq!(fake.counts().refused, 1);
}
