//! BackendPlugins that are wrong.

use serde_json::json;

use super::bench::{fresh, from_file, obliging, plugin_case};

#[test]
fn the_api_server_refuses_what_its_schema_can_see() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "refused");
        let file = json!({"path": "a.wasm"});
        for (spec, why) in [
            (json!({}), "spec.source: Required value"),
            (
                json!({"source": {}}),
                "exactly one of builtin, oci, configMap and file must be set",
            ),
            (
                json!({"source": {"file": file, "builtin": "secrets-manager"}}),
                "exactly one of builtin, oci, configMap and file must be set",
            ),
            (json!({"source": {"file": {}}}), "spec.source.file.path: Required value"),
            (
                json!({"source": {"file": file}, "grant": {"auth": {"headers": [{"name": "a"}]}}}),
                "exactly one of secretKeyRef and serviceAccountToken must be set",
            ),
            (
                json!({"source": {"file": file}, "grant": {"limits": {"memory": "64MB"}}}),
                "spec.grant.limits.memory",
            ),
            (
                json!({"source": {"file": file}, "grant": {"limits": {"cpu": "2"}}}),
                "spec.grant.limits.cpu",
            ),
            (
                json!({"source": {"file": file}, "verify": {"digest": "sha256:0"}}),
                "spec.verify.digest",
            ),
            (
                json!({"source": {"file": file}, "backendTypes": [""]}),
                "spec.backendTypes[0]",
            ),
        ] {
            let refusal = bench.try_apply(&name, spec.clone()).await.unwrap_err().to_string();
            assert!(refusal.contains(why), "{spec}: {refusal}");
        }
    });
}

#[test]
fn what_the_schema_cannot_see_is_named_by_field_on_the_object() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "mistaken");
        let mut spec = from_file("../escape.wasm");
        spec["grant"] =
            json!({"hosts": ["*.example.com"], "allowPrivateAddresses": ["10.0.0.0"], "limits": {"wall": "1h"}});
        bench.apply(&name, spec).await;
        let words = [
            "spec.source.file.path: \"../escape.wasm\" is not below the plugin folder",
            "spec.grant.hosts[0]: \"*.example.com\" is no host pattern",
            "spec.grant.allowPrivateAddresses[0]: \"10.0.0.0\" is no range of addresses; write it like 10.0.0.0/8",
            "spec.grant.limits.wall: 3600s is out of range; write 100ms to 600s",
        ];
        let status = bench.expect_broken(&name, "InvalidSpec", &words).await;
        assert!(status.get("digest").is_none(), "{status}");

        // Put right, it serves.
        bench.write(&name, &obliging(&json!({"types": [name]})));
        bench.apply(&name, from_file(&name)).await;
        bench.expect_serving(&name).await;

        // And wrong again, it serves on as it did.
        let mut wrong = from_file(&name);
        wrong["grant"] = json!({"hosts": ["*"]});
        bench.apply(&name, wrong).await;
        let status = bench.expect_broken(&name, "InvalidSpec", &["serves on"]).await;
        assert_eq!(status["backendTypes"], name.as_str());
    });
}
