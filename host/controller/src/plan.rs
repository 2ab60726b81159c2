//! What an object asks for, once Kubernetes is taken away.
//!
//! [`plan_object`] reads an ExternalSecret once per change and says everything that the rest of the
//! road needs: which plugin is asked with which settings and as whom, for what, and what the answers
//! become. Whatever cannot be served is a [`Failure`] here, before any call is made; all of them are
//! collected, so that one edit can mend all. A plan never changes: an edit makes another one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use keyhole_core::item::Item;
use keyhole_core::permission::Claims;
use keyhole_core::shape::{Answer, Leniency, shape};
use keyhole_core::{Failure, GroupKey, Request, SecretBytes};

use crate::planner::{Fetch, Fetched};

mod admission;
mod claims;
#[cfg(test)]
pub(crate) mod fixture;
mod items;
mod object;

pub use admission::{Admission, Labels};
pub use object::{Defaults, plan_object};

/// Longer intervals are taken for this one, so that times can be added without care.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Namespace and name of an ExternalSecret, which are also those of its Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of `namespace/name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One generation of one object, ready to be fetched: what it was made of, and what follows from that.
#[derive(Clone)]
pub struct ObjectPlan {
    parts: PlanParts,
    /// The distinct requests of the items, and for each item which of them it needs.
    requests: Vec<Request>,
    needs: Vec<usize>,
}

/// What an [`ObjectPlan`] is made of. A plan never changes, and reads as these.
#[derive(Clone)]
pub struct PlanParts {
    /// Which object.
    pub key: ObjectKey,
    /// Tells objects apart that bore the same name one after the other.
    pub uid: Arc<str>,
    /// `metadata.generation` of the spec that this plan was made from.
    pub generation: i64,
    /// `spec.backendType` as the user wrote it, for messages and metrics.
    pub backend_type: Arc<str>,
    /// What the object's requests have in common. `namespace` is set when the plugin's batches must
    /// not mix namespaces.
    pub group: GroupKey,
    /// Who answers.
    pub source: Arc<dyn Fetch>,
    /// Entries in merge order.
    pub items: Vec<Item>,
    /// How old the Secret may become; `None` for once per change of spec.
    pub interval: Option<Duration>,
    /// Type of the Secret.
    pub secret_type: String,
    /// How values are treated that are not what the object says they are.
    pub leniency: Leniency,
    /// What its namespace has to permit.
    pub claims: Arc<Claims>,
    /// Which namespaces may use the plugin; all if none are selected.
    pub admission: Option<Admission>,
}

impl Deref for ObjectPlan {
    type Target = PlanParts;

    fn deref(&self) -> &PlanParts {
        &self.parts
    }
}

impl ObjectPlan {
    /// A plan of these parts. A zero interval is none.
    #[must_use]
    pub fn new(mut parts: PlanParts) -> Self {
        let mut requests = Vec::new();
        let mut seen = HashMap::new();
        let mut needs = Vec::with_capacity(parts.items.len());
        for item in &parts.items {
            let index = *seen.entry(item.request.clone()).or_insert_with(|| {
                requests.push(item.request.clone());
                requests.len() - 1
            });
            needs.push(index);
        }
        parts.interval = parts
            .interval
            .filter(|interval| !interval.is_zero())
            .map(|interval| interval.min(LONGEST_INTERVAL));
        Self { parts, requests, needs }
    }

    /// The distinct requests, in the order in which the items first need them.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// For each item, the index of its request in [`Self::requests`].
    #[must_use]
    pub fn needs(&self) -> &[usize] {
        &self.needs
    }

    /// The first item that needs this request.
    pub(crate) fn first_item(&self, request: usize) -> Option<&Item> {
        self.needs
            .iter()
            .position(|&need| need == request)
            .and_then(|item| self.items.get(item))
    }

    /// What the answers become, in the order of the items: the last step before writing or printing. An
    /// entry that gives no key is told in the log.
    ///
    /// # Errors
    ///
    /// Every failure, in merge order.
    pub fn data(&self, answers: &[Fetched]) -> Result<BTreeMap<String, SecretBytes>, Vec<Failure>> {
        let answers: Vec<Answer<'_>> = answers.iter().map(Fetched::answer).collect();
        let shaped = shape(&self.items, &answers, self.leniency)?;
        for dropped in shaped.dropped {
            let why = dropped.condition_message(0);
            tracing::warn!(object = %self.key, why, "an entry gives no key, as values are taken leniently");
        }
        Ok(shaped.data)
    }

    /// Whether both say the same of the same object, so that an answer to one is an answer to the other.
    #[must_use]
    pub fn same_work(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.generation == other.generation
            && self.group == other.group
            && self.items == other.items
            && self.interval == other.interval
            && Arc::ptr_eq(&self.source, &other.source)
    }
}

impl fmt::Debug for ObjectPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPlan")
            .field("key", &self.key)
            .field("uid", &self.uid)
            .field("generation", &self.generation)
            .field("backend_type", &self.backend_type)
            .field("items", &self.items.len())
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// What planning gives: a plan, or everything that stands in its way, in merge order.
pub type Planned = Result<ObjectPlan, Vec<Failure>>;
