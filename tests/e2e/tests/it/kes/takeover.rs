//! A cluster on which KES ran: its CRD, its objects and their status, its Secrets.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Manifest, apply, eventually};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::case::{PATIENCE, data_of, external_secret, external_secrets};
use crate::search::nothing_leaked_into;
use crate::world::{INTERVAL, REGION, alone};

#[test]
fn on_a_cluster_of_kes_everything_goes_on_without_a_change_of_any_manifest() {
    alone(async || {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::Install).await.unwrap();
        let crd = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kes/crd.yaml");
        let crd = serde_saphyr::from_str(&fs::read_to_string(crd).unwrap()).unwrap();
        apply(&plane.admin(), &crd).await.unwrap();

        let objects = external_secrets(&plane.admin(), "default");
        let spec = json!({"backendType": "secretsManager", "data": [{"key": "db", "name": "value"}]});
        let owner = objects
            .create(&PostParams::default(), &external_secret("app", spec))
            .await
            .unwrap();
        let secrets: Api<Secret> = Api::namespaced(plane.admin(), "default");
        let theirs: Secret = serde_json::from_value(json!({
            "metadata": {"name": "app", "ownerReferences": [{
                "apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "name": "app",
                "uid": owner.uid().unwrap(), "controller": true,
            }]},
            "stringData": {"value": "inherited-value"},
        }))
        .unwrap();
        let theirs = secrets.create(&PostParams::default(), &theirs).await.unwrap();
        let status =
            json!({"status": {"status": "SUCCESS", "lastSync": Timestamp::now().to_string(), "observedGeneration": 1}});
        objects
            .patch_status("app", &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();

        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        aws.set_secret(REGION, "db", "inherited-value");
        let config = HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .interval(INTERVAL);
        let host = Host::start(config).await.unwrap();
        let labelled = eventually(PATIENCE, "the label", async || {
            let secret = secrets.get("app").await.map_err(|error| error.to_string())?;
            let is_labelled = secret
                .labels()
                .contains_key("externalsecrets.kubernetes-client.io/managed");
            is_labelled.then_some(secret).ok_or_else(|| "not there".to_owned())
        });
        let labelled = labelled
            .await
            .unwrap_or_else(|error| panic!("{error:#}\n{}", host.log()));
        assert_eq!((labelled.uid(), data_of(&labelled)), (theirs.uid(), data_of(&theirs)));

        aws.set_secret(REGION, "db", "rotated-value");
        let followed = eventually(PATIENCE, "the rotated value", async || {
            let secret = secrets.get("app").await.map_err(|error| error.to_string())?;
            (data_of(&secret)["value"] == b"rotated-value")
                .then_some(())
                .ok_or_else(|| "not there".to_owned())
        });
        followed.await.unwrap();
        let status = objects.get("app").await.unwrap().data["status"].clone();
        assert_eq!(status["status"], "SUCCESS");
        assert!(
            status["conditions"].is_null(),
            "KES's CRD knows no conditions: {status}"
        );
        let log = host.log();
        assert_eq!(log.matches("conditions are not shown").count(), 1, "{log}");
        nothing_leaked_into(&log, &aws, &["inherited-value", "rotated-value"]);
    });
}
