//! Credentials from the command line, in place of those that an operator finds in its cluster.
//!
//! A grant names Secrets and tokens; whoever tries a plugin gives each as a file or a variable, never as an
//! argument, which every process of the machine could read. What the grant names and nobody gave is told
//! before anything is asked of a store.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, bail};
use futures::future::BoxFuture;
use keyhole_core::{Identity, SecretBytes};
use keyhole_sandbox::{Credential, CredentialError, Credentials, Grant};

/// The largest credential.
const LIMIT: usize = 64 << 10;

/// Credentials by where a grant says that they are.
#[derive(Debug, Default)]
pub struct Given {
    found: BTreeMap<Credential, SecretBytes>,
}

impl Given {
    /// What `--secret` and `--token` say.
    pub fn read(secrets: &[String], tokens: &[String]) -> anyhow::Result<Self> {
        let mut found = BTreeMap::new();
        for given in secrets {
            let (name, value) = given.split_once('=').unwrap_or((given.as_str(), ""));
            let Some((name, key)) = name.split_once('/').filter(|_| !value.is_empty()) else {
                bail!("--secret {name:?} names no file; write it as NAME/KEY=FILE or NAME/KEY=env:VARIABLE");
            };
            let credential = Credential::Secret {
                name: name.into(),
                key: key.into(),
            };
            found.insert(
                credential,
                value_of(value).with_context(|| format!("--secret {name}/{key}"))?,
            );
        }
        for given in tokens {
            // An audience may be a URL with an equals sign in it; a file rarely has one in its name.
            let Some((audience, value)) = given.rsplit_once('=').filter(|(_, value)| !value.is_empty()) else {
                bail!("--token {given:?} names no file; write it as AUDIENCE=FILE or AUDIENCE=env:VARIABLE");
            };
            let credential = Credential::Token {
                audience: audience.into(),
            };
            found.insert(
                credential,
                value_of(value).with_context(|| format!("--token {audience}"))?,
            );
        }
        Ok(Self { found })
    }

    /// One of them, if it is here.
    pub fn get(&self, credential: &Credential) -> Option<&SecretBytes> {
        self.found.get(credential)
    }

    /// Adds one.
    pub fn insert(&mut self, credential: Credential, value: SecretBytes) {
        self.found.insert(credential, value);
    }

    /// Fails with the flag to give when the grant names something that is not here.
    pub fn check(&self, grant: &Grant) -> anyhow::Result<()> {
        let missing = named(grant)
            .into_iter()
            .find(|credential| !self.found.contains_key(credential));
        match missing {
            None => Ok(()),
            Some(Credential::Secret { name, key }) => {
                bail!("the grant names entry {key} of Secret {name}; give it with --secret {name}/{key}=FILE")
            }
            Some(Credential::Token { audience }) => bail!(
                "the grant names a service-account token for audience {audience}; make one with `kubectl create token NAME --audience {audience}` and give it with --token {audience}=FILE"
            ),
        }
    }
}

impl Credentials for Given {
    fn credential<'a>(
        &'a self,
        credential: &'a Credential,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        let found = self.found.get(credential).cloned();
        Box::pin(std::future::ready(found.ok_or(CredentialError::NoCluster)))
    }
}

/// Every credential that a grant names.
pub fn named(grant: &Grant) -> Vec<Credential> {
    let headers = grant.headers.iter().map(|header| header.credential.clone());
    let token = grant.token.clone().map(|audience| Credential::Token { audience });
    headers.chain(token).chain(grant.exposed.values().cloned()).collect()
}

/// A file without its last line break, or a variable.
fn value_of(place: &str) -> anyhow::Result<SecretBytes> {
    let bytes = match place.strip_prefix("env:") {
        Some(name) => std::env::var(name)
            .with_context(|| format!("variable {name} is not set, or no text"))?
            .into_bytes(),
        None => fs::read(place).with_context(|| format!("cannot read {place}"))?,
    };
    if bytes.len() > LIMIT {
        bail!("larger than {} KiB", LIMIT >> 10);
    }
    let mut bytes = bytes;
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    Ok(bytes.into())
}
