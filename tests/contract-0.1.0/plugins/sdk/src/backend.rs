//! The trait that a plugin implements.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Call, Description, Error, Outcome, Problem, Request};

/// A secret backend. All functions look synchronous; while one waits for the network, the host does
/// other work.
pub trait Backend {
    /// The settings of a call. Their JSON Schema is made from this type. Fields that the author of an
    /// ExternalSecret may set carry `#[schemars(extend("x-keyhole-scope" = "object"))]`; all others
    /// belong to the administrator. Doc comments become the descriptions in the schema.
    type Settings: DeserializeOwned + JsonSchema;

    /// The options of one request. [`NoOptions`] when there are none.
    type Options: DeserializeOwned + JsonSchema + Default;

    /// Says what the plugin is. Must give the same answer every time and not use the network. The
    /// schemas are added by the SDK.
    fn describe() -> Description;

    /// Checks settings beyond what their schema can express. Must not use the network.
    fn validate(settings: &Self::Settings) -> Vec<Problem> {
        let _ = settings;
        Vec::new()
    }

    /// Fetches. Exactly one outcome for each request, in the order of the requests.
    ///
    /// # Errors
    /// Only when nothing could be asked at all (no login, store down); a single request that fails is
    /// an [`Outcome::Failed`].
    fn fetch(
        settings: &Self::Settings,
        call: &Call,
        requests: &[Request<Self::Options>],
    ) -> Result<Vec<Outcome>, Error>;
}

/// For backends whose requests have no options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NoOptions {}

/// One outcome for each request from a function that answers one: an error becomes
/// [`Outcome::Failed`], so that it cannot take the other requests with it.
pub fn each<O>(requests: &[Request<O>], answer: impl FnMut(&Request<O>) -> Result<Outcome, Error>) -> Vec<Outcome> {
    requests.iter().map(answer).map(Outcome::from).collect()
}
