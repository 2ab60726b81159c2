//! A cluster whose operator may make tokens, a store, and a plugin that asks it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use keyhole_test_harness::{Manifest, apply, eventually, keyhole_binary};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::case::{Case, PATIENCE};
use crate::plugins::roster::bench::{Bench, fresh, from_file};
use crate::world::{alone, run};

/// The headers of a request.
pub type Headers = BTreeMap<String, String>;

static BENCH: OnceCell<Bench> = OnceCell::const_new();

/// Runs a case in the cluster whose operator has the rights of `--service-account-tokens`.
pub fn credential_case(test: impl AsyncFnOnce(&Case, &'static Bench)) {
    alone(async || {
        let start = async || {
            let bench = Bench::start(Manifest::Install).await;
            allow_tokens(&bench).await;
            bench
        };
        let bench = BENCH.get_or_init(start).await;
        let case = Case::open(&bench.world, None).await;
        run(case, async |case| test(case, bench).await).await;
    });
}

/// Applies the rules of `keyhole manifests --service-account-tokens` as they are printed.
pub async fn allow_tokens(bench: &Bench) {
    let printed = Command::new(keyhole_binary().unwrap())
        .args(["manifests", "--service-account-tokens"])
        .output()
        .unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(printed.stdout).unwrap()).unwrap();
    for document in documents.into_iter().filter(|document| !document["rules"].is_null()) {
        let object: DynamicObject = serde_json::from_value(document).unwrap();
        apply(&bench.world.plane.admin(), &object).await.unwrap();
    }
}

/// The plugin that serves this type.
pub fn courier(backend_type: &str) -> Vec<u8> {
    static GUEST: OnceLock<Vec<u8>> = OnceLock::new();
    const MARKER: &[u8] = b"courier-guest-type:";
    let built = || {
        let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile");
        let file = keyhole_guests::build(&workspace, "courier-guest", &workspace.join("target")).unwrap();
        std::fs::read(file).unwrap()
    };
    let mut bytes = GUEST.get_or_init(built).clone();
    let at = bytes.windows(MARKER.len()).position(|window| window == MARKER).unwrap() + MARKER.len();
    bytes[at..at + 64].fill(b' ');
    bytes[at..at + backend_type.len()].copy_from_slice(backend_type.as_bytes());
    bytes
}

/// A store that remembers what was sent to it.
pub struct Store {
    address: String,
    seen: Arc<Mutex<Vec<Headers>>>,
    value: String,
    stopped: Arc<AtomicBool>,
}

impl Store {
    pub fn start(case: &Case) -> Self {
        let value = crate::case::unique("value");
        case.search_for(&value.clone().into());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let store = Self {
            address: listener.local_addr().unwrap().to_string(),
            seen: Arc::default(),
            value,
            stopped: Arc::default(),
        };
        let (seen, value, stopped) = (Arc::clone(&store.seen), store.value.clone(), Arc::clone(&store.stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (seen, value) = (Arc::clone(&seen), value.clone());
                thread::spawn(move || serve(stream.unwrap(), &seen, &value));
            }
        });
        store
    }

    pub fn value(&self) -> &str {
        &self.value
    }

    /// The last request's header of this name, once `good` holds for it.
    pub async fn expect_header(&self, name: &str, good: impl Fn(&str) -> bool) -> String {
        let what = format!("the store to get the {name} that is wanted");
        let found = eventually(PATIENCE, &what, async || {
            let seen = self.seen.lock().unwrap();
            let last = seen.last().and_then(|headers| headers.get(name));
            match last {
                Some(value) if good(value) => Ok(value.clone()),
                Some(_) => Err("it got another one"),
                None => Err("it got none"),
            }
        });
        found.await.unwrap()
    }

    pub fn requests(&self) -> Vec<Headers> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

/// One request on each connection.
fn serve(stream: TcpStream, seen: &Mutex<Vec<Headers>>, value: &str) {
    let mut headers = Headers::new();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    if lines.next().is_none() {
        return;
    }
    for line in lines {
        let Ok(line) = line else { return };
        match line.split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    seen.lock().unwrap().push(headers);
    let length = value.len();
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{value}");
    let _ = (&stream).write_all(answer.as_bytes());
}

/// The plugin of a case, asking `store`.
pub struct Plugin {
    pub name: String,
    spec: Value,
}

impl Plugin {
    /// With these grants of credentials, taking along what `hand` lists.
    pub async fn install(case: &Case, bench: &Bench, store: &Store, auth: Value, hand: &[&str]) -> Self {
        let name = fresh(case, "courier");
        bench.write(&name, &courier(&name));
        let mut spec = from_file(&name);
        spec["settings"] = json!({"address": store.address, "hand": hand});
        spec["grant"] = json!({
            "hosts": [format!("http://{}", store.address)],
            "allowPrivateAddresses": ["127.0.0.0/8"],
            "auth": auth,
        });
        let plugin = Self { name, spec };
        bench.apply(&plugin.name, plugin.spec.clone()).await;
        bench.expect_serving(&plugin.name).await;
        plugin
    }

    /// The same with other grants.
    pub async fn grant(&mut self, bench: &Bench, auth: Value) {
        let grant = self.spec["grant"].as_object_mut().unwrap();
        // An empty object in place of what the field held is applied as null, which the schema refuses.
        match auth.as_object().unwrap().is_empty() {
            true => drop(grant.remove("auth")),
            false => drop(grant.insert("auth".to_owned(), auth)),
        }
        bench.apply(&self.name, self.spec.clone()).await;
        bench.expect_serving(&self.name).await;
    }

    /// An object of it, refreshed each second.
    pub async fn object(&self, case: &Case, name: &str, more: Value) {
        let mut spec = json!({"backendType": self.name, "data": [{"key": "k", "name": "value"}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        case.create_spec(name, spec).await;
    }
}

/// Secrets of the operator's namespace.
pub fn own_secrets(bench: &Bench) -> Api<Secret> {
    Api::namespaced(bench.world.plane.admin(), &bench.world.installed.namespace)
}

/// Writes an entry of a Secret of the operator's namespace, and has it searched for.
pub async fn put(case: &Case, bench: &Bench, name: &str, key: &str, value: &str) {
    case.search_for(&value.to_owned().into());
    let manifest =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}});
    let params = PatchParams::apply("case").force();
    own_secrets(bench)
        .patch(name, &params, &Patch::Apply(&manifest))
        .await
        .unwrap();
}

pub async fn remove(bench: &Bench, name: &str) {
    own_secrets(bench).delete(name, &DeleteParams::default()).await.unwrap();
}

/// A service account in the case's namespace.
pub async fn account(case: &Case, name: &str, annotations: Value) {
    let accounts: Api<ServiceAccount> = Api::namespaced(case.client.clone(), &case.namespace);
    let manifest = json!({"metadata": {"name": name, "annotations": annotations}});
    let account = serde_json::from_value(manifest).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
}

/// What the API server says of a token that is shown to it by a service of this audience.
pub async fn review(case: &Case, token: &str, audience: &str) -> TokenReviewStatus {
    case.search_for(&token.to_owned().into());
    let reviews: Api<TokenReview> = Api::all(case.client.clone());
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: token.to_owned(),
            audiences: Some(vec![audience.to_owned()]),
        },
        ..TokenReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap()
}

/// Whose token this is, for a service of this audience.
pub async fn owner(case: &Case, token: &str, audience: &str) -> Option<String> {
    let status = review(case, token, audience).await;
    (status.authenticated == Some(true)).then(|| status.user.unwrap().username.unwrap())
}
