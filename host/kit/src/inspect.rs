//! What a plugin is, from its file alone: nothing of it runs but `describe`, in the sandbox, without a network.
//!
//! For whoever decides whether to install it: what it wants, what it would see, who may set what. And for
//! its author: what a user would stumble over. A file that does not fit the contract is inspected as far as
//! that goes, and the reason is part of the result.

mod members;
mod report;

use std::sync::Arc;

use keyhole_plugins::schema::Schema;
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{Component, CredentialWant, Description, Grant};
use serde::Serialize;
use serde_json::{Map, Value as Json};

pub use members::Member;

use crate::guest::Guest;
use crate::outside::{Stats, ports};

/// The interface that every plugin exports, up to its version.
const BACKEND: &str = "keyhole:backend/backend@";
/// Packages that the host offers, at any 0.2 or 0.1 version.
const OFFERED: [&str; 8] = [
    "keyhole:backend",
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:http",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];

/// Everything that can be told of a plugin's file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Name of the file, without its folder.
    pub file: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Bytes.
    pub size: usize,
    /// The contract that it was built against, e.g. `keyhole:backend@0.1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The interfaces that it uses.
    pub imports: Vec<String>,
    /// What it says of itself, unless it cannot be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Described>,
    /// Why it cannot be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What administrator or author should look at.
    pub warnings: Vec<String>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// Short name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What `spec.backendType` may say.
    pub backend_types: Vec<Served>,
    /// Requests in one call.
    pub max_batch: u32,
    /// Its settings.
    pub settings: Vec<Member>,
    /// Options of one request.
    pub options: Vec<Member>,
    /// The hosts that it wants.
    pub hosts: Vec<String>,
    /// The credentials that it wants.
    pub credentials: Vec<Want>,
    /// Anything else, for people.
    pub metadata: Map<String, Json>,
}

/// One backend type.
#[derive(Clone, Debug, Serialize)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Other spellings.
    pub aliases: Vec<String>,
}

/// A credential that the plugin wants.
#[derive(Clone, Debug, Serialize)]
pub struct Want {
    /// `aws`, `header`, `serviceAccountToken` or `exposed`, as in `grant.auth`.
    pub kind: &'static str,
    /// Service, header, audience or name.
    pub name: String,
    /// Actions of an AWS service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// Whether the plugin would see the credential.
    pub seen: bool,
}

impl Inspection {
    /// Looks at a component.
    pub async fn of(guest: &Guest) -> Self {
        let component = guest.component();
        let imports = component.imported();
        let mut found = Self {
            file: guest
                .path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            digest: guest.id().digest.to_string(),
            size: guest.size(),
            contract: contract(component),
            plugin: None,
            problem: None,
            warnings: imports.iter().filter_map(|import| unknown(import)).collect(),
            imports,
        };
        if found.contract.is_none() {
            found.problem = Some(
                "it exports no interface keyhole:backend/backend, so it is no plugin; build it against wit/backend.wit"
                    .to_owned(),
            );
            return found;
        }
        let outside = ports(Network::direct(), Arc::new(Stats::default()));
        match guest.load(Grant::default(), outside).await {
            Ok(plugin) => found.describe(plugin.description()),
            Err(error) => found.problem = Some(error.to_string()),
        }
        found
    }

    fn describe(&mut self, description: &Description) {
        let mut members = |which: &str, schema: &Map<String, Json>| match Schema::new(schema) {
            Ok(compiled) => {
                let members = members::members(schema, &compiled);
                for member in members.iter().filter(|member| member.description.is_empty()) {
                    self.warnings.push(format!(
                        "{which} {} has no description; whoever sets it has only its name to go by",
                        member.name
                    ));
                }
                members
            }
            Err(error) => {
                let problem = format!("the plugin's {which} schema {error}");
                self.problem.get_or_insert(problem);
                Vec::new()
            }
        };
        let settings = members("setting", &description.settings_schema);
        let options = members("option", &description.options_schema);
        let credentials: Vec<Want> = description.credentials.iter().map(want).collect();
        for seen in credentials.iter().filter(|want| want.seen) {
            self.warnings.push(match seen.kind {
                "exposed" => format!(
                    "it wants to see credential {:?}; prefer a plugin for which the host sets a header or signs",
                    seen.name
                ),
                _ => format!(
                    "it wants to be handed a service-account token for audience {:?}, valid for minutes",
                    seen.name
                ),
            });
        }
        let asks = self
            .imports
            .iter()
            .any(|name| name.starts_with("keyhole:backend/credentials@"));
        if asks && !credentials.iter().any(|want| want.seen) {
            self.warnings.push(
                "it imports keyhole:backend/credentials and says of none that it wants it; nothing can be granted"
                    .to_owned(),
            );
        }
        let http = self
            .imports
            .iter()
            .any(|name| name.starts_with("wasi:http/outgoing-handler@"));
        if !http {
            self.warnings
                .push("it does not import wasi:http/outgoing-handler, so it reaches no store".to_owned());
        }
        self.plugin = Some(Described {
            name: description.name.clone(),
            version: description.version.clone(),
            backend_types: description
                .backend_types
                .iter()
                .map(|served| Served {
                    name: served.name.clone(),
                    aliases: served.aliases.clone(),
                })
                .collect(),
            max_batch: description.max_batch.get(),
            settings,
            options,
            hosts: description.hosts.iter().map(ToString::to_string).collect(),
            credentials,
            metadata: description.metadata.clone(),
        });
    }
}

fn contract(component: &Component) -> Option<String> {
    let exported = component.exported();
    let version = exported.iter().find_map(|name| name.strip_prefix(BACKEND))?;
    Some(format!("keyhole:backend@{version}"))
}

fn unknown(import: &str) -> Option<String> {
    let (package, version) = (
        import.split('/').next().unwrap_or_default(),
        import.split('@').nth(1).unwrap_or_default(),
    );
    let line = if package == "keyhole:backend" { "0.1." } else { "0.2." };
    let offered = OFFERED.contains(&package) && version.starts_with(line);
    (!offered).then(|| format!("it imports {import}, which no host of this contract offers"))
}

fn want(want: &CredentialWant) -> Want {
    let (kind, name, actions, seen) = match want {
        CredentialWant::Aws { service, actions } => ("aws", service, actions.clone(), false),
        CredentialWant::Header(name) => ("header", name, Vec::new(), false),
        CredentialWant::ServiceAccountToken(audience) => ("serviceAccountToken", audience, Vec::new(), true),
        CredentialWant::Exposed(name) => ("exposed", name, Vec::new(), true),
    };
    Want {
        kind,
        name: name.clone(),
        actions,
        seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_host_offers_is_known() {
        for offered in [
            "wasi:http/types@0.2.4",
            "keyhole:backend/log@0.1.0",
            "wasi:io/poll@0.2.12",
        ] {
            assert_eq!(unknown(offered), None);
        }
        for other in [
            "wasi:http/types@0.3.0",
            "acme:cloud/magic@1.0.0",
            "keyhole:backend/log@0.2.0",
            "env",
        ] {
            assert!(unknown(other).is_some(), "{other}");
        }
    }
}
