//! Manifests that pages show are admitted by the API server, down to the last field.

use http::Request;
use serde_json::Value;

use super::page::blocks;
use crate::case::Case;
use crate::world::case;

/// Pages whose manifests are complete.
const PAGES: [&str; 2] = ["guide/grant-as-little-as-possible.md", "guide/publish-and-sign.md"];

/// Has a BackendPlugin checked strictly and thrown away.
async fn dry_run(case: &Case, manifest: &Value) -> Result<Value, String> {
    let request = Request::post("/apis/kubernetes-client.io/v1alpha1/backendplugins?dryRun=All&fieldValidation=Strict")
        .header("content-type", "application/json")
        .body(serde_json::to_vec(manifest).unwrap());
    case.client
        .request(request.unwrap())
        .await
        .map_err(|error| error.to_string())
}

#[test]
fn the_api_server_admits_every_plugin_that_a_guide_shows() {
    case(async |case| {
        for page in PAGES {
            let manifests: Vec<_> = blocks(page).into_iter().filter(|block| block.kind == "yaml").collect();
            assert!(manifests.len() >= 5, "{page}");
            for block in manifests {
                let manifest: Value = serde_saphyr::from_str(&block.text).unwrap();
                assert_eq!(manifest["kind"], "BackendPlugin", "{page}:{}", block.line);
                let answer = dry_run(case, &manifest).await;
                let answer = answer.unwrap_or_else(|refusal| panic!("{page}:{}: {refusal}", block.line));
                assert_eq!(answer["spec"], manifest["spec"], "{page}:{}", block.line);
            }
        }
    });
}
