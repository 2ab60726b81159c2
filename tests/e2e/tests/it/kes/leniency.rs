//! KES's treatment of values that are not what an object says, for those who ask for it.

use keyhole_test_harness::Host;
use serde_json::json;

use crate::case::{Data, PATIENCE, unique};
use crate::world::{REGION, case};

#[test]
fn s9_f2_p3_on_request_malformed_values_give_no_key_and_the_last_leaf_stays() {
    case(async |case| {
        let instance = format!("lenient-{}", case.namespace);
        let config = case
            .own_host(&instance)
            .env("KEYHOLE_DROP_MALFORMED_VALUES", "true")
            .env("KEYHOLE_LAST_OF_PATH_WINS", "true");
        let mut host = Host::start(config).await.unwrap();
        let (plain, good) = (unique("plain"), unique("good"));
        let key = case.set("plain", plain.clone());
        let other = case.set("good", good.clone());
        let spec = |mut spec: serde_json::Value| {
            spec["controllerId"] = json!(instance);
            spec
        };

        let dropped = json!({"backendType": "secretsManager", "dataFrom": [key], "data": [
            {"key": key, "name": "lost", "property": "password"},
            {"key": other, "name": "kept"},
        ]});
        case.create_spec("dropped", spec(dropped)).await;
        case.expect_data("dropped", &[("kept", &good)]).await;
        case.expect_success("dropped").await;

        let empty = json!({"backendType": "secretsManager", "dataFrom": [key]});
        case.create_spec("empty", spec(empty)).await;
        case.expect_bytes("empty", &Data::new()).await;
        case.expect_success("empty").await;

        let (first, last) = (unique("first"), unique("last"));
        for (name, value) in [("a/leaf", &first), ("b/leaf", &last)] {
            case.search_for(&value.clone().into());
            case.world
                .aws
                .set_parameter(REGION, &format!("/{}/{name}", case.namespace), value.clone());
        }
        let path = json!({"backendType": "systemManager", "data": [
            {"path": format!("/{}", case.namespace), "recursive": true},
        ]});
        case.create_spec("path", spec(path)).await;
        case.expect_data("path", &[("leaf", &last)]).await;

        let log = host.log();
        assert!(
            log.matches("an entry gives no key").count() >= 3,
            "each entry that was dropped is told: {log}"
        );
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());
    });
}
