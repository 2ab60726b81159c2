//! Runs a tool to its end and keeps what it printed for the case that it fails.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Runs `command`; the error shows the last lines of its output.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = OsStr::to_string_lossy(command.get_program()).into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines
        .get(lines.len().saturating_sub(30)..)
        .unwrap_or_default()
        .join("\n");
    bail!("{program} failed ({}):\n{last}", output.status)
}
