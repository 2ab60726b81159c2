//! How a whole call of a plugin can fail, as opposed to one request of it.
//!
//! Each way to misbehave is a case of its own, because each tells somebody else to act: a denied host
//! is the administrator's to grant, a trap is the plugin author's to mend, an unreachable store is
//! nobody's for the moment. [`crate::failure`] maps every case to reason, metric label and retry.

use std::net::IpAddr;
use std::time::Duration;

use crate::store_error::StoreError;

/// Why a call gave no outcomes. Texts hold no secret: they come from the host, or were masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin reported that nothing could be asked.
    #[error("{0}")]
    Store(StoreError),
    /// The instance trapped.
    #[error("the plugin crashed ({0})")]
    Trap(String),
    /// Over its CPU time.
    #[error("the plugin used more than {} ms of CPU time", .0.as_millis())]
    Cpu(Duration),
    /// Over its wall-clock time.
    #[error("the plugin did not finish within {} s", .0.as_secs_f32())]
    Wall(Duration),
    /// Over its memory, in bytes.
    #[error("the plugin needed more than {0} bytes of memory")]
    Memory(usize),
    /// Returned, stored or logged more than allowed.
    #[error("the plugin's {what} is larger than {limit} bytes")]
    Output {
        /// What was too large, e.g. `value`, `answer`, `description`.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// Broke the contract.
    #[error("the plugin broke the contract: {0}")]
    Protocol(String),
    /// The host refused or could not make an HTTP exchange.
    #[error("{0}")]
    Egress(#[from] EgressError),
    /// The host has no credentials for the call's identity.
    #[error("{message}")]
    Identity {
        /// What went wrong and as whom.
        message: String,
        /// Whether asking again later can help without anybody acting.
        transient: bool,
    },
    /// The host itself failed, e.g. no instance could be made.
    #[error("the host could not run the plugin: {0}")]
    Host(String),
}

/// Why the host refused, broke off or could not make an HTTP exchange of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// No granted pattern matches.
    #[error("host {host} is not granted to the plugin; add it to spec.grant.hosts of its BackendPlugin")]
    HostNotGranted {
        /// Host and port.
        host: String,
    },
    /// Plain `http`, or another scheme, where only `https` is granted.
    #[error(
        "scheme {scheme} to {host} is not granted; use https, or write http:// before it in spec.grant.hosts of the BackendPlugin"
    )]
    SchemeNotGranted {
        /// The scheme that was asked for.
        scheme: String,
        /// Host and port.
        host: String,
    },
    /// The name leads to an address that no plugin may reach, or that its grant does not name.
    #[error(
        "{host} leads to {address}, which is {why}; only a range in spec.grant.allowPrivateAddresses of the BackendPlugin can allow it"
    )]
    AddressProhibited {
        /// The host as the plugin named it.
        host: String,
        /// Where it leads.
        address: IpAddr,
        /// E.g. `a loopback address`.
        why: &'static str,
    },
    /// A method or header that would let a plugin step around the checks.
    #[error("{0} is forbidden to plugins")]
    Forbidden(String),
    /// A header that the host sets on requests to this host.
    #[error("the plugin sent header {header} to {host} itself; the host sets it, as the plugin's grant says")]
    HeaderOfHost {
        /// Name of the header.
        header: String,
        /// Host and port.
        host: String,
    },
    /// An AWS action outside the grant.
    #[error("action {service}:{action} is not granted; add it to spec.grant.auth.aws of the plugin's BackendPlugin")]
    ActionNotGranted {
        /// Signing name of the service.
        service: String,
        /// From `X-Amz-Target`.
        action: String,
    },
    /// An AWS endpoint of another region than the one that the host signs for.
    #[error("{host} is an endpoint of another region than this call's, {region}")]
    WrongRegion {
        /// Host and port.
        host: String,
        /// The region of the call; `none` when the settings name none.
        region: String,
    },
    /// An `Authorization` that is not SigV4 with the placeholder key id, or for a host that is not signed for.
    #[error("the plugin sent credentials of its own to {host}")]
    ForeignSignature {
        /// Host and port.
        host: String,
    },
    /// More exchanges than allowed in one call.
    #[error("the plugin made more than {0} HTTP exchanges in one call")]
    TooManyExchanges(u32),
    /// A body over its limit in bytes.
    #[error("the {direction} body to {host} is larger than {limit} bytes")]
    BodyTooLarge {
        /// `request` or `response`.
        direction: &'static str,
        /// Host and port.
        host: String,
        /// Limit in bytes.
        limit: usize,
    },
    /// A time-out of the exchange.
    #[error("{host} did not {what} within {} s", .after.as_secs_f32())]
    TimedOut {
        /// Host and port.
        host: String,
        /// E.g. `accept a connection`, `answer`, `send the next part of its answer`.
        what: &'static str,
        /// After how long.
        after: Duration,
    },
    /// No connection, broken connection, TLS failure.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The cause, without any part of a request or answer.
        why: String,
    },
}

impl EgressError {
    /// Whether this is a refusal by policy, which stands until somebody changes the plugin or its grant.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::TimedOut { .. } | Self::Unreachable { .. })
    }
}

impl CallError {
    /// Label for metrics and logs: one of a closed set of snake-case words.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Store(_) => "store_error",
            Self::Trap(_) => "trap",
            Self::Cpu(_) => "cpu",
            Self::Wall(_) => "wall",
            Self::Memory(_) => "memory",
            Self::Output { .. } => "output",
            Self::Protocol(_) => "protocol",
            Self::Egress(error) => match error {
                EgressError::HostNotGranted { .. }
                | EgressError::SchemeNotGranted { .. }
                | EgressError::WrongRegion { .. } => "denied_host",
                EgressError::AddressProhibited { .. } => "prohibited_address",
                EgressError::Forbidden(_) | EgressError::ForeignSignature { .. } | EgressError::HeaderOfHost { .. } => {
                    "forbidden_request"
                }
                EgressError::ActionNotGranted { .. } => "action_not_granted",
                EgressError::TooManyExchanges(_) => "exchanges",
                EgressError::BodyTooLarge { .. } => "body",
                EgressError::TimedOut { .. } => "timed_out",
                EgressError::Unreachable { .. } => "unreachable",
            },
            Self::Identity { .. } => "identity",
            Self::Host(_) => "host",
        }
    }
}
