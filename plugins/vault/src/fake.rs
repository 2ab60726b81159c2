//! A Vault in memory: tokens that can be revoked, entries of both engines, and the answers that OpenBao 2.7
//! gives.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use keyhole_sdk::http::Sent;
use keyhole_sdk::testing::{self, Answer, Http, key};
use keyhole_sdk::{Error, Outcome, Request};
use serde_json::{Value as Json, json};

use crate::component::Vault;
use crate::settings::tests::settings;

#[derive(Default)]
pub struct State {
    /// Paths and the bodies of their answers.
    pub entries: BTreeMap<String, Json>,
    /// What LIST answers, by path.
    pub folders: BTreeMap<String, Vec<&'static str>>,
    /// Paths that the policy does not allow.
    pub denied: BTreeSet<String>,
    /// Other answers, by path: status and body.
    pub faults: BTreeMap<String, (u16, Json)>,
    /// Valid tokens.
    pub tokens: BTreeSet<String>,
    /// Whether tokens may look themselves up.
    pub no_default_policy: bool,
    pub lease: u64,
    pub renewed_lease: u64,
    pub logins: usize,
}

#[derive(Clone)]
pub struct Fake(pub Rc<RefCell<State>>, Rc<Http>);

impl Fake {
    pub fn new() -> Self {
        testing::grant("service-account-token", *b"jwt-of-the-account");
        let state = Rc::new(RefCell::new(State {
            lease: 3600,
            renewed_lease: 3600,
            ..State::default()
        }));
        let served = Rc::clone(&state);
        let http = Http::serve(move |request| served.borrow_mut().answer(request));
        Self(state, Rc::new(http))
    }

    /// With entries of version 2.
    pub fn with(names: &[&str]) -> Self {
        let fake = Self::new();
        for name in names {
            fake.put(name, json!({"password": format!("value of {name}")}), 1);
        }
        fake
    }

    pub fn put(&self, name: &str, data: Json, version: u64) {
        let metadata = json!({"version": version, "created_time": format!("2026-01-02T03:04:0{version}Z")});
        let body = json!({"data": {"data": data, "metadata": metadata}});
        self.0.borrow_mut().entries.insert(name.to_owned(), body);
    }

    pub fn revoke_all(&self) {
        self.0.borrow_mut().tokens.clear();
    }

    pub fn logins(&self) -> usize {
        self.0.borrow().logins
    }

    /// Methods and paths so far.
    pub fn asked(&self) -> Vec<String> {
        let line = |sent: &Sent| match sent.query() {
            "" => format!("{} {}", sent.method, sent.path()),
            query => format!("{} {}?{query}", sent.method, sent.path()),
        };
        self.1.requests().iter().map(line).collect()
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.1.requests()
    }

    pub fn fetch(&self, more: Json, requests: &[Request<Json>]) -> Result<Vec<Outcome>, Error> {
        testing::fetch::<Vault>(&settings(more), requests)
    }

    /// One entry with the ordinary settings.
    pub fn one(&self, name: &str) -> Outcome {
        self.fetch(json!({}), &[key(name)]).unwrap().remove(0)
    }
}

impl State {
    fn answer(&mut self, request: &Sent) -> Answer {
        let (_, path) = request.path().split_once("/v1/").unwrap();
        if let Some((status, body)) = self.faults.get(path) {
            return Answer::json(*status, body);
        }
        if request.method == "POST" && path.starts_with("auth/") && path.ends_with("/login") {
            self.logins += 1;
            let token = format!("s.token-number-{}", self.logins);
            self.tokens.insert(token.clone());
            let auth = json!({"client_token": token, "lease_duration": self.lease, "renewable": true});
            return Answer::json(200, &json!({ "auth": auth }));
        }
        let token = request.header("x-vault-token").unwrap_or_default();
        let refused = || Answer::json(403, &json!({"errors": ["permission denied"]}));
        if !self.tokens.contains(token) || self.denied.contains(path) {
            return refused();
        }
        match path {
            "auth/token/lookup-self" if self.no_default_policy => refused(),
            "auth/token/lookup-self" => Answer::json(200, &json!({"data": {"ttl": 1}})),
            "auth/token/renew-self" => {
                let auth = json!({"client_token": token, "lease_duration": self.renewed_lease, "renewable": true});
                Answer::json(200, &json!({ "auth": auth }))
            }
            _ if request.query() == "list=true" => match self.folders.get(path.trim_end_matches('/')) {
                Some(keys) => Answer::json(200, &json!({"data": {"keys": keys}})),
                None => Answer::json(404, &json!({"errors": []})),
            },
            _ => match self.entries.get(path) {
                Some(body) => Answer::json(200, body),
                None => Answer::json(404, &json!({"errors": []})),
            },
        }
    }
}
