//! The catalogue as a page for people who decide whether to move.

use std::fmt::Write as _;

use super::Proven;
use super::rows::{GROUPS, Ours};

/// The page as Markdown.
pub fn page(proven: &[Proven<'_>]) -> String {
    let count = |is: fn(&Ours) -> bool| proven.iter().filter(|proven| is(&proven.row.ours)).count();
    let same = count(|ours| matches!(ours, Ours::Same));
    let differs = count(|ours| matches!(ours, Ours::Differs(_)));
    let not_yet = count(|ours| matches!(ours, Ours::NotYet(_)));
    let mut page = format!(
        "# Compatibility with kubernetes-external-secrets\n\n\
         What somebody who comes from kubernetes-external-secrets (KES) 8.5.5 can observe from outside, and what Keyhole\n\
         does in the same place: of {} rows {same} are the same, {differs} differ by decision, {not_yet} are not there yet.\n\n\
         Made by `cargo xtask generate` from the table in `xtask/src/catalogue/rows.rs` and the tests of this repository. A row is\n\
         proven by every test whose name begins with its id. Those under `tests/e2e` run the operator against a real API server,\n\
         with moto as the store where the name says so, else with an AWS that verifies each signature. `cargo xtask test` fails\n\
         when a row has no test, when a test has an id without a row, when this page is not up to date, and when a test that\n\
         proves a row did not run or did not pass.\n",
        proven.len()
    );
    for (letter, title) in GROUPS {
        let rows: Vec<_> = proven
            .iter()
            .filter(|proven| proven.row.id.starts_with(letter))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(
            page,
            "\n## {title}\n\n| id | given | KES | Keyhole | proven by |\n|---|---|---|---|---|\n"
        );
        for Proven { row, tests } in rows {
            let ours = match row.ours {
                Ours::Same => "the same".to_owned(),
                Ours::Differs(what) => format!("**differs**: {what}"),
                Ours::NotYet(what) => format!("**not yet**: {what}"),
            };
            let tests: Vec<_> = tests
                .iter()
                .map(|test| format!("[{}](../../{})", test.name, test.file))
                .collect();
            let cells = [row.id, row.given, row.kes, &ours, &tests.join("<br>")].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
    }
    page
}
