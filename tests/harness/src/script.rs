//! Small programs that a test writes and has started.

use std::path::Path;
use std::process::Command;

/// Writes an executable shell script.
///
/// Another process writes it: a child that another thread starts while this process has the file open for writing
/// inherits that, and the system starts no file that somebody may still write to ("text file busy").
///
/// # Panics
///
/// When the file cannot be written.
#[expect(clippy::panic, reason = "a test without its program has nothing to test")]
pub fn write_script(path: &Path, script: &str) {
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 755 "$0""#;
    let status = Command::new("sh").args(["-c", write]).arg(path).arg(script).status();
    if !status.is_ok_and(|status| status.success()) {
        panic!("cannot write {}", path.display());
    }
}
