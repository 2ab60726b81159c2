//! A grant that is narrowed when the plugin's file cannot be had.

use keyhole_test_harness::Manifest;
use serde_json::json;

use super::bench::{hostile, lonely_plugin_case};
use super::grants::does;
use crate::case::ready;

#[test]
fn a_grant_is_narrowed_while_the_file_of_its_plugin_has_gone() {
    lonely_plugin_case(Manifest::Install, async |case, bench| {
        let name = "hostile";
        bench.write(name, &hostile());
        let server = bench.world.aws.endpoint();
        let authority = server.strip_prefix("http://").unwrap();
        let asks = json!({"do": "http", "exchanges": [{"scheme": "http", "authority": authority, "path": "/"}]});
        let grant = |host: &str| json!({"hosts": [host], "allowPrivateAddresses": ["127.0.0.0/8"]});
        does(case, bench, name, grant(&server), asks.clone()).await;
        case.expect_success("app").await;

        bench.remove(name);
        let gone = bench.expect_broken(name, "SourceNotFound", &["serves on"]).await;
        assert_eq!(gone["grantedHosts"], json!([server]));

        does(case, bench, name, grant("store.example.com"), asks.clone()).await;
        case.expect_error("app", "EgressDenied", &["is not granted"]).await;
        let narrowed = bench
            .expect(name, "show the grant that is in force", |status| {
                status["grantedHosts"] == json!(["store.example.com"])
            })
            .await;
        assert_eq!(ready(&narrowed)["reason"], "SourceNotFound");
        assert_eq!(narrowed["servingDigest"], gone["servingDigest"]);

        // With another demand its file has to be there: what serves keeps its grant, and the object says so.
        let mut spec = bench.plugins().get(name).await.unwrap().data["spec"].clone();
        spec["verify"] = json!({"digest": gone["servingDigest"]});
        spec.as_object_mut().unwrap().remove("grant");
        bench.apply(name, spec).await;
        let words = ["serves on, under the grant and settings that it was loaded with"];
        let kept = bench.expect_broken(name, "SourceNotFound", &words).await;
        assert_eq!(kept["grantedHosts"], json!(["store.example.com"]));

        bench.write(name, &hostile());
        let served = bench.expect_serving(name).await;
        assert!(served.get("grantedHosts").is_none(), "{served}");
    });
}
