//! What goes into a call of a plugin, and what is measured about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyhole_core::request::JsonText;
use keyhole_core::{Identity, Request};

/// What holds for all requests of one call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The effective settings, valid against the plugin's schema.
    pub settings: JsonText,
    /// As whom the store is asked.
    pub identity: Identity,
    /// The AWS region that the host signs for, when the plugin has an AWS grant.
    pub region: Option<Arc<str>>,
    /// For whom, when the call serves one namespace only. Told to the plugin.
    pub namespace: Option<Arc<str>>,
    /// All namespaces that the call serves, sorted; none where the administrator lets the plugin's batches be
    /// shared. Not told to the plugin. What it keeps for its next call is found by calls for exactly these.
    pub compartments: Arc<[Arc<str>]>,
    /// 1 for the first attempt at these requests, 2 for the next.
    pub attempt: u32,
    /// Counts what the call asks of its store.
    pub exchanges: Exchanges,
}

/// HTTP exchanges that a call has begun so far, refused ones included. Clones share the count, so whoever
/// made the call can read it while the call runs, and after it was given up.
#[derive(Clone, Debug, Default)]
pub struct Exchanges(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU32,
    succeeded: AtomicU32,
}

impl Exchanges {
    /// How many.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// How many were answered with a status of success.
    #[must_use]
    pub fn succeeded(&self) -> u32 {
        self.0.succeeded.load(Ordering::Relaxed)
    }

    /// One more has begun.
    pub fn begin(&self) {
        // A guest's exchanges are limited long before the count could wrap.
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// One was answered with a status of success.
    pub fn succeed(&self) {
        self.0.succeeded.fetch_add(1, Ordering::Relaxed);
    }
}

/// One request of a call, with the version that the host already has, if it can do without the value.
#[derive(Clone, Debug)]
pub struct PlannedRequest {
    /// What to fetch.
    pub request: Request,
    /// As the plugin returned it earlier. Only then may it answer `unchanged`.
    pub known_version: Option<Arc<str>>,
}

/// The functions of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Export {
    /// What the plugin is.
    Describe,
    /// Whether settings make sense.
    Validate,
    /// The values.
    Fetch,
}

impl Export {
    /// Label for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Validate => "validate",
            Self::Fetch => "fetch",
        }
    }

    /// What the function returns, as error texts call it.
    pub(crate) fn result_name(self) -> &'static str {
        match self {
            Self::Describe => "description",
            Self::Validate => "list of problems",
            Self::Fetch => "answer",
        }
    }
}

/// What one call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallStats {
    /// CPU time of the call, host functions included, waiting not.
    pub cpu: Duration,
    /// From the start of the instance to the answer. Waiting for a free slot is not part of it.
    pub wall: Duration,
    /// HTTP exchanges begun, refused ones included.
    pub exchanges: u32,
    /// Linear memory and tables at their largest, in bytes.
    pub peak_memory: usize,
    /// Log lines that the plugin wrote.
    pub log_lines: usize,
}

/// Something that a plugin finds wrong in its settings. Texts are masked and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON Pointer to the member; empty for the whole document.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}
