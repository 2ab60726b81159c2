//! AWS: the standard chain, STS, and the session of every identity that a call can have.

mod base;
mod explain;
mod http_client;
mod identities;
mod region;
mod sts;
mod web_identity;

use std::time::SystemTime;

use aws_credential_types::Credentials;
use keyhole_core::CallError;

use crate::session_cache::{Kept, Life, Refusal};

pub use identities::{Identities, IdentityConfig};
pub use region::profile_region;
pub use sts::StsEndpointType;

impl Kept for Credentials {
    fn life(&self, now: SystemTime) -> Life {
        match self.expiry() {
            Some(expiry) => Life::until(expiry, now),
            None => Life::STATIC,
        }
    }
}

impl Refusal for CallError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Identity { transient: true, .. })
    }
}
