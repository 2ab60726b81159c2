//! What a BackendPlugin's status says. Pure: the same facts give the same status, so it is written only
//! when it says something new.

use jiff::Timestamp;
use keyhole_api::{BackendPluginSpec, BackendPluginStatus, Condition, ConditionStatus, PluginSource, timestamp};
use keyhole_plugins::{Conflict, Grant};
use keyhole_sandbox::CredentialWant;

use super::entry::{Entry, Outcome};
use super::reason::{LOADING, SERVING, TYPE_TAKEN};

/// Hosts and credentials that a message names.
const SHOWN: usize = 4;

/// What the live set says about a plugin.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The backend types that it serves.
    pub(super) types: Vec<std::sync::Arc<str>>,
    /// Those that others have.
    pub(super) conflicts: Vec<Conflict>,
}

pub(super) fn status(entry: &Entry, place: &Place, now: Timestamp) -> BackendPluginStatus {
    let serving = entry.serving.as_ref();
    // What serves may do so under an older spec, and whoever narrows a grant has to see that.
    let in_force = serving.map(|serving| &serving.wanted);
    let grant = in_force.or(entry.wanted.as_ref().ok()).map(|wanted| &wanted.grant);
    let wants = serving.map(|serving| &serving.wants);
    let (missing_hosts, missing_credentials) = match (wants, grant) {
        (Some(wants), Some(grant)) => (
            missing_hosts(wants, grant),
            missing_credentials(&wants.credentials, grant),
        ),
        _ => (Vec::new(), Vec::new()),
    };
    let (holds, reason, message) = verdict(entry, place, &missing_hosts, &missing_credentials);
    BackendPluginStatus {
        observed_generation: Some(entry.generation),
        conditions: vec![condition(entry, holds, reason, message, now)],
        backend_types: (!place.types.is_empty()).then(|| place.types.join(",")),
        source: Some(source(&entry.spec)),
        digest: entry.digest.as_deref().map(str::to_owned),
        serving_digest: serving.map(|serving| serving.digest.to_string()),
        resolved: serving.and_then(|serving| serving.resolved.clone()),
        signed_by: serving.and_then(|serving| serving.signed_by.clone()),
        version: serving.map(|serving| serving.name_and_version.clone()),
        contract: serving.and_then(|serving| serving.contract.clone()),
        wanted_hosts: wants.map_or_else(Vec::new, |wants| texts(&wants.hosts)),
        granted_hosts: grant.map_or_else(Vec::new, |grant| texts(&grant.hosts)),
        missing_hosts,
        missing_credentials,
        credentials: grant.map(credentials),
    }
}

fn verdict(
    entry: &Entry,
    place: &Place,
    missing_hosts: &[String],
    missing_credentials: &[String],
) -> (ConditionStatus, &'static str, String) {
    let last_good = |message: String| match &entry.serving {
        Some(serving) => {
            let under = match serving.spec == entry.spec {
                true => "",
                false => ", under the grant and settings that it was loaded with",
            };
            format!(
                "{message}. What was loaded before serves on{under}: {}, {}",
                serving.name_and_version, serving.digest
            )
        }
        None => message,
    };
    let conflicts: Vec<_> = place.conflicts.iter().map(ToString::to_string).collect();
    match &entry.outcome {
        Outcome::Loading => (
            ConditionStatus::Unknown,
            LOADING,
            last_good("the plugin is being loaded".to_owned()),
        ),
        Outcome::Broken(problem) => (
            ConditionStatus::False,
            problem.reason,
            last_good(problem.message.clone()),
        ),
        Outcome::Serves if place.types.is_empty() => (
            ConditionStatus::False,
            TYPE_TAKEN,
            format!("{}; this one takes over when that goes", conflicts.join("; ")),
        ),
        Outcome::Serves => {
            let mut message = format!("serves {}", place.types.join(", "));
            let more = [
                (conflicts, ""),
                (missing_hosts.to_vec(), "wanted and not in spec.grant.hosts: "),
                (missing_credentials.to_vec(), "wanted and not in spec.grant.auth: "),
            ];
            for (list, title) in more.into_iter().filter(|(list, _)| !list.is_empty()) {
                message.push_str(&format!("; {title}{}", some(&list)));
            }
            (ConditionStatus::True, SERVING, message)
        }
    }
}

/// The first of a list that its own field of the status shows whole.
fn some(list: &[String]) -> String {
    let mut text: String = list
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if list.len() > SHOWN {
        text.push_str(&format!(" and {} more", list.len() - SHOWN));
    }
    text
}

fn condition(
    entry: &Entry,
    status: ConditionStatus,
    reason: &'static str,
    message: String,
    now: Timestamp,
) -> Condition {
    let before = entry.sent.as_ref().unwrap_or(&entry.shown).ready();
    let since = before
        .filter(|before| before.status == status)
        .map(|before| before.last_transition_time.clone());
    Condition {
        type_: Condition::READY.to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        last_transition_time: since.unwrap_or_else(|| timestamp(now)),
        observed_generation: Some(entry.generation),
    }
}

/// In one word and a name.
fn source(spec: &BackendPluginSpec) -> String {
    let PluginSource {
        builtin,
        oci,
        config_map,
        file,
    } = &spec.source;
    match (builtin, oci, config_map, file) {
        (Some(name), ..) => format!("builtin {name}"),
        (_, Some(oci), ..) => format!("oci {}", oci.image),
        (_, _, Some(entry), _) => format!("configMap {}", entry.name),
        (.., Some(file)) => format!("file {}", file.path),
        _ => "none".to_owned(),
    }
}

fn missing_hosts(wants: &keyhole_plugins::Wants, grant: &Grant) -> Vec<String> {
    let is_missing =
        |wanted: &&keyhole_core::host_pattern::HostPattern| !grant.hosts.iter().any(|granted| granted.overlaps(wanted));
    texts(wants.hosts.iter().filter(is_missing))
}

fn missing_credentials(wants: &[CredentialWant], grant: &Grant) -> Vec<String> {
    let mut missing = Vec::new();
    for want in wants {
        match want {
            CredentialWant::Aws { service, actions } => {
                let granted = grant.aws.iter().find(|aws| aws.service == *service);
                let is_missing = |action: &&String| granted.is_none_or(|granted| !granted.actions.contains(action));
                missing.extend(
                    actions
                        .iter()
                        .filter(is_missing)
                        .map(|action| format!("aws {service}:{action}")),
                );
            }
            CredentialWant::Header(name) => {
                let is_it = |header: &keyhole_sandbox::HeaderGrant| header.name.as_str().eq_ignore_ascii_case(name);
                if !grant.headers.iter().any(is_it) {
                    missing.push(format!("header {name}"));
                }
            }
            CredentialWant::ServiceAccountToken(audience) => {
                if grant.token.is_none() {
                    missing.push(format!("serviceAccountToken {audience}"));
                }
            }
            CredentialWant::Exposed(name) => {
                if !grant.exposed.contains_key(name) {
                    missing.push(format!("exposed {name}"));
                }
            }
        }
    }
    missing
}

/// Whether the plugin sees credentials.
fn credentials(grant: &Grant) -> String {
    let mut seen: Vec<&str> = grant.exposed.keys().map(String::as_str).collect();
    if grant.token.is_some() {
        seen.push("service-account-token");
    }
    if !seen.is_empty() {
        return format!("seen: {}", seen.join(", "));
    }
    let hidden = !grant.aws.is_empty() || !grant.headers.is_empty();
    if hidden { "hidden" } else { "none" }.to_owned()
}

fn texts<'a, T: ToString + 'a>(list: impl IntoIterator<Item = &'a T>) -> Vec<String> {
    list.into_iter().map(T::to_string).collect()
}
