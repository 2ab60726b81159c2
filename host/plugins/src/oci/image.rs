//! An artifact as an object names it.

use std::sync::Arc;

use crate::oci::Reference;

/// An artifact, and how its registry is spoken to.
#[derive(Clone, Debug)]
pub struct OciImage {
    /// Where it is.
    pub reference: Reference,
    /// Secret of type `kubernetes.io/dockerconfigjson` in the operator's namespace.
    pub pull_secret: Option<Arc<str>>,
    /// Certificate authorities of the registry in PEM, beside the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// Speak plain HTTP.
    pub plain_http: bool,
}
