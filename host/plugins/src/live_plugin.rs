//! A plugin that serves.
//!
//! Everything that the planner needs to know about a plugin without calling it (which settings an
//! object may give, how large a batch may be, whether a batch may serve several namespaces) and the
//! two calls themselves. It is made only from a plugin that described itself, so nothing in here can
//! fail because a plugin is broken, except the calls.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use keyhole_api::NamespaceSelector;
use keyhole_core::host_pattern::HostPattern;
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Failure, GroupKey, Outcome, PluginId, Reason};
use keyhole_sandbox::{BackendType, Call, CredentialWant, Description, Exchanges, PlannedRequest, Plugin, Problem};
use serde_json::{Map, Value as Json};

use crate::from_object::{InvalidPlugin, Mistake};
use crate::live_set::Precedence;
use crate::loader::PluginError;
use crate::schema::Schema;
use crate::settings::{self, Defaults};
use crate::validated::Validated;

mod problems;

use problems::Origins;

/// Requests in one batch, whatever a plugin says: a batch's values are in memory at once.
const MAX_BATCH: usize = 256;

/// What is called: a plugin in its sandbox, or a fake in tests.
pub trait Backend: Send + Sync {
    /// What is wrong in the settings.
    fn validate<'a>(&'a self, settings: &'a str) -> BoxFuture<'a, Result<Vec<Problem>, CallError>>;

    /// One outcome for each request, in order.
    fn fetch<'a>(
        &'a self,
        call: &'a Call,
        requests: &'a [PlannedRequest],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>>;
}

impl Backend for Plugin {
    fn validate<'a>(&'a self, settings: &'a str) -> BoxFuture<'a, Result<Vec<Problem>, CallError>> {
        Box::pin(Self::validate(self, settings))
    }

    fn fetch<'a>(
        &'a self,
        call: &'a Call,
        requests: &'a [PlannedRequest],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        Box::pin(Self::fetch(self, call, requests))
    }
}

/// What operator and administrator say about a plugin.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Settings from the operator's environment.
    pub defaults: Defaults,
    /// Settings for all objects.
    pub settings: Map<String, Json>,
    /// Whether the host signs AWS requests of this plugin: then settings need a region.
    pub signs_aws: bool,
    /// Whether objects may name a service account of their namespace.
    pub service_accounts: bool,
    /// Whether one call may serve several namespaces.
    pub shares_batches: bool,
    /// Calls that may run at once.
    pub concurrent_calls: u32,
    /// The backend types that it is to claim, out of those that it can serve. All if there are none.
    pub backend_types: Vec<Arc<str>>,
    /// The namespaces that may use it; all if there is no selector.
    pub namespaces: Option<Arc<NamespaceSelector>>,
    /// Where its claims stand.
    pub precedence: Precedence,
}

/// What a plugin says that it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Hosts.
    pub hosts: Vec<HostPattern>,
    /// Credentials.
    pub credentials: Vec<CredentialWant>,
}

/// A plugin that serves.
pub struct LivePlugin {
    id: PluginId,
    own_name: String,
    version: String,
    contract: Option<String>,
    wants: Wants,
    backend_types: Vec<Arc<str>>,
    aliases: Vec<Arc<str>>,
    max_batch: usize,
    settings: Schema,
    options: Schema,
    rules: Rules,
    validated: Validated,
    backend: Arc<dyn Backend>,
}

impl LivePlugin {
    /// Puts a described plugin under rules.
    ///
    /// # Errors
    ///
    /// When one of its schemas cannot be used.
    pub fn new(
        id: PluginId,
        description: &Description,
        rules: Rules,
        backend: Arc<dyn Backend>,
    ) -> Result<Self, PluginError> {
        let schema = |which, schema| Schema::new(schema).map_err(|source| PluginError::Schema { which, source });
        let most = usize::try_from(description.max_batch.get()).unwrap_or(MAX_BATCH);
        let settings = schema("settings", &description.settings_schema)?;
        let mut mistakes = settings::administrator(&settings, &rules.settings);
        let (backend_types, aliases) = claims(description, &rules.backend_types, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(InvalidPlugin(mistakes).into());
        }
        Ok(Self {
            own_name: description.name.clone(),
            version: description.version.clone(),
            contract: None,
            wants: Wants {
                hosts: description.hosts.clone(),
                credentials: description.credentials.clone(),
            },
            backend_types,
            aliases,
            max_batch: most.min(MAX_BATCH),
            settings,
            options: schema("options", &description.options_schema)?,
            validated: Validated::default(),
            id,
            rules,
            backend,
        })
    }

    /// The same, with the version of the contract that its component was built against.
    #[must_use]
    pub fn built_against(self, contract: Option<String>) -> Self {
        Self { contract, ..self }
    }

    /// The version of the contract that its component was built against, where that is known.
    #[must_use]
    pub fn contract(&self) -> Option<&str> {
        self.contract.as_deref()
    }

    /// Name and digest.
    #[must_use]
    pub fn id(&self) -> &PluginId {
        &self.id
    }

    /// The name that the plugin gives itself.
    #[must_use]
    pub fn own_name(&self) -> &str {
        &self.own_name
    }

    /// What it says that it wants.
    #[must_use]
    pub fn wants(&self) -> &Wants {
        &self.wants
    }

    /// Where its claims on backend types stand.
    #[must_use]
    pub fn precedence(&self) -> Precedence {
        self.rules.precedence
    }

    /// Which namespaces may use it; all if there is no selector.
    #[must_use]
    pub fn namespaces(&self) -> Option<&Arc<NamespaceSelector>> {
        self.rules.namespaces.as_ref()
    }

    /// The plugin's own version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The backend types that it claims, without aliases. At least one.
    #[must_use]
    pub fn backend_types(&self) -> &[Arc<str>] {
        &self.backend_types
    }

    /// Other spellings of its backend types.
    #[must_use]
    pub fn aliases(&self) -> &[Arc<str>] {
        &self.aliases
    }

    /// The largest number of requests in one call.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// Whether one call may serve several namespaces.
    #[must_use]
    pub fn mixes_namespaces(&self) -> bool {
        self.rules.shares_batches
    }

    /// Whether the host signs AWS requests of this plugin, so that an object's role means something.
    #[must_use]
    pub fn signs_aws(&self) -> bool {
        self.rules.signs_aws
    }

    /// Whether objects may name a service account of their namespace.
    #[must_use]
    pub fn takes_service_accounts(&self) -> bool {
        self.rules.service_accounts
    }

    /// The roles among the settings that an object gives.
    pub fn roles_in_settings<'a>(&'a self, given: &'a Map<String, Json>) -> impl Iterator<Item = String> + 'a {
        self.settings.roles(given)
    }

    /// The roles among the options that an entry of an object gives.
    pub fn roles_in_options<'a>(&'a self, given: &'a Map<String, Json>) -> impl Iterator<Item = String> + 'a {
        self.options.roles(given)
    }

    /// Calls that may run at once. At least 1.
    #[must_use]
    pub fn concurrent_calls(&self) -> usize {
        usize::try_from(self.rules.concurrent_calls)
            .unwrap_or(usize::MAX)
            .max(1)
    }

    /// Effective settings of an object; `fixed` are KES's fields of its spec, `config` its `spec.config`.
    ///
    /// # Errors
    ///
    /// [`Reason::InvalidSpec`], with the field and what to do.
    pub fn settings(&self, fixed: &Map<String, Json>, config: &Map<String, Json>) -> Result<JsonText, Failure> {
        let text = settings::settings(
            &self.settings,
            &self.rules.defaults,
            &self.rules.settings,
            fixed,
            config,
        )?;
        if self.rules.signs_aws {
            let members = text.to_map();
            let region = members.get("region").and_then(Json::as_str);
            match region {
                None => {
                    return Err(Failure::new(Reason::InvalidSpec, "no region")
                        .remedy("set spec.region, or start the operator with AWS_REGION"));
                }
                Some(region) if !is_region(region) => {
                    return Err(
                        Failure::new(Reason::InvalidSpec, format!("{region:?} is no AWS region"))
                            .remedy("write it like eu-west-1"),
                    );
                }
                Some(_) => {}
            }
        }
        Ok(text)
    }

    /// Effective options of one request; `fixed` are KES's fields of the entry, `options` its free part.
    ///
    /// # Errors
    ///
    /// [`Reason::InvalidSpec`], with the field and what to do.
    pub fn options(&self, fixed: &Map<String, Json>, options: &Map<String, Json>) -> Result<JsonText, Failure> {
        settings::options(&self.options, fixed, options)
    }

    /// The region that the host signs for, if it signs for this plugin at all.
    #[must_use]
    pub fn region(&self, settings: &JsonText) -> Option<Arc<str>> {
        if !self.rules.signs_aws {
            return None;
        }
        settings.to_map().get("region").and_then(Json::as_str).map(Into::into)
    }

    /// Asks the plugin whether effective settings make sense. Answers are kept, so this may be called
    /// for every object.
    ///
    /// # Errors
    ///
    /// What the plugin finds wrong, in words that the author of the object may read, or why it could not be asked.
    pub async fn validate(&self, settings: &JsonText) -> Result<(), Failure> {
        let ask = || async {
            let problems = self.backend.validate(settings.as_str()).await?;
            Ok(Origins::new(&self.id, &self.settings, &self.rules, settings).failure(&problems))
        };
        match self.validated.get_or_ask(settings, ask).await {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(failure),
            Err(error) => Err(Failure::from(&error)),
        }
    }

    /// Fetches. `group` must be a group of this plugin, `compartments` are the namespaces that the call serves; none
    /// where batches are shared. What is asked of the store counts in `exchanges`,
    /// whether or not the call comes to an end.
    ///
    /// # Errors
    ///
    /// When the call as a whole failed.
    pub async fn fetch(
        &self,
        group: &GroupKey,
        compartments: &Arc<[Arc<str>]>,
        attempt: u32,
        requests: &[PlannedRequest],
        exchanges: &Exchanges,
    ) -> Result<Vec<Outcome>, CallError> {
        let call = Call {
            settings: group.settings.clone(),
            identity: group.identity.clone(),
            region: group.region.clone(),
            namespace: group.namespace.clone(),
            compartments: Arc::clone(compartments),
            attempt,
            exchanges: exchanges.clone(),
        };
        self.backend.fetch(&call, requests).await
    }
}

impl fmt::Debug for LivePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivePlugin")
            .field("id", &self.id)
            .field("backend_types", &self.backend_types)
            .finish()
    }
}

/// The types and aliases to claim: all that the plugin describes, or those of them that are `wanted`. A type comes
/// with its aliases; an alias may be claimed alone.
fn claims(
    description: &Description,
    wanted: &[Arc<str>],
    mistakes: &mut Vec<Mistake>,
) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
    let all = &description.backend_types;
    let (mut types, mut aliases) = (Vec::<Arc<str>>::new(), Vec::<Arc<str>>::new());
    let all_of = |served: &BackendType, types: &mut Vec<Arc<str>>, aliases: &mut Vec<Arc<str>>| {
        types.push(served.name.as_str().into());
        aliases.extend(served.aliases.iter().map(|alias| Arc::from(alias.as_str())));
    };
    if wanted.is_empty() {
        all.iter().for_each(|served| all_of(served, &mut types, &mut aliases));
    }
    for (position, name) in wanted.iter().enumerate() {
        if types.contains(name) || aliases.contains(name) {
            continue;
        }
        if let Some(served) = all.iter().find(|served| *served.name == **name) {
            all_of(served, &mut types, &mut aliases);
        } else if all
            .iter()
            .any(|served| served.aliases.iter().any(|alias| **alias == **name))
        {
            types.push(name.clone());
        } else {
            let served: Vec<_> = all.iter().map(|served| served.name.as_str()).collect();
            mistakes.push(Mistake {
                field: format!("spec.backendTypes[{position}]"),
                message: format!("the plugin does not serve {name:?}"),
                remedy: format!("it serves {}", served.join(", ")),
            });
        }
    }
    (types, aliases)
}

/// A region becomes one label of a host name and a part of what is signed.
fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests;
