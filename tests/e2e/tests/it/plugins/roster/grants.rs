//! What a plugin may reach and take.

use serde_json::{Value, json};

use super::bench::{Bench, fresh, from_file, hostile, obliging, plugin_case};
use crate::case::{Case, ready};

#[test]
fn hosts_that_are_wanted_and_not_granted_are_told_and_do_not_stop_the_plugin() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "wants");
        let hosts = json!(["store.example.com", "api.{region}.example.com:8443"]);
        bench.write(&name, &obliging(&json!({"types": [name], "hosts": hosts})));
        let mut spec = from_file(&name);
        spec["grant"] = json!({"hosts": ["api.eu-west-1.example.com:8443"]});
        bench.apply(&name, spec.clone()).await;
        let status = bench.expect_serving(&name).await;
        assert_eq!(status["wantedHosts"], hosts);
        assert_eq!(status["grantedHosts"], json!(["api.eu-west-1.example.com:8443"]));
        assert_eq!(status["missingHosts"], json!(["store.example.com"]));
        let message = ready(&status)["message"].as_str().unwrap();
        assert!(
            message.contains("wanted and not in spec.grant.hosts: store.example.com"),
            "{message}"
        );

        spec["grant"]["hosts"] = hosts;
        bench.apply(&name, spec).await;
        let status = bench
            .expect(&name, "miss nothing", |status| {
                status.get("missingHosts").is_none() && ready(status)["reason"] == "Serving"
            })
            .await;
        assert_eq!(ready(&status)["message"], format!("serves {name}"));
    });
}

/// Installs the hostile plugin under this grant, and has it do something for an object.
pub async fn does(case: &Case, bench: &Bench, name: &str, grant: Value, habit: Value) {
    let mut spec = from_file(name);
    spec["backendTypes"] = json!(["hostile"]);
    spec["grant"] = grant;
    spec["settings"] = habit;
    bench.apply(name, spec).await;
    let object = json!({"backendType": "hostile", "refreshInterval": "1h", "data": [{"key": "k", "name": "value"}]});
    if case.objects().get_opt("app").await.unwrap().is_none() {
        case.create_spec("app", object).await;
    }
}

/// One case, because the hostile plugin has one backend type.
#[test]
fn grants_decide_what_a_plugin_may_reach_and_take() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "hostile");
        bench.write(&name, &hostile());
        let exchange =
            |host: &str| json!({"do": "http", "exchanges": [{"scheme": "https", "authority": host, "path": "/"}]});
        does(case, bench, &name, json!({}), exchange("store.example.com")).await;
        bench.expect_serving(&name).await;
        let remedy = "add it to spec.grant.hosts of its BackendPlugin";
        case.expect_error(
            "app",
            "EgressDenied",
            &["host store.example.com is not granted to the plugin", remedy],
        )
        .await;

        let local = json!({"hosts": ["http://127.0.0.1:9"]});
        let to_local =
            json!({"do": "http", "exchanges": [{"scheme": "http", "authority": "127.0.0.1:9", "path": "/"}]});
        does(case, bench, &name, local, to_local).await;
        case.expect_error("app", "EgressDenied", &["loopback", "spec.grant.allowPrivateAddresses"])
            .await;

        let server = bench.world.aws.endpoint();
        let authority = server.strip_prefix("http://").unwrap();
        let grant = |exchanges: u32| json!({"hosts": [server], "allowPrivateAddresses": ["127.0.0.0/8"], "limits": {"exchanges": exchanges}});
        let thrice =
            json!({"do": "http", "exchanges": [{"scheme": "http", "authority": authority, "path": "/", "times": 3}]});
        does(case, bench, &name, grant(2), thrice.clone()).await;
        case.expect_error("app", "SandboxLimit", &["more than 2 HTTP exchanges"])
            .await;
        does(case, bench, &name, grant(3), thrice).await;
        case.expect_success("app").await;

        does(
            case,
            bench,
            &name,
            json!({"limits": {"cpu": "50ms"}}),
            json!({"do": "loop"}),
        )
        .await;
        case.expect_error("app", "SandboxLimit", &["more than 50 ms of CPU"])
            .await;

        does(
            case,
            bench,
            &name,
            json!({"limits": {"memory": "16Mi"}}),
            json!({"do": "modest", "most": 32}),
        )
        .await;
        case.expect_data("app", &[("value", "refused and alive")]).await;
        does(
            case,
            bench,
            &name,
            json!({"limits": {"memory": "96Mi"}}),
            json!({"do": "modest", "most": 32}),
        )
        .await;
        case.expect_data("app", &[("value", "took 32")]).await;

        does(
            case,
            bench,
            &name,
            json!({"limits": {"wall": "200ms"}}),
            json!({"do": "sleep"}),
        )
        .await;
        case.expect_error("app", "SandboxLimit", &["did not finish within 0.2 s"])
            .await;

        let exchange = |body: usize| {
            json!({"do": "http", "exchanges": [
                {"scheme": "http", "authority": authority, "path": "/", "method": "POST", "body-size": body},
            ]})
        };
        let bodies =
            |limits: Value| json!({"hosts": [server], "allowPrivateAddresses": ["127.0.0.0/8"], "limits": limits});
        for (grant, habit, told) in [
            (
                bodies(json!({"responseBody": "4"})),
                exchange(1),
                format!("the response body to {authority} is larger than 4 bytes"),
            ),
            (
                bodies(json!({"requestBody": "8"})),
                exchange(9),
                format!("the request body to {authority} is larger than 8 bytes"),
            ),
            (
                json!({"limits": {"value": "4"}}),
                json!({"do": "its best"}),
                "larger than 4 bytes".to_owned(),
            ),
            (
                json!({"limits": {"values": "5"}}),
                json!({"do": "its best"}),
                "larger than 5 bytes".to_owned(),
            ),
        ] {
            does(case, bench, &name, grant, habit).await;
            case.expect_error("app", "SandboxLimit", &[&told]).await;
        }
        bench.delete(&name).await;
    });
}
