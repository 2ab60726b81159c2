//! `backendType: http`, with a header that the host sets from a Secret.

use serde_json::json;

use super::stores::store_case;
use crate::case::unique;

#[test]
fn a_store_that_is_described_by_settings_alone_is_read_with_a_credential_that_the_plugin_never_sees() {
    store_case(async |case, stores| {
        let key = format!("{}/app", case.namespace);
        let (first, second) = (unique("first"), unique("second"));
        stores.put(case, &key, json!({"password": first})).await;
        let spec = |key: &str| json!({"backendType": "http", "data": [{"key": key, "name": "password"}]});
        case.create_spec("app", spec(&key)).await;
        case.expect_data("app", &[("password", &first)]).await;
        stores.put(case, &key, json!({"password": second})).await;
        case.expect_data("app", &[("password", &second)]).await;

        case.create_spec("none", spec(&format!("{key}-none"))).await;
        case.expect_error("none", "NotFound", &["-none"]).await;
        case.create_spec("outside", spec("../../sys/mounts")).await;
        case.expect_error("outside", "InvalidSpec", &["folder"]).await;
        let mut url = spec(&key);
        url["config"] = json!({"url": "https://evil.example/{key}"});
        case.create_spec("url", url).await;
        case.expect_error("url", "InvalidSpec", &["administrator only"]).await;

        let status = stores.expect_ready("http").await;
        assert_eq!(status["credentials"], "hidden", "{status}");
    });
}
