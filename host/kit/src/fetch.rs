//! One fetch, as the operator would make it for an object: the settings of the BackendPlugin under those of the
//! object, checked against the plugin's schema and by `validate`, and then one call under the grant.

use std::sync::Arc;

use keyhole_core::{CallError, Failure, GroupKey, Identity, Outcome};
use keyhole_plugins::{Loader, PluginError, PluginSpec};
use keyhole_sandbox::{Exchanges, PlannedRequest};
use serde_json::{Map, Value as Json};

use crate::case::Asked;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `spec.config` of the object.
    pub config: Map<String, Json>,
    /// Keys, in order.
    pub keys: Vec<String>,
    /// A path, after the keys.
    pub path: Option<String>,
    /// Whether to descend below it.
    pub recursive: bool,
    /// Options of every request.
    pub options: Map<String, Json>,
    /// Namespace of the object.
    pub namespace: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Fetched {
    /// The plugin's version.
    pub version: String,
    /// The effective settings.
    pub settings: Map<String, Json>,
    /// What was asked, without expectations.
    pub asked: Vec<Asked>,
    /// One for each.
    pub outcomes: Vec<Outcome>,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The plugin cannot serve.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// Settings or options do not fit.
    #[error("{}", .0.condition_message(0))]
    Spec(Failure),
    /// More requests than the plugin takes in one call.
    #[error("{asked} requests, and the plugin takes {most} in one call; ask for fewer")]
    TooMany {
        /// How many there are.
        asked: usize,
        /// How many there may be.
        most: usize,
    },
    /// The call failed as a whole.
    #[error("{}", crate::words::call_error(.0))]
    Call(CallError),
}

impl From<Failure> for FetchError {
    fn from(failure: Failure) -> Self {
        Self::Spec(failure)
    }
}

/// Makes it.
///
/// # Errors
///
/// When the plugin cannot serve, the settings do not fit, or the call fails as a whole.
pub async fn fetch(loader: &Loader, spec: &PluginSpec, wanted: &Wanted) -> Result<Fetched, FetchError> {
    let plugin = loader.load(spec).await?;
    let settings = plugin.settings(&Map::new(), &wanted.config)?;
    plugin.validate(&settings).await?;
    let options = plugin.options(&Map::new(), &wanted.options)?.to_map();
    let asked = asked(wanted, &options);
    if asked.len() > plugin.max_batch() {
        return Err(FetchError::TooMany {
            asked: asked.len(),
            most: plugin.max_batch(),
        });
    }
    let members = settings.to_map();
    let region = members
        .get("region")
        .and_then(Json::as_str)
        .filter(|_| plugin.signs_aws());
    let group = GroupKey {
        plugin: plugin.id().clone(),
        settings,
        region: region.map(Arc::from),
        identity: Identity::default(),
        namespace: Some(wanted.namespace.as_str().into()),
    };
    let planned: Vec<PlannedRequest> = asked.iter().map(Asked::planned).collect();
    let outcomes = plugin
        .fetch(&group, &Arc::default(), 1, &planned, &Exchanges::default())
        .await
        .map_err(FetchError::Call)?;
    Ok(Fetched {
        version: plugin.version().to_owned(),
        settings: members,
        asked,
        outcomes,
    })
}

fn asked(wanted: &Wanted, options: &Map<String, Json>) -> Vec<Asked> {
    let keys = wanted.keys.iter().map(|key| Asked {
        key: Some(key.clone()),
        options: options.clone(),
        ..Asked::default()
    });
    let path = wanted.path.as_ref().map(|path| Asked {
        path: Some(path.clone()),
        recursive: wanted.recursive,
        options: options.clone(),
        ..Asked::default()
    });
    keys.chain(path).collect()
}
