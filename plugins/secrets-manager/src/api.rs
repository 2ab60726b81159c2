//! What the plugin needs of the service, so that everything above can be tested without it.

use keyhole_aws::Fault;
use keyhole_sdk::Content;

use crate::ask::Ask;

/// A secret's value and the id of its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The value.
    pub content: Content,
    /// Changes whenever the value does.
    pub version_id: Option<String>,
}

/// One page of BatchGetSecretValue.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What it says of single secrets.
    pub entries: Vec<Entry>,
    /// Where the next page starts.
    pub next: Option<String>,
}

/// What a batch says of one secret.
#[derive(Clone, Debug)]
pub struct Entry {
    /// By which names the secret goes: name and ARN, or the id as it was asked.
    pub names: Vec<String>,
    /// Its value, or why there is none.
    pub answer: Result<Fetched, Fault>,
}

/// The two calls of the service.
pub trait Api {
    /// GetSecretValue.
    async fn get(&self, ask: &Ask) -> Result<Fetched, Fault>;

    /// One page of BatchGetSecretValue.
    async fn batch(&self, names: &[&str], page: Option<&str>) -> Result<Page, Fault>;
}
