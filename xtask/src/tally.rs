//! Counts what test binaries report, while passing their output on.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::cargo::shown;

/// Results over several runs of `cargo test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, by name, and runs that broke without naming one.
    pub failed: Vec<String>,
    /// How many tests of a name passed; names without modules.
    pub passed_names: BTreeMap<String, usize>,
}

impl Tally {
    /// Runs a `cargo test` command and adds what it reports.
    pub fn run(&mut self, command: &mut Command) -> anyhow::Result<()> {
        let shown = shown(command);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {shown}"))?;
        let failed_before = self.failed.len();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).split(b'\n') {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                self.read(&line);
            }
        }
        if !child.wait()?.success() && self.failed.len() == failed_before {
            self.failed
                .push(format!("`{shown}` (did not get as far as a test result)"));
        }
        Ok(())
    }

    /// Runs a command that is a check of its own.
    pub fn check(&mut self, command: &mut Command) -> anyhow::Result<()> {
        let shown = shown(command);
        match command
            .status()
            .with_context(|| format!("cannot run {shown}"))?
            .success()
        {
            true => self.passed += 1,
            false => self.failed.push(format!("`{shown}`")),
        }
        Ok(())
    }

    /// Reads a line of libtest's output.
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let passed = counts.split("; ").find_map(|part| {
                part.split_once(". ")
                    .map_or(part, |(_, rest)| rest)
                    .strip_suffix(" passed")
            });
            self.passed += passed.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0);
        } else if let Some(test) = line.strip_prefix("test ") {
            if let Some(name) = test.strip_suffix(" ... FAILED") {
                self.failed.push(name.to_owned());
            } else if let Some(name) = test.strip_suffix(" ... ok") {
                *self.passed_names.entry(without_modules(name).to_owned()).or_default() += 1;
            }
        }
    }

    /// Adds proofs that are missing as failures. One that ran and failed counts already.
    pub fn lacks(&mut self, proofs: Vec<String>) {
        for proof in proofs {
            let name = proof.split(' ').next().unwrap_or_default();
            if !self.failed.iter().any(|failed| without_modules(failed) == name) {
                self.failed.push(proof);
            }
        }
    }

    /// The last line of a run.
    pub fn summary(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed.len())
    }
}

/// `c` of `a::b::c` and of `a::b::c - should panic`.
fn without_modules(name: &str) -> &str {
    let name = name.split(' ').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a::b ... ok",
            "test a::x::b - should panic ... ok",
            "test c::d ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 40 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.01s",
        ] {
            tally.read(line);
        }
        assert_eq!(
            (tally.passed, tally.failed.as_slice()),
            (42, ["c::d".to_owned()].as_slice())
        );
        assert_eq!(tally.summary(), "42 passed, 1 failed");
        assert_eq!(tally.passed_names, BTreeMap::from([("b".to_owned(), 2)]));
    }

    #[test]
    fn a_proof_that_is_missing_counts_once() {
        let mut tally = Tally::default();
        tally.read("test a::s1_ran ... FAILED");
        tally.lacks(vec!["s1_ran (row S1)".to_owned(), "s2_did_not (row S2)".to_owned()]);
        assert_eq!(tally.failed, ["a::s1_ran", "s2_did_not (row S2)"]);
    }

    #[test]
    fn a_run_that_breaks_before_any_test_counts_as_a_failure() {
        let mut tally = Tally::default();
        tally.run(&mut Command::new("false")).unwrap();
        assert_eq!(tally.failed.len(), 1);
        tally.check(&mut Command::new("false")).unwrap();
        tally.check(&mut Command::new("true")).unwrap();
        assert_eq!(tally.summary(), "1 passed, 2 failed");
    }
}
