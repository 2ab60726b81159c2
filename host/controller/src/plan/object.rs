//! An ExternalSecret as a plan.

use std::sync::Arc;
use std::time::Duration;

use keyhole_api::{ExternalSecret, unserved_fields};
use keyhole_core::{Failure, GroupKey, Identity, Leniency, Reason, RoleArn, ServiceAccount};
use keyhole_plugins::{LivePlugin, LiveSet};

use super::admission::Admission;
use super::claims::claims;
use super::items::items;
use super::{ObjectKey, ObjectPlan, PlanParts, Planned};

/// Plugins that a message names which should serve and do not.
const ABSENT_SHOWN: usize = 4;

/// What the operator says about objects that do not say it themselves.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// How old a Secret may become.
    pub interval: Duration,
    /// The shortest interval that an object may ask for, unless it asks for none.
    pub least_interval: Duration,
    /// Objects are fetched once per change of spec, whatever they ask for.
    pub disable_polling: bool,
    /// Sessions of assumed roles carry the object's namespace as a tag.
    pub tag_sessions_with_namespace: bool,
    /// How values are treated that are not what the object says they are.
    pub leniency: Leniency,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            least_interval: Duration::from_secs(1),
            disable_polling: false,
            tag_sessions_with_namespace: false,
            leniency: Leniency::default(),
        }
    }
}

/// What `object` asks for.
///
/// # Errors
///
/// Everything that stands in the way, with the field and what to do; those of the object as a whole
/// first, then those of its entries in merge order.
pub fn plan_object(object: &ExternalSecret, plugins: &LiveSet, defaults: &Defaults) -> Planned {
    let spec = &object.spec;
    if let Some(why) = &spec.malformed {
        let failure = Failure::new(Reason::InvalidSpec, format!("the spec cannot be read: {why}"));
        return Err(vec![
            failure.remedy("write it as `kubectl explain externalsecret.spec` says"),
        ]);
    }
    let mut failures: Vec<Failure> = unserved_fields(object).into_iter().map(unserved).collect();
    let interval = collect(&mut failures, interval(object, defaults));
    let plugin = collect(&mut failures, serving(&spec.backend_type, plugins));

    let namespace: Arc<str> = object.metadata.namespace.as_deref().unwrap_or("default").into();
    let mut found = None;
    if let Some(plugin) = plugin {
        let config = spec.config.clone().unwrap_or_default();
        let settings = collect(&mut failures, plugin.settings(&spec.fixed_settings(), &config));
        let identity = collect(&mut failures, identity(object, &plugin, &namespace, defaults));
        let items = items(spec, &plugin).map_err(|more| failures.extend(more)).ok();
        if let (Some(settings), Some(identity), Some(items)) = (settings, identity, items) {
            found = Some((plugin, settings, identity, items));
        }
    }
    match (found, interval) {
        (Some((plugin, settings, identity, items)), Some(interval)) if failures.is_empty() => {
            let claims = claims(spec, &plugin);
            let group = GroupKey {
                plugin: plugin.id().clone(),
                region: plugin.region(&settings),
                settings,
                identity,
                namespace: (!plugin.mixes_namespaces()).then(|| Arc::clone(&namespace)),
            };
            Ok(ObjectPlan::new(PlanParts {
                key: ObjectKey {
                    namespace,
                    name: object.metadata.name.as_deref().unwrap_or_default().into(),
                },
                uid: object.metadata.uid.as_deref().unwrap_or_default().into(),
                generation: object.metadata.generation.unwrap_or_default(),
                backend_type: spec.backend_type.as_str().into(),
                group,
                admission: Admission::of(&plugin),
                source: plugin,
                items,
                interval,
                secret_type: object.secret_type().to_owned(),
                leniency: defaults.leniency,
                claims: Arc::new(claims),
            }))
        }
        _ => Err(failures),
    }
}

fn collect<T>(failures: &mut Vec<Failure>, result: Result<T, Failure>) -> Option<T> {
    result.map_err(|failure| failures.push(failure)).ok()
}

fn unserved(field: &str) -> Failure {
    Failure::new(
        Reason::InvalidSpec,
        format!("{field} is accepted but not served by this version"),
    )
    .remedy("remove it, or use a version that serves it")
}

fn serving(backend_type: &str, plugins: &LiveSet) -> Result<Arc<LivePlugin>, Failure> {
    plugins.serving(backend_type).ok_or_else(|| {
        let known = match plugins.backend_types().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            known => known,
        };
        let message = format!("no plugin serves backendType {backend_type:?} (known: {known})");
        let absent = plugins.absent();
        let Some(first) = absent.keys().next() else {
            return Failure::new(Reason::NoPlugin, message);
        };
        let shown = absent.iter().take(ABSENT_SHOWN);
        let mut shown: Vec<_> = shown.map(|(name, reason)| format!("{name} ({reason})")).collect();
        if absent.len() > shown.len() {
            shown.push(format!("{} more", absent.len() - shown.len()));
        }
        let message = format!("{message}; BackendPlugins that do not serve: {}", shown.join(", "));
        Failure::new(Reason::NoPlugin, message).remedy(format!("kubectl describe backendplugin {first} says why"))
    })
}

/// Nothing for once per change of spec.
fn interval(object: &ExternalSecret, defaults: &Defaults) -> Result<Option<Duration>, Failure> {
    let given = object
        .refresh_interval()
        .map_err(|error| Failure::new(Reason::InvalidSpec, format!("spec.refreshInterval: {error}")))?;
    let least = defaults.least_interval;
    match given {
        Some(interval) if !interval.is_zero() && interval < least => {
            let message = format!("spec.refreshInterval: {interval:?} is shorter than the operator allows");
            Err(Failure::new(Reason::InvalidSpec, message).remedy(format!("write {least:?} or more, or 0")))
        }
        _ if defaults.disable_polling => Ok(None),
        given => Ok(Some(given.unwrap_or(defaults.interval)).filter(|interval| !interval.is_zero())),
    }
}

/// As whom. A role on an object whose plugin speaks no AWS is left alone, as in KES. The service account is
/// always one of the object's own namespace. STS takes no session tags with a token of a service account: there
/// the token itself says which namespace it is from.
fn identity(
    object: &ExternalSecret,
    plugin: &LivePlugin,
    namespace: &Arc<str>,
    defaults: &Defaults,
) -> Result<Identity, Failure> {
    let role = object
        .spec
        .role_arn
        .as_deref()
        .filter(|role| !role.is_empty() && plugin.signs_aws());
    let role: Option<RoleArn> = role
        .map(str::parse)
        .transpose()
        .map_err(|error| Failure::new(Reason::InvalidSpec, format!("spec.roleArn: {error}")))?;
    let account = account(object, plugin, namespace)?;
    let tagged = role.is_some() && account.is_none() && defaults.tag_sessions_with_namespace;
    Ok(Identity {
        account,
        role,
        namespace_tag: tagged.then(|| Arc::clone(namespace)),
    })
}

/// The service account that the object names, where the plugin's grant lets it.
fn account(object: &ExternalSecret, plugin: &LivePlugin, namespace: &str) -> Result<Option<ServiceAccount>, Failure> {
    const FIELD: &str = "spec.serviceAccountName";
    let Some(name) = object
        .spec
        .service_account_name
        .as_deref()
        .filter(|name| !name.is_empty())
    else {
        return Ok(None);
    };
    if !plugin.takes_service_accounts() {
        let message = format!("{FIELD}: plugin {} asks its store as the operator only", plugin.id());
        return Err(Failure::new(Reason::NotPermitted, message)
            .remedy("remove it, or ask for grant.auth.allowServiceAccounts in the BackendPlugin"));
    }
    ServiceAccount::new(namespace, name)
        .map(Some)
        .map_err(|error| Failure::new(Reason::InvalidSpec, format!("{FIELD}: {error}")))
}

#[cfg(test)]
mod tests;
