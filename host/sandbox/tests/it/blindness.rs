//! A guest that looks everywhere finds nothing. (What it sees of signed requests is tested beside
//! signing.)

use keyhole_core::limits::Limits;
use serde_json::{Value as Json, json};

use crate::guest::{Sandbox, call, keys, texts};

#[tokio::test]
async fn a_guest_sees_its_settings_and_its_namespace_and_nothing_else() {
    let sandbox = Sandbox::new(Limits::default()).await;
    assert!(
        std::env::vars().count() > 0 && std::env::args().count() > 0,
        "there is something to see"
    );
    let mut call = call(json!({"do": "look-around"}));
    call.namespace = Some("team-a".into());
    let outcomes = sandbox.plugin.fetch(&call, &keys(&["k"])).await.unwrap();
    let seen: Json = serde_json::from_str(&texts(&outcomes)[0]).unwrap();
    let expected = json!({
        "environment": [], "arguments": [], "directory": null, "std-environment": 0, "std-arguments": 0,
        "preopens": 0, "files": [], "stdin": [0, true], "terminal": false,
        "tcp": false, "udp": false, "name": false, "std-tcp": false,
        "credentials": [], "sessions": [],
        "settings": "{\"do\":\"look-around\"}", "context": "{\"namespace\":\"team-a\"}",
    });
    assert_eq!(seen, expected);
    sandbox.assert_unharmed().await;
}
