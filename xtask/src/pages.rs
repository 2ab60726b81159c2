//! What pages written by hand say about tests and files.
//!
//! "This test proves it" is believed by people who decide whether to trust the project. So a link to a Rust file
//! names a test of that file, every row of the threat model names one or says that there is none, and a link to
//! any other file leads to one that is there. Without that a page would go on promising what a refactoring
//! took away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::catalogue;
use crate::sources::{self, Test};

/// The page of threats.
pub const THREATS: &str = "docs/threat-model.md";

/// What a row says that no test proves.
const NO_TEST: &str = "no test";

/// Pages beside the folder `docs`.
const OTHERS: [&str; 2] = ["README.md", "CONTRIBUTING.md"];

/// Fails with all that is wrong with the pages below `root`.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let tests = sources::tests(root)?;
    let mut wrong = Vec::new();
    for page in pages(root)? {
        let text = read(root, &page)?;
        wrong.extend(wrong_links(root, &page, &text, &tests));
        if page == THREATS {
            wrong.extend(wrong_rows(&text));
        }
    }
    if !wrong.is_empty() {
        bail!("pages do not fit the code\n  - {}", wrong.join("\n  - "));
    }
    Ok(())
}

/// Tests that pages name and that did not pass, in a run in which tests of these names passed so often.
pub fn unproven(root: &Path, passed: &BTreeMap<String, usize>) -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    for page in pages(root)?.iter().filter(|page| *page != catalogue::PAGE) {
        let text = read(root, page)?;
        let named: BTreeSet<_> = links(&text).filter_map(|link| link.test()).collect();
        for name in named {
            if passed.get(name).is_none_or(|count| *count == 0) {
                missing.push(format!("{name} (named by {page}: did not pass)"));
            }
        }
    }
    Ok(missing)
}

fn read(root: &Path, page: &str) -> anyhow::Result<String> {
    fs::read_to_string(root.join(page)).with_context(|| format!("cannot read {page}"))
}

/// Every page, by its path below the root.
fn pages(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found: Vec<_> = OTHERS.iter().map(|page| (*page).to_owned()).collect();
    visit(root, &root.join("docs"), &mut found)?;
    found.sort();
    Ok(found)
}

fn visit(root: &Path, folder: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.is_dir() {
            visit(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
        }
    }
    Ok(())
}

/// A link of a page.
#[derive(Debug, PartialEq, Eq)]
struct Link<'a> {
    text: &'a str,
    target: &'a str,
}

impl<'a> Link<'a> {
    /// The name of a test, if it leads to code.
    fn test(&self) -> Option<&'a str> {
        self.file()?.ends_with(".rs").then_some(self.text.trim_matches('`'))
    }

    /// The file that it leads to, if that is one of the project.
    fn file(&self) -> Option<&'a str> {
        let file = self.target.split('#').next().unwrap_or_default();
        (!file.is_empty() && !file.contains("://")).then_some(file)
    }
}

/// The links outside of code blocks.
fn links(text: &str) -> impl Iterator<Item = Link<'_>> {
    let mut is_code = false;
    text.lines().flat_map(move |line| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let mut found = Vec::new();
        let mut rest = if is_code { "" } else { line };
        while let Some((before, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            if let Some((_, text)) = before.rsplit_once('[') {
                found.push(Link { text, target });
            }
            rest = after;
        }
        found
    })
}

fn wrong_links(root: &Path, page: &str, text: &str, tests: &[Test]) -> Vec<String> {
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    let mut wrong = Vec::new();
    for link in links(text) {
        let Some(file) = link.file() else { continue };
        let file = normal(&folder.join(file));
        if !root.join(&file).exists() {
            wrong.push(format!("{page}: there is no {}", file.display()));
        } else if let Some(name) = link.test() {
            let is_there = |test: &Test| test.name == name && Path::new(&test.file) == file;
            if !tests.iter().any(is_there) {
                wrong.push(format!("{page}: there is no test {name} in {}", file.display()));
            }
        }
    }
    wrong
}

/// Rows of the threat model, told by their id, that neither name a test nor say that there is none.
fn wrong_rows(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let Some(id) = line.strip_prefix("| ").and_then(|row| row.split(' ').next()) else {
            continue;
        };
        if !id.starts_with(|first: char| first.is_ascii_uppercase())
            || !id.ends_with(|last: char| last.is_ascii_digit())
        {
            continue;
        }
        if !seen.insert(id) {
            wrong.push(format!("{THREATS}: two rows {id}"));
        }
        if !line.contains(NO_TEST) && links(line).all(|link| link.test().is_none()) {
            wrong.push(format!(
                "{THREATS}: row {id} names no test and does not say \"{NO_TEST}\""
            ));
        }
    }
    wrong
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::root;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "a [`b`](c.rs) and [d](e.md#f)\n```sh\n[g](h.rs)\n```\n[i](https://j)";
        let found: Vec<_> = links(text).map(|link| (link.text, link.target)).collect();
        assert_eq!(found, [("`b`", "c.rs"), ("d", "e.md#f"), ("i", "https://j")]);
    }

    #[test]
    fn only_a_link_into_the_project_names_a_test() {
        let tests = |text| links(text).filter_map(|link| link.test()).collect::<Vec<_>>();
        let text = "[`a`](b.rs), [rustup](https://rustup.rs), [c](d.md)";
        assert_eq!(tests(text), ["a"]);
    }

    #[test]
    fn a_test_or_file_that_is_not_there_is_named() {
        let tests = sources::tests(&root()).unwrap();
        let wrong = |text: &str| wrong_links(&root(), "docs/x.md", text, &tests);
        let here = "a_test_or_file_that_is_not_there_is_named";
        assert!(wrong(&format!("[`{here}`](../xtask/src/pages.rs)")).is_empty());
        assert!(wrong(&format!("[`{here}`](../xtask/src/sources.rs)"))[0].contains("there is no test"));
        assert!(wrong("[x](../nothing.md)")[0].contains("there is no nothing.md"));
        assert!(wrong("[x](https://example.com/y.rs) [y](#z)").is_empty());
    }

    #[test]
    fn a_row_without_a_proof_says_so() {
        let told = wrong_rows(
            "| T1 | a | [`b`](c.rs) |\n| T2 | a | no test: why |\n| T3 | a |\n| T1 | [`b`](c.rs) |\n| id | x |\n|---|---|",
        );
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("row T3 names no test") && told[1].contains("two rows T1"));
    }

    #[test]
    fn a_named_test_that_did_not_pass_is_missing() {
        let none = unproven(&root(), &BTreeMap::new()).unwrap();
        assert!(none.iter().any(|line| line.contains(THREATS)), "{none:?}");
        let name = none[0].split(' ').next().unwrap().to_owned();
        let rest = unproven(&root(), &BTreeMap::from([(name.clone(), 1)])).unwrap();
        assert!(rest.len() < none.len() && rest.iter().all(|line| !line.starts_with(&format!("{name} "))));
    }

    #[test]
    fn pages_fit_the_code() {
        check(&root()).unwrap();
    }
}
