//! What goes to standard output and standard error outside of logs.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Name and version, as `keyhole version` prints them.
pub const VERSION: &str = concat!("keyhole ", env!("CARGO_PKG_VERSION"));

/// Prints a document. A reader that has gone (`keyhole crds | head -1`) is no failure.
pub fn print(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// One line on standard error.
pub fn say(line: &str) {
    // There is nobody left to tell when standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{}", one_line(line));
}

/// Several lines on standard error.
pub fn say_lines(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Ends with one line that names the error and its causes.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Many errors repeat what their cause says.
        if !line.contains(&cause) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&cause);
        }
    }
    say(&format!("keyhole: {line}"));
    ExitCode::FAILURE
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_one_line() {
        assert_eq!(one_line("a\n  b\tc\n"), "a b c");
    }
}
