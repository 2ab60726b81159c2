//! Arguments of `run`.

use std::net::IpAddr;
use std::time::Duration;

use clap::builder::BoolishValueParser;

use super::{AwsArgs, LogArgs, OperatorArgs, PermissionArgs, PluginArgs};
use super::{AwsArgs, LogArgs, OperatorArgs, PluginArgs, ValueArgs};

/// Arguments of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub operator: OperatorArgs,
    #[command(flatten)]
    pub values: ValueArgs,
    pub permission: PermissionArgs,
    #[command(flatten)]
    pub aws: AwsArgs,
    #[command(flatten)]
    pub plugins: PluginArgs,
    #[command(flatten)]
    pub log: LogArgs,
    /// Port of /metrics, /healthz and /readyz; 0 takes a free one
    #[arg(
        long,
        env = "METRICS_PORT",
        value_name = "PORT",
        default_value_t = 3001,
        help_heading = "Process"
    )]
    pub metrics_port: u16,
    /// Address that the port is bound to [default: all]
    #[arg(long, env = "KEYHOLE_METRICS_ADDRESS", value_name = "IP", help_heading = "Process")]
    pub metrics_address: Option<IpAddr>,
    /// KES's metrics, which name each object
    #[arg(long, env = "KEYHOLE_OBJECT_METRICS", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = true, action = clap::ArgAction::Set, help_heading = "Process")]
    pub object_metrics: bool,
    /// The same under the names that KES had deprecated, sync_calls and last_state
    #[arg(long, env = "KEYHOLE_DEPRECATED_METRICS", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", help_heading = "Process")]
    pub deprecated_metrics: bool,
    /// After SIGTERM or SIGINT, how long writes that were begun may take. A second signal ends at once
    #[arg(long, env = "KEYHOLE_GRACE", value_name = "TIME", default_value = "25s", value_parser = keyhole_api::parse_duration, help_heading = "Process")]
    pub grace: Duration,
}
