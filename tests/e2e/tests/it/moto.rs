//! The same against somebody else's reading of AWS.

use keyhole_test_harness::{Host, HostConfig, Moto};
use serde_json::json;

use crate::case::{PATIENCE, unique};
use crate::world::{INTERVAL, REGION, case};

#[test]
fn moto_agrees() {
    case(async |case| {
        let moto = Moto::start().await.unwrap();
        let instance = format!("moto-{}", case.namespace);
        let config = HostConfig::new(&case.world.installed.kubeconfig)
            .aws_at(moto.endpoint(), &moto.credentials(), REGION)
            .interval(INTERVAL)
            .instance(&instance);
        let mut host = Host::start(config).await.unwrap();
        let (first, second, other) = (unique("first"), unique("second"), unique("other"));
        for value in [&first, &second, &other] {
            case.world.values.lock().unwrap().push(value.clone().into_bytes());
        }
        let store = moto.secrets_manager();
        store
            .put_secret(REGION, "db", &json!({"password": first}).to_string())
            .await
            .unwrap();
        store.put_secret(REGION, "other", &other).await.unwrap();

        let spec = |data| json!({"backendType": "secretsManager", "controllerId": instance, "data": data});
        let both =
            json!([{"key": "db", "name": "password", "property": "password"}, {"key": "other", "name": "other"}]);
        case.create_spec("app", spec(both)).await;
        case.expect_data("app", &[("password", &first), ("other", &other)])
            .await;
        store
            .put_secret(REGION, "db", &json!({"password": second}).to_string())
            .await
            .unwrap();
        case.expect_data("app", &[("password", &second), ("other", &other)])
            .await;

        let role = json!({"backendType": "secretsManager", "controllerId": instance,
            "roleArn": "arn:aws:iam::123456789012:role/app", "data": [{"key": "other", "name": "value"}]});
        case.create_spec("with-role", role).await;
        case.expect_data("with-role", &[("value", &other)]).await;

        case.create_spec("missing", spec(json!([{"key": "nowhere", "name": "value"}])))
            .await;
        case.expect_error("missing", "NotFound", &["nowhere"]).await;
        let status = host.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}");
        case.keep_log(host.log());
    });
}
