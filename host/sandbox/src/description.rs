//! What a plugin says about itself, checked.
//!
//! A description is the first thing that an unknown file gives to the host, and its texts end up in
//! statuses, schemas and logs. So everything is parsed here, once; behind this module a description
//! is sane.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use keyhole_core::host_pattern::HostPattern;
use serde_json::{Map, Value as Json};

use crate::bindings::since_v0_1_0::keyhole::backend::types as wit;
use crate::load_error::LoadError;

/// All texts of a description together, in bytes.
pub const DESCRIPTION_LIMIT: usize = 64 << 10;
/// A name: of a plugin, a backend type, an alias, a credential.
const NAME_LIMIT: usize = 63;

/// What a plugin is.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Short name, lower-case letters, digits and dashes.
    pub name: String,
    /// Semantic version of the plugin.
    pub version: String,
    /// What `spec.backendType` may say to reach it. At least one.
    pub backend_types: Vec<BackendType>,
    /// JSON Schema of the settings.
    pub settings_schema: Map<String, Json>,
    /// JSON Schema of a request's options.
    pub options_schema: Map<String, Json>,
    /// The hosts that it wants.
    pub hosts: Vec<HostPattern>,
    /// The credentials that it wants.
    pub credentials: Vec<CredentialWant>,
    /// Largest number of requests in one fetch.
    pub max_batch: NonZeroU32,
    /// Anything else, for people.
    pub metadata: Map<String, Json>,
}

/// One value of `spec.backendType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendType {
    /// E.g. `secretsManager`.
    pub name: String,
    /// Other spellings.
    pub aliases: Vec<String>,
}

/// A kind of credential that a plugin wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialWant {
    /// Requests to this service signed by the host.
    Aws {
        /// Signing name.
        service: String,
        /// Actions, as in `X-Amz-Target` without their prefix.
        actions: Vec<String>,
    },
    /// This header set by the host.
    Header(String),
    /// A service-account token of this audience.
    ServiceAccountToken(String),
    /// A credential that it sees, by this name.
    Exposed(String),
}

impl Description {
    /// Checks what `describe` returned.
    pub(crate) fn parse(raw: wit::Description) -> Result<Self, LoadError> {
        let size = text_size(&raw);
        if size > DESCRIPTION_LIMIT {
            return Err(bad(
                "size",
                format!("all texts together are {size} bytes; {DESCRIPTION_LIMIT} are allowed"),
            ));
        }
        let description = Self {
            name: plugin_name(raw.name)?,
            version: version(raw.version)?,
            backend_types: backend_types(raw.backend_types)?,
            settings_schema: object("settings-schema", &raw.settings_schema)?,
            options_schema: object("options-schema", &raw.options_schema)?,
            hosts: raw
                .hosts
                .iter()
                .map(|host| {
                    host.parse::<HostPattern>()
                        .map_err(|error| bad("hosts", error.to_string()))
                })
                .collect::<Result<_, _>>()?,
            credentials: raw.credentials.into_iter().map(credential).collect::<Result<_, _>>()?,
            max_batch: NonZeroU32::new(raw.max_batch)
                .ok_or_else(|| bad("max-batch", "0 requests; say at least 1".to_owned()))?,
            metadata: object("metadata", &raw.metadata)?,
        };
        Ok(description)
    }

    /// All names and aliases under which the plugin can be reached.
    pub fn backend_names(&self) -> impl Iterator<Item = &str> {
        self.backend_types
            .iter()
            .flat_map(|backend| std::iter::once(&backend.name).chain(&backend.aliases))
            .map(String::as_str)
    }
}

fn bad(field: &'static str, why: String) -> LoadError {
    LoadError::Description { field, why }
}

fn text_size(raw: &wit::Description) -> usize {
    let backends = raw
        .backend_types
        .iter()
        .map(|backend| backend.name.len() + backend.aliases.iter().map(String::len).sum::<usize>());
    let credentials = raw.credentials.iter().map(|want| match want {
        wit::CredentialWant::Aws(aws) => aws.service.len() + aws.actions.iter().map(String::len).sum::<usize>(),
        wit::CredentialWant::Header(text)
        | wit::CredentialWant::ServiceAccountToken(text)
        | wit::CredentialWant::Exposed(text) => text.len(),
    });
    [
        &raw.name,
        &raw.version,
        &raw.settings_schema,
        &raw.options_schema,
        &raw.metadata,
    ]
    .map(String::len)
    .into_iter()
    .chain(backends)
    .chain(raw.hosts.iter().map(String::len))
    .chain(credentials)
    .fold(0, usize::saturating_add)
}

fn plugin_name(name: String) -> Result<String, LoadError> {
    let sane = !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if sane {
        return Ok(name);
    }
    let why = format!(
        "{} is not 1 to {NAME_LIMIT} lower-case letters, digits and inner dashes",
        shown(&name)
    );
    Err(bad("name", why))
}

fn version(version: String) -> Result<String, LoadError> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let numeric = |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
    let sane = version.len() <= NAME_LIMIT
        && numbers.len() == 3
        && numbers.iter().all(numeric)
        && version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b));
    if sane {
        Ok(version)
    } else {
        Err(bad(
            "version",
            format!("{} is no semantic version such as 1.4.0", shown(&version)),
        ))
    }
}

fn backend_types(raw: Vec<wit::BackendType>) -> Result<Vec<BackendType>, LoadError> {
    const FIELD: &str = "backend-types";
    if raw.is_empty() {
        return Err(bad(
            FIELD,
            "none; name at least one value of spec.backendType".to_owned(),
        ));
    }
    let mut seen = BTreeSet::new();
    for name in raw
        .iter()
        .flat_map(|backend| std::iter::once(&backend.name).chain(&backend.aliases))
    {
        if !is_identifier(name) {
            let why = format!(
                "{} is not 1 to {NAME_LIMIT} letters, digits, dashes and underscores",
                shown(name)
            );
            return Err(bad(FIELD, why));
        }
        if !seen.insert(name) {
            return Err(bad(FIELD, format!("{} is there twice", shown(name))));
        }
    }
    Ok(raw
        .into_iter()
        .map(|backend| BackendType {
            name: backend.name,
            aliases: backend.aliases,
        })
        .collect())
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn object(field: &'static str, text: &str) -> Result<Map<String, Json>, LoadError> {
    match serde_json::from_str(text) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(bad(field, "a JSON object is needed; say {} for none".to_owned())),
        Err(error) => Err(bad(field, format!("no JSON: {error}"))),
    }
}

fn credential(raw: wit::CredentialWant) -> Result<CredentialWant, LoadError> {
    const FIELD: &str = "credentials";
    let name = |name: String| {
        let why = format!(
            "{} is not 1 to {NAME_LIMIT} letters, digits, dashes and underscores",
            shown(&name)
        );
        if is_identifier(&name) {
            Ok(name)
        } else {
            Err(bad(FIELD, why))
        }
    };
    Ok(match raw {
        wit::CredentialWant::Aws(want) => CredentialWant::Aws {
            service: name(want.service)?,
            actions: want.actions.into_iter().map(name).collect::<Result<_, _>>()?,
        },
        wit::CredentialWant::Header(header) => match http::HeaderName::try_from(header.as_str()) {
            Ok(header) => CredentialWant::Header(header.as_str().to_owned()),
            Err(_) => return Err(bad(FIELD, format!("{} is no header name", shown(&header)))),
        },
        wit::CredentialWant::ServiceAccountToken(audience) if audience.len() <= 1024 && !audience.is_empty() => {
            CredentialWant::ServiceAccountToken(audience)
        }
        wit::CredentialWant::ServiceAccountToken(_) => {
            return Err(bad(
                FIELD,
                "a service-account token needs an audience of 1 to 1024 bytes".to_owned(),
            ));
        }
        wit::CredentialWant::Exposed(exposed) => CredentialWant::Exposed(name(exposed)?),
    })
}

/// A foreign text in quotes, escaped, and short enough for one line.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
