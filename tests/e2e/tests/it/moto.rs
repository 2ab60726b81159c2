//! The same against somebody else's reading of AWS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyhole_test_aws::Content;
use keyhole_test_harness::{Host, HostConfig, Moto};
use serde_json::json;

use crate::case::unique;
use crate::world::{INTERVAL, REGION, World, moto_case};

/// moto, and a host that talks to it and serves only objects that say so.
pub struct MotoWorld {
    pub host: Host,
    pub instance: String,
    moto: Moto,
}

impl MotoWorld {
    pub async fn start(world: &World) -> Self {
        let moto = Moto::start().await.unwrap();
        let instance = unique("moto");
        let config = HostConfig::new(&world.installed.kubeconfig)
            .aws_at(moto.endpoint(), &moto.credentials(), REGION)
            .interval(INTERVAL)
            .instance(&instance);
        let host = Host::start(config).await.unwrap();
        Self { host, instance, moto }
    }

    /// Creates a secret or rotates it. Returns the version.
    pub async fn put(&self, name: &str, value: Content) -> String {
        let (member, value) = match value {
            Content::Text(text) => ("SecretString", text),
            Content::Bytes(bytes) => ("SecretBinary", STANDARD.encode(bytes)),
        };
        let store = self.moto.secrets_manager();
        let put = json!({"SecretId": name, member: value});
        let answer = match store.call(REGION, "PutSecretValue", &put).await {
            Err(error) if format!("{error:#}").contains("ResourceNotFoundException") => {
                let create = json!({"Name": name, member: value});
                store.call(REGION, "CreateSecret", &create).await
            }
            outcome => outcome,
        };
        answer.unwrap()["VersionId"].as_str().unwrap().to_owned()
    }
}

#[test]
fn moto_agrees_on_rotation_roles_and_what_is_missing() {
    moto_case(async |case| {
        let (first, second) = (unique("first"), unique("second"));
        let (key, _) = case.put("db", first.clone()).await;
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &first)]).await;
        case.put("db", second.clone()).await;
        case.expect_data("app", &[("value", &second)]).await;

        let role = json!({"backendType": "secretsManager", "roleArn": "arn:aws:iam::123456789012:role/app",
            "data": [{"key": key, "name": "value"}]});
        case.create_spec("with-role", role).await;
        case.expect_data("with-role", &[("value", &second)]).await;

        case.create("missing", json!([{"key": case.key("nowhere"), "name": "value"}]))
            .await;
        case.expect_error("missing", "NotFound", &["nowhere"]).await;
    });
}
