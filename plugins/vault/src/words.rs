//! Faults in words: what, where, and what to do.
//!
//! Vault's own lines are quoted where they know more than we do (which role, which policy path). They name
//! paths and roles, never values. The server's address is the administrator's and stays out of them.

use keyhole_sdk::Error;

use crate::api::{Fault, Refusal, is_ours};
use crate::entry::Entry;
use crate::settings::{Kv, Settings};

/// Longest quotation, in bytes.
const QUOTED: usize = 300;

/// Nobody answered. What the SDK found wrong in the request itself stays as it is.
pub fn no_answer(error: Error) -> Error {
    if is_ours(&error) {
        return error;
    }
    Error::unavailable(None, "Vault cannot be reached, or breaks off before it has answered")
}

/// Something answered that does not speak Vault's language.
pub fn not_vault(status: u16) -> Error {
    let message = format!(
        "what answers (HTTP {status}) is not Vault; ask for the address in the BackendPlugin, and a proxy before it, to be checked"
    );
    Error::unavailable(None, message).code(status.to_string())
}

/// What is the same for every call: the server's own state.
fn state(refusal: &Refusal) -> Option<Error> {
    let after = refusal.retry_after;
    Some(match refusal.status {
        300..=399 => Error::unavailable(
            after,
            "Vault redirects to another address, which is not followed; the address in the BackendPlugin must be that of the active server or of a balancer",
        ),
        412 => Error::unavailable(
            after,
            "this server of Vault's cluster has not caught up yet; it will be asked again",
        ),
        429 => Error::throttled(after, "Vault asks for fewer calls; it will be asked again later"),
        472 | 473 => Error::unavailable(
            after,
            "this server of Vault's cluster is a standby that does not answer; ask for the address in the BackendPlugin to be checked",
        ),
        503 if refusal.mentions("sealed") => {
            Error::unavailable(after, "Vault is sealed; it must be unsealed before it answers")
        }
        503 if refusal.mentions("not initialized") => Error::unavailable(after, "Vault is not initialized"),
        status @ 500..=599 => Error::unavailable(after, format!("Vault fails with HTTP {status}{}", said(refusal))),
        _ => return None,
    })
}

/// Why an entry, or a folder, could not be read.
pub fn entry(fault: &Fault, entry: &Entry, kv: Kv, role: &str) -> Error {
    let Entry { name, version, .. } = entry;
    let refusal = match fault {
        Fault::NoAnswer(error) => return error.clone(),
        Fault::Refused(refusal) => refusal,
    };
    let error = match (state(refusal), refusal.status) {
        (Some(error), _) => error,
        (None, 400 | 405) => Error::invalid("/key", format!("Vault refuses to read {name:?}{}", said(refusal))),
        (None, 403) => Error::denied(format!(
            "not allowed to read {name:?} with role {role:?}; give the role a policy with the capability read on that path"
        )),
        (None, 404) => Error::not_found(absent(refusal, name, *version, kv)),
        (None, status) => Error::other(
            format!("http-{status}"),
            format!("Vault answers HTTP {status} to {name:?}{}", said(refusal)),
        ),
    };
    error.code(refusal.status.to_string())
}

/// What is known of an entry that is not there. Mostly it was looked for in the wrong version of the engine,
/// and of that Vault says little.
fn absent(refusal: &Refusal, name: &str, version: Option<u64>, kv: Kv) -> String {
    let metadata = refusal.data.get("metadata");
    let text = |member: &str| {
        metadata
            .and_then(|metadata| metadata.get(member)?.as_str())
            .unwrap_or_default()
    };
    let which = match version {
        Some(version) => format!("version {version} of {name:?}"),
        None => format!("{name:?}"),
    };
    if metadata.and_then(|metadata| metadata.get("destroyed")?.as_bool()) == Some(true) {
        return format!("{which} was destroyed; write the entry again, or ask for another version");
    }
    if !text("deletion_time").is_empty() {
        return format!(
            "{which} was deleted at {}; undelete it, or write the entry again",
            text("deletion_time")
        );
    }
    if refusal.mentions("no handler for route") || refusal.mentions("unsupported path") {
        return format!("no secrets engine of Vault serves {name:?}; check the mount, the first part of the path");
    }
    if refusal.mentions("versioned k/v") {
        return format!(
            "{name:?} is in a key-value engine of version 2; write {} and kvVersion 2",
            with_data(name)
        );
    }
    match (kv, name.split('/').skip(1).any(|part| part == "data")) {
        (Kv::Two, true) => format!(
            "no entry {which}; if the engine is of version 1, set kvVersion to 1 and leave data/ out of the path"
        ),
        (Kv::Two, false) => format!(
            "no entry {which}; in version 2 of the key-value engine a path has data/ after the mount, as in {}",
            with_data(name)
        ),
        (Kv::One, true) => format!("no entry {which}; if the engine is of version 2, set kvVersion to 2"),
        (Kv::One, false) => format!("no entry {which}"),
    }
}

/// The path as version 2 of the engine wants it, if the mount is its first part.
fn with_data(name: &str) -> String {
    match name.split_once('/') {
        Some((mount, rest)) => format!("{:?}", format!("{mount}/data/{rest}")),
        None => format!("{:?}", format!("{name}/data/...")),
    }
}

/// Why there was no login.
pub fn login(fault: &Fault, settings: &Settings, role: &str) -> Error {
    let mount = &settings.vault_mount_point;
    let refusal = match fault {
        Fault::NoAnswer(error) => return error.clone(),
        Fault::Refused(refusal) => refusal,
    };
    let error = match (state(refusal), refusal.status) {
        // Vault asks the API server about the token, and passes on that this failed.
        (Some(_), 500) => Error::unavailable(
            refusal.retry_after,
            format!("Vault cannot check the login at auth/{mount}{}", said(refusal)),
        ),
        (Some(error), _) => error,
        (None, 404) => Error::invalid(
            "/settings/vaultMountPoint",
            format!("no auth method is mounted at auth/{mount}; check vaultMountPoint"),
        ),
        (None, 400) if refusal.mentions("role") => Error::invalid(
            "/settings/vaultRole",
            format!(
                "auth/{mount} does not accept role {role:?}{}; check vaultRole",
                said(refusal)
            ),
        ),
        // Vault also says this where no auth method is mounted.
        (None, 400 | 401 | 403) => Error::unauthenticated(format!(
            "login at auth/{mount} as role {role:?} failed{}; check vaultMountPoint, and that the role is bound to the service account, its namespace and the audience of its token",
            said(refusal)
        )),
        (None, status) => Error::other(
            format!("http-{status}"),
            format!(
                "Vault answers HTTP {status} to the login at auth/{mount}{}",
                said(refusal)
            ),
        ),
    };
    error.code(refusal.status.to_string())
}

/// A login that gave no token: a second factor is wanted, or what answers is not Vault.
pub fn no_token(settings: &Settings, role: &str) -> Error {
    let mount = &settings.vault_mount_point;
    Error::unauthenticated(format!(
        "the login at auth/{mount} as role {role:?} gave no token; the role must need no second factor"
    ))
}

/// The state of the token could not be found out.
pub fn lookup(fault: &Fault) -> Error {
    match fault {
        Fault::NoAnswer(error) => error.clone(),
        Fault::Refused(refusal) => state(refusal).unwrap_or_else(|| {
            let status = refusal.status;
            Error::unavailable(
                None,
                format!(
                    "Vault answers HTTP {status} to the question whether the token is valid{}",
                    said(refusal)
                ),
            )
        }),
    }
}

/// Vault's lines as a part of ours, in one line and cut.
fn said(refusal: &Refusal) -> String {
    let lines = refusal.errors.iter().chain(&refusal.warnings);
    let mut line = lines
        .flat_map(|line| line.split_whitespace())
        .collect::<Vec<_>>()
        .join(" ");
    if line.is_empty() {
        return line;
    }
    if line.len() > QUOTED {
        let end = (0..=QUOTED)
            .rev()
            .find(|&end| line.is_char_boundary(end))
            .unwrap_or_default();
        line.truncate(end);
        line.push_str("...");
    }
    format!(" (Vault: {line})")
}
