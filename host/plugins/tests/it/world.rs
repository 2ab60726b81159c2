//! A registry with a plugin, and somebody who obtains it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use keyhole_core::SecretBytes;
use keyhole_plugins::cosign::PublicKey;
use keyhole_plugins::oci::{Credentials, OciImage, Push, push};
use keyhole_plugins::{
    ClusterFileError, ClusterFiles, Demands, Digest, Obtained, Policy, Source, SourceError, Sources,
};
use keyhole_test_harness::{CosignKey, Registry, RegistryConfig};
use tempfile::TempDir;

/// Where plugins are pushed to.
pub const REPOSITORY: &str = "acme/store";

pub struct World {
    pub registry: Registry,
    pub config: RegistryConfig,
    pub sources: Sources,
    _cache: TempDir,
}

/// Pull secrets by name.
#[derive(Debug, Default)]
pub struct PullSecrets(pub BTreeMap<String, String>);

impl ClusterFiles for PullSecrets {
    fn config_map_entry<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ClusterFileError>> {
        async { Ok(None) }.boxed()
    }

    fn docker_config<'a>(&'a self, secret: &'a str) -> BoxFuture<'a, Result<Option<SecretBytes>, ClusterFileError>> {
        let found = self.0.get(secret).map(|config| config.clone().into());
        async { Ok(found) }.boxed()
    }
}

/// A component that is unlike any of another name: nothing but a custom section.
pub fn component(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let mut bytes = b"\0asm\x0d\0\x01\0\0".to_vec();
    bytes.extend([length + 1, length]);
    bytes.extend(name.as_bytes());
    bytes
}

/// A docker configuration with one entry.
pub fn docker_config(registry: &str, user: &str, password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
    serde_json::json!({ "auths": { registry: { "auth": auth } } }).to_string()
}

/// The plain, open registry that most cases need.
pub async fn open() -> World {
    World::start(RegistryConfig::default()).await
}

impl World {
    pub async fn start(config: RegistryConfig) -> Self {
        let cache = tempfile::tempdir().unwrap();
        Self {
            registry: Registry::start(config).await.unwrap(),
            config,
            sources: Sources {
                cache: Some(cache.path().join("sources")),
                ..Sources::default()
            },
            _cache: cache,
        }
    }

    /// The image with this tag or digest (`:1`, `@sha256:...`).
    pub fn image(&self, which: &str) -> OciImage {
        let reference = format!("{}/{REPOSITORY}{which}", self.registry.host());
        OciImage {
            reference: reference.parse().unwrap(),
            pull_secret: self.config.login.then(|| "pull".into()),
            ca_bundle: self.config.tls.then(|| self.registry.authority().as_bytes().to_vec()),
            plain_http: !self.config.tls,
        }
    }

    pub fn source(&self, which: &str) -> Source {
        Source::Oci(Box::new(self.image(which)))
    }

    /// Publishes a component. Returns the digest of its manifest.
    pub async fn push(&self, tag: &str, component: &[u8]) -> Digest {
        let image = self.image(&format!(":{tag}"));
        let pushed = push(Push {
            image: &image,
            component: component.to_vec(),
            annotations: BTreeMap::new(),
            credentials: self.config.login.then(|| Credentials::Basic {
                user: Registry::USER.to_owned(),
                password: Registry::PASSWORD.to_owned().into(),
            }),
            proxy: None,
        });
        pushed.await.unwrap()
    }

    pub async fn obtain(&self, which: &str, demands: &Demands) -> Result<Obtained, SourceError> {
        self.sources.obtain(&self.source(which), demands).await
    }

    /// Obtains what nothing is demanded of but its digest.
    pub async fn pull(&self, which: &str) -> Result<Obtained, SourceError> {
        self.obtain(which, &Demands::default()).await
    }

    /// Gives the operator these pull secrets.
    pub fn with_pull_secrets(&mut self, secrets: &[(&str, String)]) {
        let secrets = secrets
            .iter()
            .map(|(name, config)| ((*name).to_owned(), config.clone()));
        self.sources.cluster = Some(Arc::new(PullSecrets(secrets.collect())));
    }

    pub fn allow_tags(&mut self) {
        self.sources.policy = Policy {
            tags_allowed: true,
            ..self.sources.policy.clone()
        };
    }
}

pub fn at(digest: &Digest) -> String {
    format!("@{digest}")
}

pub fn public(key: &CosignKey) -> PublicKey {
    key.public.parse().unwrap()
}

pub fn signed_by(keys: &[&CosignKey]) -> Demands {
    Demands {
        digest: None,
        keys: keys.iter().map(|key| public(key)).collect(),
    }
}

pub fn reason(obtained: Result<Obtained, SourceError>) -> &'static str {
    obtained.unwrap_err().reason()
}
