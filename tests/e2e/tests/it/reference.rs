//! The examples of `docs/reference/externalsecret.md` and `backendplugin.md`, against the API server's own judgement.
//!
//! The page is read as its reader reads it, so what is tested is what can be copied from it.

use http::Request;
use serde_json::{Value, json};

use crate::case::Case;
use crate::world::case;

const PAGE: &str = include_str!("../../../../docs/reference/externalsecret.md");
const PAGE_OF_PLUGINS: &str = include_str!("../../../../docs/reference/backendplugin.md");

/// Each field with its example.
fn examples(page: &str) -> Vec<(String, Value)> {
    let sections = page.split("\n### `").skip(1);
    let example = |section: &str| {
        let (path, rest) = section.split_once('`').unwrap();
        let yaml = rest.split("```").nth(1).unwrap().strip_prefix("yaml\n").unwrap();
        (path.to_owned(), serde_saphyr::from_str(yaml).unwrap())
    };
    sections.map(example).collect()
}

/// What stands at a path like `spec.data[].key`.
fn at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(document, |value, step| match step.strip_suffix("[]") {
            Some(name) => value.get(name)?.get(0),
            None => value.get(step),
        })
}

/// A manifest that holds the example and what it lacks.
fn manifest(example: &Value, name: &str) -> Value {
    let mut spec = example.get("spec").cloned().unwrap_or_else(|| json!({}));
    if spec.get("backendType").is_none() {
        spec["backendType"] = json!("secretsManager");
    }
    if spec["backendType"] == "azureKeyVault" && spec.get("keyVaultName").is_none() {
        spec["keyVaultName"] = json!("any");
    }
    if ["data", "dataFrom", "dataFromWithOptions"]
        .iter()
        .all(|field| spec.get(field).is_none())
    {
        spec["dataFrom"] = json!(["any"]);
    }
    json!({"apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "metadata": {"name": name}, "spec": spec})
}

/// Sends a document, to be checked strictly and thrown away.
async fn dry_run(case: &Case, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let kind = format!(
        "/apis/kubernetes-client.io/v1/namespaces/{}/externalsecrets",
        case.namespace
    );
    dry_run_at(case, method, &format!("{kind}{path}"), body).await
}

async fn dry_run_at(case: &Case, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let url = format!("{path}?dryRun=All&fieldValidation=Strict");
    let content = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", content);
    let request = request.body(serde_json::to_vec(body).unwrap()).unwrap();
    case.client.request(request).await.map_err(|error| error.to_string())
}

#[test]
fn the_api_server_admits_every_example_of_the_reference() {
    case(async |case| {
        // Somebody else's object, to try status on.
        let mut object = manifest(&json!({}), "status");
        object["spec"]["controllerId"] = json!("nobody");
        case.create_spec("status", object["spec"].clone()).await;
        let examples = examples(PAGE);
        assert!(examples.len() > 50, "{}", examples.len());
        for (path, example) in examples {
            let answer = match example.get("status") {
                Some(_) => dry_run(case, "PATCH", "/status/status", &example).await,
                None => dry_run(case, "POST", "", &manifest(&example, "tried")).await,
            };
            let answer = answer.unwrap_or_else(|refusal| panic!("{path}: {refusal}"));
            let written = at(&example, &path).unwrap_or_else(|| panic!("{path} is not in its example"));
            assert_eq!(at(&answer, &path), Some(written), "{path}");
        }
    });
}

#[test]
fn an_example_with_a_field_that_is_none_would_be_refused() {
    case(async |case| {
        let wrong = manifest(&json!({"spec": {"dataFrm": ["any"]}}), "tried");
        let refusal = dry_run(case, "POST", "", &wrong).await.unwrap_err();
        assert!(refusal.contains("dataFrm"), "{refusal}");
    });
}

#[test]
fn the_api_server_admits_every_example_of_the_reference_of_plugins() {
    case(async |case| {
        const PLUGINS: &str = "/apis/kubernetes-client.io/v1alpha1/backendplugins";
        let plugin = |name: &str, spec: &Value| {
            let kind = ("kubernetes-client.io/v1alpha1", "BackendPlugin");
            json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": name}, "spec": spec})
        };
        // Whatever its status says, the host says something else soon after.
        let name = format!("{}-status", case.namespace);
        let whole = plugin(&name, &json!({"source": {"file": {"path": "none.wasm"}}}));
        let request = Request::post(PLUGINS).header("content-type", "application/json");
        let request = request.body(serde_json::to_vec(&whole).unwrap()).unwrap();
        case.client.request::<Value>(request).await.unwrap();
        let examples = examples(PAGE_OF_PLUGINS);
        assert!(examples.len() > 60, "{}", examples.len());
        for (path, example) in examples {
            let answer = match example.get("status") {
                Some(_) => dry_run_at(case, "PATCH", &format!("{PLUGINS}/{name}/status"), &example).await,
                None => dry_run_at(case, "POST", PLUGINS, &plugin("tried", &example["spec"])).await,
            };
            let answer = answer.unwrap_or_else(|refusal| panic!("{path}: {refusal}"));
            let written = at(&example, &path).unwrap_or_else(|| panic!("{path} is not in its example"));
            assert_eq!(at(&answer, &path), Some(written), "{path}");
        }
        let request = Request::delete(format!("{PLUGINS}/{name}")).body(Vec::new()).unwrap();
        case.client.request::<Value>(request).await.unwrap();
    });
}
