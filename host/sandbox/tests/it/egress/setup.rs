//! A sandbox with a network: names, grants and time-outs of a test's choice.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials as AwsCredentials;
use futures::future::BoxFuture;
use keyhole_core::limits::Limits;
use keyhole_core::{CallError, EgressError, Identity};
use keyhole_sandbox::egress::{Network, Resolve, Timeouts};
use keyhole_sandbox::{
    ApiServer, AwsGrant, AwsSessions, Credentials, EndpointOverrides, Grant, HeaderGrant, Plugin, Ports,
    PrivateAddresses,
};
use serde_json::{Value as Json, json};

use crate::credentials::Safe;
use crate::guest::{Sandbox, call, component, engine, id, keys, texts};

pub const REGION: &str = "eu-west-1";

/// A resolver for tests. A name's answers come one after another; the last one stays.
#[derive(Default)]
pub struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<SocketAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    pub fn set(&self, name: &str, answers: &[&[SocketAddr]]) {
        let answers = answers.iter().rev().map(|answer| answer.to_vec()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers);
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut all = self.answers.lock().unwrap();
        let answer = all.get_mut(host).and_then(|answers| {
            if answers.len() > 1 {
                answers.pop()
            } else {
                answers.first().cloned()
            }
        });
        Box::pin(std::future::ready(answer.ok_or_else(|| io::ErrorKind::NotFound.into())))
    }
}

/// Sessions for tests: one set of credentials, and how often they were asked for.
pub struct Session {
    pub credentials: Option<AwsCredentials>,
    pub asked: AtomicUsize,
}

impl AwsSessions for Session {
    fn session<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<AwsCredentials, CallError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let none = || CallError::Identity {
            message: format!("no credentials for {identity}"),
            transient: false,
        };
        Box::pin(std::future::ready(self.credentials.clone().ok_or_else(none)))
    }
}

pub struct Setup {
    pub grant: Grant,
    pub names: Arc<Names>,
    pub network: Network,
    pub endpoints: EndpointOverrides,
    pub api_server: ApiServer,
    pub session: Arc<Session>,
    pub safe: Arc<Safe>,
}

impl Setup {
    /// These hosts, and loopback addresses for them.
    pub fn new(hosts: &[&str]) -> Self {
        let names = Arc::new(Names::default());
        let session = AwsCredentials::new("AKIAHOST", "host-secret", None, None, "test");
        Self {
            grant: Grant {
                hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
                private_addresses: ranges(&["127.0.0.0/8"]),
                ..Grant::default()
            },
            network: Network::direct().with_resolver(Arc::clone(&names) as Arc<dyn Resolve>),
            names,
            endpoints: EndpointOverrides::default(),
            api_server: ApiServer::default(),
            session: Arc::new(Session {
                credentials: Some(session),
                asked: AtomicUsize::new(0),
            }),
            safe: Arc::default(),
        }
    }

    pub fn name(self, name: &str, address: SocketAddr) -> Self {
        self.names.set(name, &[&[address]]);
        self
    }

    pub fn private(mut self, private_addresses: PrivateAddresses) -> Self {
        self.grant.private_addresses = private_addresses;
        self
    }

    pub fn limits(mut self, limits: Limits) -> Self {
        self.grant.limits = limits;
        self
    }

    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.network = self.network.with_timeouts(timeouts);
        self
    }

    /// Secrets Manager with these actions.
    pub fn aws(mut self, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        self.grant.aws = vec![AwsGrant {
            service: "secretsmanager".to_owned(),
            actions,
        }];
        self
    }

    pub fn header(mut self, header: HeaderGrant) -> Self {
        self.grant.headers.push(header);
        self
    }

    pub fn session(mut self, credentials: Option<AwsCredentials>) -> Self {
        self.session = Arc::new(Session {
            credentials,
            asked: AtomicUsize::new(0),
        });
        self
    }

    pub async fn sandbox(&self) -> Sandbox {
        let engine = engine();
        let ports = Ports {
            sessions: Arc::clone(&self.session) as Arc<dyn AwsSessions>,
            credentials: Arc::clone(&self.safe) as Arc<dyn Credentials>,
            endpoints: self.endpoints.clone(),
            network: self.network.clone(),
            api_server: self.api_server.clone(),
            observer: None,
        };
        let plugin = Plugin::load(&engine, component(&engine), id(), self.grant.clone(), ports)
            .await
            .unwrap();
        Sandbox { engine, plugin }
    }
}

pub fn ranges(ranges: &[&str]) -> PrivateAddresses {
    PrivateAddresses::Cidrs(ranges.iter().map(|range| range.parse().unwrap()).collect())
}

/// A GET.
pub fn get(scheme: &str, authority: &str, path: &str) -> Json {
    json!({ "scheme": scheme, "authority": authority, "path": path })
}

/// `json` with more members.
pub fn with(mut json: Json, more: Json) -> Json {
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json
}

impl Sandbox {
    /// What comes back of these settings of the guest's `http` habit.
    pub async fn exchanges(&self, settings: Json) -> Result<Vec<Json>, CallError> {
        let mut call = call(with(json!({"do": "http"}), settings));
        call.region = Some(REGION.into());
        let outcomes = self.plugin.fetch(&call, &keys(&["k"])).await?;
        Ok(serde_json::from_str(&texts(&outcomes)[0]).unwrap())
    }

    /// One exchange that works.
    pub async fn exchange(&self, exchange: Json) -> Json {
        let result = self
            .exchanges(json!({ "exchanges": [exchange] }))
            .await
            .unwrap()
            .remove(0);
        self.assert_empty();
        result
    }

    /// One exchange that fails; afterwards the plugin must be as good as new.
    pub async fn egress_error(&self, exchange: Json) -> EgressError {
        self.egress_error_of(json!({ "exchanges": [exchange] })).await
    }

    pub async fn egress_error_of(&self, settings: Json) -> EgressError {
        let error = match self.exchanges(settings).await {
            Err(CallError::Egress(error)) => error,
            other => panic!("{other:?}"),
        };
        self.assert_unharmed().await;
        error
    }
}
