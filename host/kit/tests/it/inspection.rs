//! What is told of a file.

use keyhole_kit::Inspection;

use crate::{bad, block_on};

#[test]
fn a_plugin_is_told_by_name_imports_settings_and_wants() {
    block_on(async {
        let guest = bad::guest("good").await;
        let found = Inspection::of(&guest).await;
        assert_eq!(found.contract.as_deref(), Some("keyhole:backend@0.1.0"));
        assert_eq!(
            (found.problem.as_deref(), found.warnings.len()),
            (None, 0),
            "{:?}",
            found.warnings
        );
        let text = found.to_string();
        for line in [
            "plugin       bad 0.1.0",
            "file         bad.wasm, ",
            "digest       sha256:",
            "types        bad",
            "batch        up to 20 requests a call",
            "hosts        store.example.com",
            "credentials  none",
            "  address  string  administrator  Where the store is. [required]",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line}\n{text}");
        }
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["plugin"]["settings"][0]["setBy"], "administrator");
        assert_eq!(json["plugin"]["maxBatch"], 20);
    });
}

#[test]
fn a_plugin_that_cannot_be_loaded_is_told_as_far_as_it_goes() {
    block_on(async {
        let found = Inspection::of(&bad::guest("describe-version").await).await;
        assert!(found.plugin.is_none());
        assert_eq!(found.contract.as_deref(), Some("keyhole:backend@0.1.0"));
        let problem = found.problem.unwrap();
        assert!(
            problem.contains("bad version: \"one\" is no semantic version"),
            "{problem}"
        );
    });
}
