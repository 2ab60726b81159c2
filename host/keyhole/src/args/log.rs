//! Flags about logs.

use clap::ValueEnum;

use super::Presence;

/// Flags about logs.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// Least level that is written. Third-party code is never heard below `warn`: it could tell too much
    #[arg(
        long,
        env = "LOG_LEVEL",
        value_name = "LEVEL",
        ignore_case = true,
        default_value = "info"
    )]
    pub log_level: LogLevel,
    /// One JSON object per line, or text for people
    #[arg(long, env = "KEYHOLE_LOG_FORMAT", value_name = "FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// Member of the JSON object that holds the message
    #[arg(long, env = "LOG_MESSAGE_KEY", value_name = "KEY", default_value = "msg")]
    pub log_message_key: String,
    /// Member of the JSON object that holds the process id
    #[arg(long, env = "LOG_BASE_PID_KEY", value_name = "KEY", default_value = "pid")]
    pub log_base_pid_key: String,
    /// Member of the JSON object that holds the host name
    #[arg(long, env = "LOG_BASE_HOSTNAME_KEY", value_name = "KEY", default_value = "hostname")]
    pub log_base_hostname_key: String,
    /// Levels by name in place of pino's numbers. On as soon as the variable is there, whatever it says
    #[arg(
        long,
        env = "USE_HUMAN_READABLE_LOG_LEVELS",
        value_name = Presence::VALUE,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub use_human_readable_log_levels: Option<Presence>,
}

/// Levels as pino names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What happened.
    Info,
    /// What may need somebody.
    Warn,
    /// What failed.
    Error,
    /// The same as `error`; pino knows one more level.
    Fatal,
    /// Nothing.
    Silent,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// As pino does.
    Json,
    /// For people.
    Text,
}
