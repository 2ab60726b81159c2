//! What the plugin needs of the service, so that everything above can be tested without it.

use keyhole_aws::Fault;

use crate::ask::Path;

/// A parameter's value and what is known of it. `Debug` shows everything but the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Full name, as the store has it.
    pub name: String,
    /// The value, decrypted. A StringList is its comma-separated text.
    pub text: String,
    /// Whether it is a StringList.
    pub is_list: bool,
    /// Changes whenever the value does.
    pub version: Option<String>,
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameter")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What GetParameters says.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The parameters that are there, each with its value or why it has none.
    pub found: Vec<(String, Result<Parameter, Fault>)>,
    /// The names that mean nothing to the store.
    pub invalid: Vec<String>,
}

/// One page of GetParametersByPath.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What is on it.
    pub parameters: Vec<Parameter>,
    /// Where the next page starts.
    pub next: Option<String>,
}

/// The three calls of the service. All of them decrypt.
pub trait Api {
    /// GetParameter, by name, name and selector, or ARN.
    async fn get(&self, name: &str) -> Result<Parameter, Fault>;

    /// GetParameters, by plain names.
    async fn batch(&self, names: &[&str]) -> Result<Batch, Fault>;

    /// One page of GetParametersByPath.
    async fn page(&self, path: &Path, token: Option<&str>) -> Result<Page, Fault>;
}
