//! What is asked of a backend.

use std::time::Duration;

use serde_json::{Map, Value as Json};

/// What holds for all requests of one fetch.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// When the host gives up on this call, from its start. Advisory: the host drops the instance
    /// then, whatever it is doing. Zero when there is no host, as in a unit test.
    pub deadline: Duration,
    /// 1 for the first attempt at these requests.
    pub attempt: u32,
    /// Facts about the call, see `call.context` in the contract.
    pub context: Map<String, Json>,
}

impl Call {
    /// The namespace that the values are for, unless the batch serves several.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.context.get("namespace")?.as_str()
    }
}

/// One thing to fetch.
#[derive(Clone, Debug)]
pub struct Request<O> {
    /// Which value or values.
    pub selector: Selector,
    /// The options of this request.
    pub options: O,
    /// The version that the host already has, as the plugin returned it earlier. When it is still
    /// current, [`Outcome::Unchanged`](crate::Outcome::Unchanged) may be the answer.
    pub known_version: Option<String>,
}

impl<O> Request<O> {
    /// Whether the host already has this version.
    #[must_use]
    pub fn knows(&self, version: Option<&str>) -> bool {
        version.is_some() && self.known_version.as_deref() == version
    }
}

/// Which value or values are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One entry by name. Answer with a [`Value`](crate::Value).
    Key(String),
    /// Everything under a path. Answer with [`Outcome::Values`](crate::Outcome::Values).
    Prefix {
        /// The path as the user wrote it.
        path: String,
        /// Whether to descend, or to return only direct children.
        recursive: bool,
    },
}

impl Selector {
    /// One entry by name.
    pub fn key(name: impl Into<String>) -> Self {
        Self::Key(name.into())
    }
}
