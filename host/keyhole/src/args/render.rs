//! Arguments of `render`.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;

use super::{AwsArgs, LogFormat, LogLevel, PluginArgs, ValueArgs};

/// Arguments of `render`.
#[derive(Clone, Debug, clap::Args)]
pub struct RenderArgs {
    /// YAML or JSON with ExternalSecrets, several documents and lists too; other objects are passed over. `-` reads standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: PathBuf,
    /// Print names of keys and sizes in place of values
    #[arg(long)]
    pub redact: bool,
    /// Namespace of objects that name none
    #[arg(short = 'n', long, value_name = "NAME", default_value = "default")]
    pub namespace: String,
    /// Put the namespace of an object as session tag `namespace` on the roles that are assumed for it
    #[arg(long, env = "KEYHOLE_NAMESPACE_SESSION_TAG", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub namespace_session_tag: bool,
    /// YAML or JSON with BackendPlugins to use besides the built-in plugins. Their files are beside it, unless --plugin-dir says
    /// where
    #[arg(long = "plugins", value_name = "FILE")]
    pub plugin_objects: Option<PathBuf>,
    #[command(flatten)]
    pub values: ValueArgs,
    #[command(flatten)]
    pub aws: AwsArgs,
    #[command(flatten)]
    pub plugins: PluginArgs,
    /// Least level that is written to standard error
    #[arg(
        long,
        env = "LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "warn",
        help_heading = "Logs"
    )]
    pub log_level: LogLevel,
    /// One JSON object per line, or text for people
    #[arg(
        long,
        env = "KEYHOLE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Logs"
    )]
    pub log_format: LogFormat,
}
