//! What a plugin says of itself.

use crate::bindings::keyhole::backend::types as wit;

/// What `describe` tells, built up step by step. The schemas come from the
/// [`Backend`](crate::Backend)'s types.
///
/// ```
/// # use keyhole_sdk::Description;
/// Description::new("secrets-manager", "1.4.0")
///     .backend_type("secretsManager", &["secretManager"])
///     .host("secretsmanager.{region}.amazonaws.com")
///     .aws("secretsmanager", &["GetSecretValue"])
///     .max_batch(20)
///     .metadata("homepage", "https://example.com/");
/// ```
#[derive(Clone, Debug)]
pub struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) backend_types: Vec<wit::BackendType>,
    pub(crate) hosts: Vec<String>,
    pub(crate) credentials: Vec<wit::CredentialWant>,
    pub(crate) max_batch: u32,
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
}

impl Description {
    /// A plugin of this short name (lower-case letters, digits and dashes) and semantic version. It
    /// takes one request at a time until [`max_batch`](Self::max_batch) says otherwise.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            backend_types: Vec::new(),
            hosts: Vec::new(),
            credentials: Vec::new(),
            max_batch: 1,
            metadata: serde_json::Map::new(),
        }
    }

    /// Serves `spec.backendType: NAME`, and these other spellings of it.
    #[must_use]
    pub fn backend_type(mut self, name: &str, aliases: &[&str]) -> Self {
        let aliases = aliases.iter().map(ToString::to_string).collect();
        self.backend_types.push(wit::BackendType {
            name: name.to_owned(),
            aliases,
        });
        self
    }

    /// Wants to reach hosts of this pattern; a placeholder in braces takes exactly one DNS label.
    #[must_use]
    pub fn host(mut self, pattern: impl Into<String>) -> Self {
        self.hosts.push(pattern.into());
        self
    }

    /// Wants the host to sign its requests to this AWS service. Sign them with the placeholder key id
    /// `KEYHOLE` and any secret; the host replaces the signature.
    #[must_use]
    pub fn aws(mut self, service: &str, actions: &[&str]) -> Self {
        let actions = actions.iter().map(ToString::to_string).collect();
        self.credentials.push(wit::CredentialWant::Aws(wit::AwsWant {
            service: service.to_owned(),
            actions,
        }));
        self
    }

    /// Wants the host to set this header on its requests.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>) -> Self {
        self.credentials.push(wit::CredentialWant::Header(name.into()));
        self
    }

    /// Wants a short-lived service-account token of this audience, see [`crate::credentials`].
    #[must_use]
    pub fn service_account_token(mut self, audience: impl Into<String>) -> Self {
        self.credentials
            .push(wit::CredentialWant::ServiceAccountToken(audience.into()));
        self
    }

    /// Wants to see the credential of this name, see [`crate::credentials`].
    #[must_use]
    pub fn exposed_credential(mut self, name: impl Into<String>) -> Self {
        self.credentials.push(wit::CredentialWant::Exposed(name.into()));
        self
    }

    /// Takes up to so many requests in one fetch.
    #[must_use]
    pub fn max_batch(mut self, requests: u32) -> Self {
        self.max_batch = requests.max(1);
        self
    }

    /// Anything else worth knowing, for people.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }
}
