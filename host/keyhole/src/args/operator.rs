//! Flags about what is watched and when it is synced.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::BoolishValueParser;

use super::Presence;

/// Flags about what is watched and when it is synced.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Objects")]
pub struct OperatorArgs {
    /// Milliseconds between two syncs of an object that names no interval of its own
    #[arg(
        long,
        env = "POLLER_INTERVAL_MILLISECONDS",
        value_name = "MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(1..=1000 * 3600 * 24 * 365)
    )]
    pub poller_interval_milliseconds: u64,
    /// Shortest refreshInterval that an object may ask for; a shorter one is an error of the object. The operator's own interval is
    /// raised to it
    #[arg(long, env = "KEYHOLE_MINIMUM_INTERVAL", value_name = "TIME", default_value = "1s", value_parser = keyhole_api::parse_duration)]
    pub minimum_interval: Duration,
    /// Sync an object only when it changes. On as soon as the variable is there, whatever it says
    #[arg(
        long,
        env = "DISABLE_POLLING",
        value_name = Presence::VALUE,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub disable_polling: Option<Presence>,
    /// Namespaces to serve, separated by commas [default: all]
    #[arg(
        long,
        env = "WATCHED_NAMESPACES",
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub watched_namespaces: Namespaces,
    /// The operator's own namespace, for what BackendPlugins refer to [default: the pod's, else default]
    #[arg(long, env = "KEYHOLE_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// Serve only objects whose spec.controllerId is this; without it, only objects that have none
    #[arg(long, env = "INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<String>,
    /// Watch the metadata of Secrets, so that a Secret that somebody changed is repaired at once. Without it (and without the
    /// right to list Secrets) it is repaired at the next interval
    #[arg(long, env = "KEYHOLE_LIST_SECRETS", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = true, action = clap::ArgAction::Set)]
    pub list_secrets: bool,
    /// Put the namespace of an object as session tag `namespace` on the roles that are assumed for it
    #[arg(long, env = "KEYHOLE_NAMESPACE_SESSION_TAG", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub namespace_session_tag: bool,
    /// Secrets that are written at once
    #[arg(long, env = "KEYHOLE_WRITERS", value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub writers: u16,
    /// Writes of status.lastSync a second when nothing else changed, for all objects together
    #[arg(long, env = "KEYHOLE_HEARTBEATS_PER_SECOND", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub heartbeats_per_second: u32,
}

/// Where a pod finds its own namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

impl OperatorArgs {
    /// The operator's own namespace.
    pub fn own_namespace(&self) -> Arc<str> {
        let given = self.namespace.clone().filter(|name| !name.is_empty());
        let pods = || std::fs::read_to_string(POD_NAMESPACE).ok();
        let found = given.or_else(pods).map(|name| name.trim().to_owned());
        found
            .filter(|name| !name.is_empty())
            .as_deref()
            .unwrap_or("default")
            .into()
    }
}

/// Names of namespaces; none means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(pub Vec<String>);

impl FromStr for Namespaces {
    type Err = Infallible;

    /// Spaces and empty entries are dropped, as in KES.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self(names.map(str::to_owned).collect()))
    }
}
