//! Searches everything that was said anywhere for everything that must stay secret.
//!
//! Said: logs of all hosts and of the control plane, status of all ExternalSecrets and BackendPlugins, all
//! events, metrics of the shared host. Secret: every value that a case put into AWS (as it is, as base64, escaped as in JSON, and
//! the leaves of JSON values), every secret key and session token, every token of the cluster. It runs at the
//! end of each case over all cases so far, so the case that ends last searches the whole run.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use k8s_openapi::api::events::v1::Event;
use keyhole_test_aws::FakeAws;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::world::World;

/// Shorter texts are in any log by chance.
const SHORTEST: usize = 6;

/// Panics where something leaked, and says where.
pub async fn nothing_leaked(world: &World) {
    let mut secrets = world.values.lock().unwrap().clone();
    secrets.extend(world.aws.credential_secrets().into_iter().map(String::into_bytes));
    secrets.extend([world.installed.token.clone(), world.plane.admin_token().to_owned()].map(String::into_bytes));
    let finder = Finder::new(&secrets);
    for (place, text) in said(world).await {
        if let Some(excerpt) = finder.find(&text) {
            panic!("a secret leaked into {place}: ...{excerpt}...");
        }
    }
}

/// The same for a host that has its own world.
pub fn nothing_leaked_into(log: &str, aws: &FakeAws, values: &[&str]) {
    let values = values.iter().map(|value| value.as_bytes().to_vec());
    let secrets: Vec<_> = values
        .chain(aws.credential_secrets().into_iter().map(String::into_bytes))
        .collect();
    if let Some(excerpt) = Finder::new(&secrets).find(log) {
        panic!("a secret leaked into the host's log: ...{excerpt}...");
    }
}

/// Everything that was said, with where.
async fn said(world: &World) -> Vec<(String, String)> {
    let mut said = vec![
        ("the host's log".to_owned(), world.host.log()),
        (
            "the host's metrics".to_owned(),
            world.host.page("/metrics").await.unwrap(),
        ),
    ];
    said.extend(
        world
            .other_logs
            .lock()
            .unwrap()
            .iter()
            .map(|log| ("another host's log".to_owned(), log.clone())),
    );
    if let Some(moto) = world.moto.get() {
        said.push(("the log of the host with moto".to_owned(), moto.host.log()));
    }
    for entry in std::fs::read_dir(world.plane.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            said.push((path.display().to_string(), text));
        }
    }
    for (version, kind, plural) in [
        ("v1", "ExternalSecret", "externalsecrets"),
        ("v1alpha1", "BackendPlugin", "backendplugins"),
    ] {
        let kind = GroupVersionKind::gvk("kubernetes-client.io", version, kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let objects: Api<DynamicObject> = Api::all_with(world.plane.admin(), &resource);
        for object in objects.list(&ListParams::default()).await.unwrap() {
            said.push((
                format!("the status of {:?}", object.metadata.name),
                object.data["status"].to_string(),
            ));
        }
    }
    let events: Api<Event> = Api::all(world.plane.admin());
    for event in events.list(&ListParams::default()).await.unwrap() {
        said.push(("an event".to_owned(), serde_json::to_string(&event).unwrap()));
    }
    said
}

struct Finder(AhoCorasick);

impl Finder {
    fn new(secrets: &[Vec<u8>]) -> Self {
        let mut needles: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        needles.retain(|needle| needle.len() >= SHORTEST);
        needles.sort_unstable();
        needles.dedup();
        Self(AhoCorasick::new(needles).unwrap())
    }

    /// What stands around the first hit.
    fn find(&self, text: &str) -> Option<String> {
        let hit = self.0.find(text.as_bytes())?;
        let (start, end) = (hit.start().saturating_sub(80), (hit.end() + 20).min(text.len()));
        Some(String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned())
    }
}

/// The forms in which a secret could show.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec()];
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret).into_bytes());
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        let quoted = Value::from(text).to_string();
        forms.push(quoted.trim_matches('"').as_bytes().to_vec());
        forms.push(format!("{text:?}").trim_matches('"').as_bytes().to_vec());
        if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
            forms.extend(leaves(&value).into_iter().flat_map(|leaf| forms_of_leaf(&leaf)));
        }
    }
    forms
}

fn forms_of_leaf(leaf: &str) -> Vec<Vec<u8>> {
    vec![leaf.as_bytes().to_vec(), STANDARD_NO_PAD.encode(leaf).into_bytes()]
}

fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

#[test]
fn the_search_finds_a_value_in_every_form_and_nothing_else() {
    let finder = Finder::new(&[
        b"correct \"horse\"".to_vec(),
        br#"{"user":{"password":"battery-staple"}}"#.to_vec(),
    ]);
    for leak in [
        "log: correct \"horse\" was here",
        r#"{"msg":"got correct \"horse\""}"#,
        "Y29ycmVjdCAiaG9yc2Ui",
        "the password battery-staple of the JSON",
        "YmF0dGVyeS1zdGFwbGU",
    ] {
        assert!(finder.find(leak).is_some(), "{leak}");
    }
    assert!(finder.find("correct the horse; user and password; battery").is_none());
}
