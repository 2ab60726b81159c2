//! Logs: one JSON object per line as pino writes them (KES's users have parsers for that), or text.
//!
//! Only the host's own code is heard at every level. Libraries are cut off below `warn`: at `debug`
//! some print headers of requests, and with them a session token.

mod pino;

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::args::{LogArgs, LogFormat, LogLevel};
use pino::{Keys, Pino};

/// The host's crates, by the beginning of their names.
const OURS: &str = "keyhole";

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// A server's log.
    Stdout,
    /// What a command says beside its output.
    Stderr,
}

/// Starts logging as `run` does.
pub fn start(args: &LogArgs) -> anyhow::Result<()> {
    let LogArgs {
        log_level,
        log_format,
        log_message_key,
        log_base_pid_key,
        log_base_hostname_key,
        use_human_readable_log_levels,
    } = args;
    let keys = Keys {
        message: log_message_key.clone(),
        pid: log_base_pid_key.clone(),
        hostname: log_base_hostname_key.clone(),
        level_names: use_human_readable_log_levels.is_some(),
    };
    install(*log_level, *log_format, keys, Stream::Stdout)
}

/// Starts logging as commands do.
pub fn start_for_command(level: LogLevel, format: LogFormat) -> anyhow::Result<()> {
    install(level, format, Keys::default(), Stream::Stderr)
}

fn install(level: LogLevel, format: LogFormat, keys: Keys, stream: Stream) -> anyhow::Result<()> {
    let (writer, terminal) = match stream {
        Stream::Stdout => (BoxMakeWriter::new(io::stdout), io::stdout().is_terminal()),
        Stream::Stderr => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
    };
    let layer = match format {
        LogFormat::Json => fmt::layer().with_writer(writer).event_format(Pino::new(keys)).boxed(),
        LogFormat::Text => fmt::layer()
            .with_writer(writer)
            .with_ansi(terminal)
            .with_target(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter(level)))
        .try_init()?;
    Ok(())
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Fatal => LevelFilter::ERROR,
        LogLevel::Silent => LevelFilter::OFF,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OURS, level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_are_never_heard_below_warn() {
        for level in [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn] {
            let filter = filter(level);
            assert!(filter.would_enable("hyper", &Level::WARN));
            assert!(!filter.would_enable("aws_smithy_runtime", &Level::INFO));
        }
    }

    #[test]
    fn the_level_holds_for_all_our_crates() {
        let debug = filter(LogLevel::Debug);
        for target in [
            "keyhole",
            "keyhole::run",
            "keyhole_controller::planner",
            "keyhole_sandbox",
        ] {
            assert!(debug.would_enable(target, &Level::DEBUG) && !debug.would_enable(target, &Level::TRACE));
        }
        assert!(!filter(LogLevel::Silent).would_enable("keyhole", &Level::ERROR));
        assert!(!filter(LogLevel::Error).would_enable("hyper", &Level::WARN));
    }
}
