//! What a user of kubernetes-external-secrets (KES) can observe, row by row, and the tests that prove each row.
//!
//! A promise of compatibility is worth as much as what checks it. So a row names no test by hand: every test
//! whose name begins with the row's id (`s8_...` for S8) proves it, wherever it stands in the workspace. A row
//! without a test and a test with an id that no row has are errors of `cargo xtask generate`; a proof that did
//! not run, or did not pass, is a failure of `cargo xtask test`. Without that a row would go on promising what
//! nobody looks at any more.

mod page;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;

use self::rows::{Ours, ROWS, Row};
use crate::sources::{self, Test};

/// Where the page is, below the root of the project.
pub const PAGE: &str = "docs/reference/kes-compatibility.md";

/// The page, from the rows and the tests below `root`.
pub fn page(root: &Path) -> anyhow::Result<String> {
    let tests = sources::tests(root)?;
    Ok(page::page(&proofs(ROWS, &tests)?))
}

/// What is wrong with the rows after a run in which tests of these names passed so often.
pub fn unproven(root: &Path, passed: &BTreeMap<String, usize>) -> anyhow::Result<Vec<String>> {
    let tests = sources::tests(root)?;
    Ok(not_passed(&proofs(ROWS, &tests)?, passed))
}

/// A row with its tests.
struct Proven<'a> {
    row: &'a Row,
    tests: Vec<&'a Test>,
}

/// Finds the tests of each row.
fn proofs<'a>(rows: &'a [Row], tests: &'a [Test]) -> anyhow::Result<Vec<Proven<'a>>> {
    let mut wrong = Vec::new();
    let mut found: BTreeMap<String, Vec<&Test>> = BTreeMap::new();
    for test in tests {
        for id in ids_of(&test.name) {
            if !rows.iter().any(|row| row.id == id) {
                wrong.push(format!("{} in {}: there is no row {id}", test.name, test.file));
            }
            found.entry(id).or_default().push(test);
        }
    }
    let mut proven = Vec::new();
    for row in rows {
        let tests = found.remove(row.id).unwrap_or_default();
        match (&row.ours, tests.is_empty()) {
            (Ours::NotYet(_), false) => wrong.push(format!("row {} is \"not yet\", but has a test", row.id)),
            (Ours::Same | Ours::Differs(_), true) => wrong.push(format!("row {} has no test", row.id)),
            _ => {}
        }
        proven.push(Proven { row, tests });
    }
    if !wrong.is_empty() {
        bail!(
            "the catalogue of compatibility does not fit the tests\n  - {}",
            wrong.join("\n  - ")
        );
    }
    Ok(proven)
}

/// A run names a test without its file, so where several tests have one name they are counted.
fn not_passed(proven: &[Proven<'_>], passed: &BTreeMap<String, usize>) -> Vec<String> {
    let mut missing = Vec::new();
    for Proven { row, tests } in proven {
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for test in tests {
            *wanted.entry(&test.name).or_default() += 1;
        }
        for (name, wanted) in wanted {
            let passed = passed.get(name).copied().unwrap_or_default();
            if passed < wanted {
                let id = row.id;
                missing.push(format!("{name} (row {id} of {PAGE}: {passed} of {wanted} passed)"));
            }
        }
    }
    missing
}

/// The ids that a name begins with: S8 for `s8_a_missing_property`, P1 and P2 for `p1_p2_moto_agrees`.
fn ids_of(name: &str) -> impl Iterator<Item = String> {
    name.split('_').map_while(|part| {
        let mut characters = part.chars();
        let letter = characters.next().filter(char::is_ascii_lowercase)?;
        let number = characters.as_str();
        let all_digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        all_digits.then(|| format!("{}{number}", letter.to_ascii_uppercase()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn row(id: &'static str, ours: Ours) -> Row {
        Row {
            id,
            given: "given",
            kes: "kes",
            ours,
        }
    }

    fn test(name: &str) -> Test {
        Test {
            name: name.to_owned(),
            file: "a.rs".to_owned(),
        }
    }

    fn complaint(rows: &[Row], tests: &[Test]) -> String {
        proofs(rows, tests)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_row_is_proven_by_the_tests_that_bear_its_id() {
        let rows = [
            row("S1", Ours::Same),
            row("S10", Ours::Differs("why")),
            row("T1", Ours::NotYet("why")),
        ];
        let tests = [
            test("s1_a"),
            test("s10_b"),
            test("other"),
            test("s1_c"),
            test("a_1"),
            test("s1_s10_d"),
        ];
        let proven = proofs(&rows, &tests).unwrap();
        let names: Vec<Vec<&str>> = proven
            .iter()
            .map(|proven| proven.tests.iter().map(|test| test.name.as_str()).collect())
            .collect();
        assert_eq!(
            names,
            [vec!["s1_a", "s1_c", "s1_s10_d"], vec!["s10_b", "s1_s10_d"], vec![]]
        );
    }

    #[test]
    fn rows_and_tests_that_do_not_fit_are_named() {
        assert!(complaint(&[row("S1", Ours::Same)], &[]).contains("row S1 has no test"));
        assert!(complaint(&[], &[test("s1_a")]).contains("s1_a in a.rs: there is no row S1"));
        assert!(complaint(&[row("T1", Ours::NotYet("why"))], &[test("t1_a")]).contains("\"not yet\""));
    }

    #[test]
    fn a_proof_that_did_not_pass_is_missing() {
        let rows = [row("S1", Ours::Same)];
        let tests = [
            test("s1_a"),
            test("s1_b"),
            test("s1_twice"),
            test("s1_twice"),
            test("s1_both"),
            test("s1_both"),
        ];
        let proven = proofs(&rows, &tests).unwrap();
        let passed = [("s1_a", 1), ("s1_twice", 1), ("s1_both", 2)];
        let passed = passed.into_iter().map(|(name, count)| (name.to_owned(), count));
        let missing = not_passed(&proven, &passed.collect());
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(
            missing[0].starts_with("s1_b (row S1") && missing[0].contains("0 of 1"),
            "{missing:?}"
        );
        assert!(
            missing[1].starts_with("s1_twice (row S1") && missing[1].contains("1 of 2"),
            "{missing:?}"
        );
    }

    #[test]
    fn ids_of_rows_are_unique_and_can_begin_a_name() {
        let mut seen = BTreeSet::new();
        for row in ROWS {
            assert!(seen.insert(row.id), "{} twice", row.id);
            assert_eq!(
                ids_of(&format!("{}_x", row.id.to_lowercase())).collect::<Vec<_>>(),
                [row.id]
            );
        }
    }
}
