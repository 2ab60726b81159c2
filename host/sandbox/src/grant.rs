//! What the administrator allows one plugin.
//!
//! A plugin *wants* hosts and credentials ([`crate::Description`]); it *has* what its grant says and
//! nothing else. The default grant allows nothing, so forgetting a field can only take away.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use ipnet::IpNet;
use keyhole_core::host_pattern::HostPattern;
use keyhole_core::limits::Limits;

/// The grant of one plugin. Two plugins never share one, even when they are equal: connection pools
/// belong to a grant, and a shared pool would lend one plugin's checked connection to another.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// The hosts that the plugin may speak to.
    pub hosts: Vec<HostPattern>,
    /// Which private addresses these hosts may resolve to.
    pub private_addresses: PrivateAddresses,
    /// AWS services for which the host signs.
    pub aws: Vec<AwsGrant>,
    /// Headers that the host sets on the way out.
    pub headers: Vec<HeaderGrant>,
    /// The audience of the token that the plugin is handed as `service-account-token`, if it is.
    pub token: Option<Arc<str>>,
    /// Whether objects may name a service account of their namespace in place of the operator's.
    pub service_accounts: bool,
    /// Credentials that the plugin sees, by name, for `credentials.get`. Empty for most plugins.
    pub exposed: BTreeMap<String, Credential>,
    /// Certificate authorities, in PEM, that are trusted beside the system's for this plugin's hosts.
    pub ca_bundle: Vec<u8>,
    /// What one call may take.
    pub limits: Limits,
}

/// Which private addresses granted hosts may lead to. Loopback, link-local and metadata addresses
/// need a range that names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// Public addresses only.
    #[default]
    None,
    /// Also those that VPC endpoints of AWS resolve to: RFC 1918, unique-local, 100.64/10.
    AwsVpc,
    /// Also these ranges.
    Cidrs(Vec<IpNet>),
}

/// One AWS service that the host signs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsGrant {
    /// Signing name, e.g. `secretsmanager`.
    pub service: String,
    /// Action names as in `X-Amz-Target` without their prefix, e.g. `GetSecretValue`.
    pub actions: Vec<String>,
}

/// One header that the host sets, so that the plugin never sees the credential in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderGrant {
    /// Its name.
    pub name: HeaderName,
    /// Text before the credential, e.g. `Bearer `.
    pub prefix: String,
    /// What follows it.
    pub credential: Credential,
    /// The hosts that get it; all granted hosts if there are none.
    pub hosts: Vec<HostPattern>,
}

/// Where a credential is found. Holds no secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Credential {
    /// An entry of a Secret in the operator's namespace.
    Secret {
        /// Name of the Secret.
        name: Arc<str>,
        /// Entry of its data.
        key: Arc<str>,
    },
    /// A bound token of the call's service account, or of the operator's own where the call has none.
    Token {
        /// For whom the token is.
        audience: Arc<str>,
    },
}

/// As error texts call it.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { name, key } => write!(f, "entry {key:?} of Secret {name}"),
            Self::Token { audience } => write!(f, "the service account's token for {audience:?}"),
        }
    }
}
