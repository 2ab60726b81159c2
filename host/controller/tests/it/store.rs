//! A store in memory that counts what it is asked.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use keyhole_core::permission::{Matcher, Matching, Question};
use keyhole_core::store_error::{StoreError, StoreErrorKind};
use keyhole_core::{CallError, Outcome, PluginId, Selector, Value};
use keyhole_plugins::{Backend, Call, LivePlugin, LiveSet, PlannedRequest, Rules};
use keyhole_sandbox::{BackendType, Description, Problem};
use serde_json::json;

#[derive(Default)]
pub struct Store {
    values: Mutex<HashMap<String, (String, u64)>>,
    puts: AtomicU64,
    asked: AtomicUsize,
}

impl Store {
    pub fn put(&self, key: &str, value: &str) {
        let version = self.puts.fetch_add(1, Ordering::SeqCst);
        self.values
            .lock()
            .unwrap()
            .insert(key.to_owned(), (value.to_owned(), version));
    }

    pub fn remove(&self, key: &str) {
        self.values.lock().unwrap().remove(key);
    }

    /// Requests so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn live(self: &Arc<Self>) -> LiveSet {
        let live = LiveSet::default();
        self.install(&live, "memory");
        live
    }

    pub fn install(self: &Arc<Self>, live: &LiveSet, backend_type: &str) {
        let any = json!({"type": "object"}).as_object().cloned().unwrap();
        let description = Description {
            name: backend_type.to_owned(),
            version: "1.0.0".to_owned(),
            backend_types: vec![BackendType {
                name: backend_type.to_owned(),
                aliases: Vec::new(),
            }],
            settings_schema: any.clone(),
            options_schema: any,
            hosts: Vec::new(),
            credentials: Vec::new(),
            max_batch: NonZeroU32::new(20).unwrap(),
            metadata: serde_json::Map::new(),
        };
        let id = PluginId {
            name: backend_type.into(),
            digest: "sha256:0".into(),
        };
        let rules = Rules {
            shares_batches: true,
            concurrent_calls: 4,
            ..Rules::default()
        };
        let conflicts = live.install(LivePlugin::new(id, &description, rules, self.clone()).unwrap());
        assert!(conflicts.is_empty());
    }

    fn answer(&self, request: &PlannedRequest) -> Outcome {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let Selector::Key(key) = &request.request.selector else {
            panic!("only keys")
        };
        let values = self.values.lock().unwrap();
        let Some((value, version)) = values.get(&**key) else {
            let message = format!("no secret {key:?}");
            return Outcome::Failed(StoreError {
                kind: StoreErrorKind::NotFound,
                message,
                store_code: None,
            });
        };
        let version: Arc<str> = version.to_string().as_str().into();
        if request.known_version.as_ref() == Some(&version) {
            return Outcome::Unchanged;
        }
        Outcome::Value(Value {
            bytes: value.clone().into(),
            is_text: true,
            version: Some(version),
        })
    }
}

impl Backend for Store {
    fn validate<'a>(&'a self, _settings: &'a str) -> BoxFuture<'a, Result<Vec<Problem>, CallError>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn fetch<'a>(
        &'a self,
        _call: &'a Call,
        requests: &'a [PlannedRequest],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        async { Ok(requests.iter().map(|request| self.answer(request)).collect()) }.boxed()
    }
}

/// No JavaScript: nothing in here needs it.
pub struct NoScript;

impl Matcher for NoScript {
    fn matches<'a>(&'a self, question: &'a Question) -> Matching<'a> {
        Box::pin(async move { panic!("JavaScript is asked for {question:?}") })
    }
}
