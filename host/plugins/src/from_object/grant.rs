//! `spec.grant` of a BackendPlugin.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use keyhole_api::{
    AuthGrant, AwsAuth, HeaderAuth, LimitsGrant, PluginGrant, SecretKeyRef, TokenAuth, parse_duration, parse_size,
};
use keyhole_core::host_pattern::HostPattern;
use keyhole_core::limits::Limits;
use keyhole_sandbox::{AwsGrant, Credential, Grant, HeaderGrant, PrivateAddresses};

use super::{Mistakes, authorities};

/// Below this, hardly any guest starts; a 32-bit memory ends at 4 GiB, and the container long before.
const MEMORY: RangeInclusive<u64> = (1 << 20)..=(2 << 30);
/// One body or value. All of it is in memory at once.
const BODY: RangeInclusive<u64> = 1..=(64 << 20);
/// All values of one call.
const VALUES: RangeInclusive<u64> = 1..=(256 << 20);
const CPU: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(600);
/// The planner gives no call longer than this.
const WALL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
const EXCHANGES: RangeInclusive<u32> = 1..=100_000;
const CONCURRENT_CALLS: RangeInclusive<u32> = 1..=1024;

const HOST_REMEDY: &str = "write NAME or NAME:PORT, e.g. vault.example.com:8200";

pub(super) fn grant(grant: &PluginGrant, mistakes: &mut Mistakes) -> Grant {
    let PluginGrant {
        hosts,
        allow_private_addresses,
        ca_bundle,
        auth,
        limits,
    } = grant;
    let hosts = patterns("spec.grant.hosts", hosts, mistakes);
    let ranges = allow_private_addresses
        .iter()
        .enumerate()
        .filter_map(|(position, range)| {
            let parsed = range
                .parse::<IpNet>()
                .map_err(|_| format!("{range:?} is no range of addresses"));
            mistakes.take(
                format!("spec.grant.allowPrivateAddresses[{position}]"),
                parsed,
                "write it like 10.0.0.0/8",
            )
        });
    let private_addresses = match ranges.collect::<Vec<_>>() {
        none if none.is_empty() => PrivateAddresses::None,
        ranges => PrivateAddresses::Cidrs(ranges),
    };
    let AuthGrant {
        aws,
        headers,
        service_account_token,
        exposed,
        allow_service_accounts,
    } = auth;
    let token = service_account_token
        .as_ref()
        .and_then(|token| audience("spec.grant.auth.serviceAccountToken", token, mistakes));
    Grant {
        aws: services(aws, mistakes),
        headers: headers
            .iter()
            .enumerate()
            .filter_map(|(position, header)| {
                header_grant(
                    &format!("spec.grant.auth.headers[{position}]"),
                    header,
                    &hosts,
                    mistakes,
                )
            })
            .collect(),
        token,
        service_accounts: *allow_service_accounts,
        exposed: exposed_credentials(exposed, mistakes),
        ca_bundle: authorities("spec.grant.caBundle", ca_bundle.as_deref(), mistakes),
        limits: limits
            .as_ref()
            .map_or_else(Limits::default, |limits| self::limits(limits, mistakes)),
        private_addresses,
        hosts,
    }
}

fn patterns(field: &str, hosts: &[String], mistakes: &mut Mistakes) -> Vec<HostPattern> {
    hosts
        .iter()
        .enumerate()
        .filter_map(|(position, host)| {
            mistakes.take(
                format!("{field}[{position}]"),
                host.parse::<HostPattern>()
                    .map_err(|error| error.to_string().replace("; ", ", ")),
                HOST_REMEDY,
            )
        })
        .collect()
}

fn services(aws: &[AwsAuth], mistakes: &mut Mistakes) -> Vec<AwsGrant> {
    let is_word = |text: &str, also: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
    };
    let mut known = BTreeSet::new();
    for (position, AwsAuth { service, actions }) in aws.iter().enumerate() {
        let field = format!("spec.grant.auth.aws[{position}]");
        if !is_word(service, b"-") {
            let message = format!("{service:?} is no signing name");
            mistakes.add(format!("{field}.service"), message, "write it like secretsmanager");
        } else if !known.insert(service) {
            let message = format!("{service} is named twice");
            mistakes.add(
                format!("{field}.service"),
                message,
                "put all its actions into one entry",
            );
        }
        if actions.is_empty() {
            mistakes.add(
                format!("{field}.actions"),
                "there is none",
                "name what is needed, e.g. GetSecretValue",
            );
        }
        for (number, action) in actions.iter().enumerate().filter(|(_, action)| !is_word(action, b"")) {
            let message = format!("{action:?} is no action");
            mistakes.add(
                format!("{field}.actions[{number}]"),
                message,
                "write it like GetSecretValue",
            );
        }
    }
    aws.iter()
        .map(|AwsAuth { service, actions }| AwsGrant {
            service: service.clone(),
            actions: actions.clone(),
        })
        .collect()
}

fn header_grant(
    field: &str,
    header: &HeaderAuth,
    granted: &[HostPattern],
    mistakes: &mut Mistakes,
) -> Option<HeaderGrant> {
    let HeaderAuth {
        name,
        prefix,
        hosts,
        secret_key_ref,
        service_account_token,
    } = header;
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no name of a header"));
    let name = mistakes.take(format!("{field}.name"), parsed, "write it like authorization");
    let prefix = prefix.clone().unwrap_or_default();
    if !prefix.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        mistakes.add(
            format!("{field}.prefix"),
            "it holds what a header cannot",
            "write printable ASCII, e.g. \"Bearer \"",
        );
    }
    let hosts = patterns(&format!("{field}.hosts"), hosts, mistakes);
    for host in hosts.iter().filter(|host| !granted.contains(host)) {
        let message = format!("{host} is not granted");
        mistakes.add(
            format!("{field}.hosts"),
            message,
            "name it in spec.grant.hosts too, written the same way",
        );
    }
    let credential = match (secret_key_ref, service_account_token) {
        (Some(key), None) => secret_key(&format!("{field}.secretKeyRef"), key, mistakes),
        (None, Some(token)) => audience(&format!("{field}.serviceAccountToken"), token, mistakes)
            .map(|audience| Credential::Token { audience }),
        (given, _) => {
            let message = if given.is_some() {
                "it has two credentials"
            } else {
                "it has no credential"
            };
            mistakes.add(
                field,
                message,
                "set exactly one of secretKeyRef and serviceAccountToken",
            );
            None
        }
    };
    Some(HeaderGrant {
        name: name?,
        prefix,
        credential: credential?,
        hosts,
    })
}

fn audience(field: &str, token: &TokenAuth, mistakes: &mut Mistakes) -> Option<Arc<str>> {
    if token.audience.is_empty() {
        mistakes.add(
            format!("{field}.audience"),
            "it is missing",
            "write what the store checks tokens for",
        );
        return None;
    }
    Some(token.audience.as_str().into())
}

fn secret_key(field: &str, entry: &SecretKeyRef, mistakes: &mut Mistakes) -> Option<Credential> {
    let SecretKeyRef { name, key } = entry;
    for (what, text, remedy) in [
        ("name", name, "name a Secret of the operator's namespace"),
        ("key", key, "name an entry of its data"),
    ] {
        if text.is_empty() {
            mistakes.add(format!("{field}.{what}"), "it is missing", remedy);
        }
    }
    (!name.is_empty() && !key.is_empty()).then(|| Credential::Secret {
        name: name.as_str().into(),
        key: key.as_str().into(),
    })
}

fn limits(given: &LimitsGrant, mistakes: &mut Mistakes) -> Limits {
    let LimitsGrant {
        memory,
        cpu,
        wall,
        response_body,
        request_body,
        exchanges,
        value,
        values,
        concurrent_calls,
    } = given;
    let mut limits = Limits::default();
    for (name, text, range, limit) in [
        ("memory", memory, MEMORY, &mut limits.memory),
        ("responseBody", response_body, BODY, &mut limits.response_body),
        ("requestBody", request_body, BODY, &mut limits.request_body),
        ("value", value, BODY, &mut limits.value),
        ("values", values, VALUES, &mut limits.values),
    ] {
        let Some(text) = text else { continue };
        let size = mistakes.take(
            format!("spec.grant.limits.{name}"),
            parse_size(text),
            "write it like 64Mi",
        );
        let size = size.and_then(|size| within(name, size, range, Bytes, mistakes));
        if let Some(size) = size.and_then(|size| usize::try_from(size).ok()) {
            *limit = size;
        }
    }
    for (name, text, range, limit) in [
        ("cpu", cpu, CPU, &mut limits.cpu),
        ("wall", wall, WALL, &mut limits.wall),
    ] {
        let Some(text) = text else { continue };
        let time = mistakes.take(
            format!("spec.grant.limits.{name}"),
            parse_duration(text),
            "write it like 2s",
        );
        if let Some(time) = time.and_then(|time| within(name, time, range, |time| format!("{time:?}"), mistakes)) {
            *limit = time;
        }
    }
    for (name, number, range, limit) in [
        ("exchanges", exchanges, EXCHANGES, &mut limits.exchanges),
        (
            "concurrentCalls",
            concurrent_calls,
            CONCURRENT_CALLS,
            &mut limits.concurrent_calls,
        ),
    ] {
        let number = number.and_then(|number| within(name, number, range, |number| number, mistakes));
        if let Some(number) = number {
            *limit = number;
        }
    }
    limits
}

/// The value, if the host can keep to it.
fn within<T: PartialOrd + Copy, D: fmt::Display>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
    show: impl Fn(T) -> D,
    mistakes: &mut Mistakes,
) -> Option<T> {
    if range.contains(&value) {
        return Some(value);
    }
    mistakes.add(
        format!("spec.grant.limits.{name}"),
        format!("{} is out of range", show(value)),
        format!("write {} to {}", show(*range.start()), show(*range.end())),
    );
    None
}

/// A size as people write it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{}Mi", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(f, "{}Ki", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

/// By the name that the plugin asks for.
fn exposed_credentials(
    exposed: &BTreeMap<String, SecretKeyRef>,
    mistakes: &mut Mistakes,
) -> BTreeMap<String, Credential> {
    let entries = exposed.iter().filter_map(|(name, entry)| {
        let credential = secret_key(&format!("spec.grant.auth.exposed.{name}"), entry, mistakes)?;
        Some((name.clone(), credential))
    });
    entries.collect()
}
