//! What an object asks for, one item per line of its spec, in merge order.
//!
//! Items are what is left of an `ExternalSecret` once Kubernetes is taken away: the planner turns
//! their requests into calls, and [`crate::shape`] turns the answers into a Secret's data.

use crate::request::Request;

/// One entry of `dataFrom`, `dataFromWithOptions` or `data`. The order of a list of items is the order
/// of merging: a later item with the same output key wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where the item stands in the object, for messages, e.g. `data[1]`.
    pub place: String,
    /// What to ask the store for.
    pub request: Request,
    /// What to make of the answer.
    pub mapping: Mapping,
}

/// How an answer becomes keys of the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// One value under one key.
    Single {
        /// Key in the Secret.
        name: String,
        /// Path into a JSON value; present but empty means the member with the empty name.
        property: Option<String>,
        /// The value is base64 text, store what it decodes to.
        is_binary: bool,
    },
    /// Each member of a JSON object (or index of an array) becomes a key.
    Spread,
    /// Each value under a path becomes a key of its proposed name.
    Path,
}
