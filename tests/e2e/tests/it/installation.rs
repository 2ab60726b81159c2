//! What `deploy/` holds is what a cluster accepts and what the host needs.

use http::Request;
use k8s_openapi::api::core::v1::Secret;
use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Manifest, eventually};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{PATIENCE, data_of, external_secret, external_secrets, unique};
use crate::search::nothing_leaked_into;
use crate::world::{INTERVAL, REGION, alone, case};

#[test]
fn kubectl_get_shows_the_columns_of_kes() {
    case(async |case| {
        let key = case.set("db", unique("columns"));
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_success("app").await;
        let request = Request::get(format!(
            "/apis/kubernetes-client.io/v1/namespaces/{}/externalsecrets",
            case.namespace
        ))
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new());
        let table: Value = case.client.request(request.unwrap()).await.unwrap();
        let columns = table["columnDefinitions"].as_array().unwrap();
        let narrow: Vec<_> = columns
            .iter()
            .filter(|column| column["priority"] == 0)
            .map(|column| &column["name"])
            .collect();
        assert_eq!(narrow, ["Name", "Last Sync", "status", "Age"]);
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        let place = columns.iter().position(|column| column["name"] == "status").unwrap();
        assert_eq!((&cells[0], &cells[place]), (&json!("app"), &json!("SUCCESS")));
    });
}

#[test]
fn the_short_name_and_the_status_subresource_are_served() {
    case(async |case| {
        let request = Request::get("/apis/kubernetes-client.io/v1").body(Vec::new()).unwrap();
        let group: Value = case.client.request(request).await.unwrap();
        let resources = group["resources"].as_array().unwrap();
        let named = |name: &str| resources.iter().find(|resource| resource["name"] == name).unwrap();
        assert_eq!(named("externalsecrets")["shortNames"], json!(["es"]));
        named("externalsecrets/status");
    });
}

#[test]
fn without_list_and_watch_on_secrets_a_tampered_secret_is_repaired_at_the_next_interval() {
    alone(async || {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::InstallNoList).await.unwrap();
        let theirs = keyhole_test_harness::client(&installed.kubeconfig).await.unwrap();
        let listed = Api::<Secret>::all(theirs).list(&Default::default()).await;
        assert!(
            listed.is_err_and(|error| error.to_string().contains("forbidden")),
            "the manifest grants list"
        );

        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        aws.set_secret(REGION, "db", "no-list-value");
        let config = HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .interval(INTERVAL);
        let host = Host::start(config.env("KEYHOLE_LIST_SECRETS", "false")).await.unwrap();
        let spec = json!({"backendType": "secretsManager", "data": [{"key": "db", "name": "value"}]});
        external_secrets(&plane.admin(), "default")
            .create(&Default::default(), &external_secret("app", spec))
            .await
            .unwrap();
        let secrets: Api<Secret> = Api::namespaced(plane.admin(), "default");
        let holds = async |value: &str| {
            let found = eventually(PATIENCE, "the Secret", async || {
                let secret = secrets
                    .get_opt("app")
                    .await
                    .map_err(|error| error.to_string())?
                    .ok_or("there is none")?;
                (data_of(&secret)["value"] == value.as_bytes())
                    .then_some(())
                    .ok_or_else(|| "something else".to_owned())
            });
            if let Err(error) = found.await {
                panic!("{error:#}\n{}", host.log());
            }
        };
        holds("no-list-value").await;
        let tampered = Patch::Merge(json!({"stringData": {"value": "tampered"}}));
        secrets.patch("app", &PatchParams::default(), &tampered).await.unwrap();
        holds("no-list-value").await;
        assert!(!host.log().contains("forbidden"), "{}", host.log());
        nothing_leaked_into(&host.log(), &aws, &["no-list-value"]);
    });
}

#[test]
fn without_its_crd_the_host_says_so_in_one_line_and_ends() {
    alone(async || {
        let plane = ControlPlane::start().await.unwrap();
        let mut host = Host::spawn(HostConfig::new(&plane.kubeconfig(plane.admin_token()))).unwrap();
        let status = host.wait(PATIENCE).await.unwrap();
        assert!(!status.success());
        let log = host.log();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("externalsecrets.kubernetes-client.io"))
            .collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains("apply deploy/crds"), "it names the remedy: {log}");
    });
}
