//! The `sh` blocks of a page as one script, and what each printed.
//!
//! One shell runs them all, as a reader's does: variables, folders and processes in the background stay. A
//! `text` block that follows an `sh` block is what its commands print; `...` in it stands for anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use keyhole_test_harness::Process;

use super::page::Block;

/// What a page may leave open.
const ANYTHING: &str = "...";

/// Commands and what the page says that they print.
#[derive(Debug)]
pub struct Step {
    /// The line of the page.
    pub line: usize,
    /// The commands.
    pub commands: String,
    /// What they print, where the page shows it.
    pub shown: Option<String>,
}

/// The steps of a page, with the values of these variables in place of its own.
pub fn steps(blocks: &[Block], variables: &BTreeMap<&str, String>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut last_is_sh = false;
    let mut set = BTreeMap::new();
    for block in blocks {
        match (block.kind.as_str(), steps.last_mut()) {
            ("sh", _) => steps.push(Step {
                line: block.line,
                commands: substitute(&block.text, variables, &mut set),
                shown: None,
            }),
            ("text", Some(step)) if last_is_sh => step.shown = Some(block.text.clone()),
            _ => {}
        }
        last_is_sh = block.kind == "sh";
    }
    for name in variables.keys() {
        assert_eq!(set.get(name), Some(&1), "the page sets {name} once");
    }
    steps
}

/// Replaces whole lines `NAME=...`; nothing else is touched.
fn substitute<'v>(text: &str, variables: &'v BTreeMap<&str, String>, set: &mut BTreeMap<&'v str, usize>) -> String {
    let mut commands = String::new();
    for line in text.lines() {
        let variable = line.split_once('=').and_then(|(name, _)| variables.get_key_value(name));
        match variable {
            Some((name, value)) => {
                *set.entry(*name).or_default() += 1;
                commands.push_str(&format!("{name}={value}\n"));
            }
            None => {
                commands.push_str(line);
                commands.push('\n');
            }
        }
    }
    commands
}

/// Runs the steps in `folder` with exactly this environment. The error names the step that failed, or that
/// printed something else than the page shows.
pub async fn run(
    steps: &[Step],
    folder: &Path,
    environment: &BTreeMap<String, String>,
    within: Duration,
) -> Result<(), String> {
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n");
    let output = |number: usize| folder.join(format!("step-{number}.out"));
    for (number, step) in steps.iter().enumerate() {
        // Braces keep the commands in this shell.
        let file = output(number);
        script.push_str(&format!("{{\n{}}} > {} 2>&1\n", step.commands, file.display()));
    }
    let file = folder.join("page.sh");
    fs::write(&file, script).unwrap();
    let work = folder.join("work");
    fs::create_dir_all(&work).unwrap();
    let mut shell = Command::new("bash");
    shell.arg(&file).current_dir(&work).env_clear().envs(environment);
    let mut shell = Process::spawn("the page", shell, &folder.join("shell.log")).unwrap();
    let status = shell.wait(within).await;
    let printed = |number: usize| fs::read_to_string(output(number)).ok();
    if !status.as_ref().is_ok_and(ExitStatus::success) {
        let begun = (0..steps.len()).rev().find(|number| printed(*number).is_some());
        let last = begun.unwrap_or(0);
        let Step { line, commands, .. } = &steps[last];
        let printed = printed(last).unwrap_or_default();
        let shell = shell.log();
        return Err(format!(
            "the commands on line {line} of the page: {status:?}\n{commands}\n{printed}\n{shell}"
        ));
    }
    for (number, step) in steps.iter().enumerate() {
        let printed = printed(number).unwrap();
        if let Some(line) = step.shown.as_deref().and_then(|shown| missing(shown, &printed)) {
            return Err(format!(
                "the commands on line {} of the page do not print {line:?}, but\n{printed}",
                step.line
            ));
        }
    }
    Ok(())
}

/// The first line that is shown and was not printed, or not in that order.
fn missing<'s>(shown: &'s str, printed: &str) -> Option<&'s str> {
    let mut printed = printed.lines();
    let mut shown = shown.lines().filter(|line| line.trim() != ANYTHING);
    shown.find(|wanted| !printed.any(|line| fits(wanted, line)))
}

/// Whether a line is the wanted one, with anything in place of `...`. Runs of blanks are one: columns are as wide
/// as their widest cell.
fn fits(wanted: &str, line: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (wanted, line) = (words(wanted), words(line));
    let mut parts = wanted.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some(part) => rest.is_empty() || part.is_empty(),
    }
}

#[test]
fn dots_stand_for_anything_and_columns_may_be_wider() {
    assert!(fits("a  b ... d", "a b c  d") && fits("digest ...", "digest sha256:0") && fits("a", "a"));
    assert!(!fits("a ... d", "a b c") && !fits("a", "a b") && !fits("a ... d", "a d e"));
    assert_eq!(missing("a\n...\nc\n", "a\nb\nc\n"), None);
    assert_eq!(missing("c\na\n", "a\nc\n"), Some("a"));
}

#[test]
fn variables_are_replaced_where_the_page_sets_them_and_nowhere_else() {
    let block = |kind: &str, text: &str| Block {
        kind: kind.to_owned(),
        text: text.to_owned(),
        line: 1,
    };
    let blocks = [
        block("sh", "A=x  # why\necho A=y\n"),
        block("text", "shown\n"),
        block("text", "something else\n"),
        block("yaml", "A=z\n"),
    ];
    let steps = steps(&blocks, &BTreeMap::from([("A", "mine".to_owned())]));
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].commands, "A=mine\necho A=y\n");
    assert_eq!(steps[0].shown.as_deref(), Some("shown\n"));
}
