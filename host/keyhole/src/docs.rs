//! `keyhole docs`: pages of the reference, made from what the program itself knows, so that they cannot
//! say something else.

mod backend_plugin;
mod external_secret;
mod flags;

use std::fmt::Write as _;

use keyhole_controller::metrics::{MetricDoc, describe};
use keyhole_core::failure::{Reason, Retry};

use crate::args::Page;
use crate::observe;

/// The page as Markdown.
pub fn page(page: Page) -> String {
    match page {
        Page::Backendplugin => backend_plugin::page(),
        Page::Externalsecret => external_secret::page(),
        Page::Flags => flags::page(),
        Page::Metrics => metrics(),
        Page::Reasons => reasons(),
    }
}

fn metrics() -> String {
    let mut page = String::from(
        "# Metrics\n\nServed at `/metrics` on `METRICS_PORT` (3001). Made by `cargo xtask generate`.\n\n\
         Series that name an object are those of kubernetes-external-secrets; `KEYHOLE_OBJECT_METRICS=false` turns\n\
         them off, and `KEYHOLE_DEPRECATED_METRICS=true` adds the two deprecated names. All others begin with\n\
         `keyhole_` and have labels from closed sets, and names of plugins.\n\n\
         The Service `keyhole` in `keyhole-system` has the port `admin`; let Prometheus scrape `/metrics` there.\n",
    );
    section(&mut page, "Objects and the API server", &describe());
    section(&mut page, "Sandboxes", &observe::TABLE);
    page
}

fn section(page: &mut String, title: &str, metrics: &[MetricDoc]) {
    let _ = write!(
        page,
        "\n## {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n"
    );
    for MetricDoc {
        name,
        kind,
        labels,
        help,
    } in metrics
    {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {} |",
            kind.as_str(),
            labels.join(", "),
            cell(help)
        );
    }
}

fn reasons() -> String {
    let mut page = String::from(
        "# Reasons\n\nThe reasons of an ExternalSecret's `Ready` condition, also the values of the metric label `reason`. Made by\n\
         `cargo xtask generate`.\n\n| reason | label | what it says | tried again |\n|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let retry = match reason.retry() {
            Retry::Backoff => "with back-off, from a second up to the interval or five minutes",
            Retry::Interval => "at the next interval",
            Retry::OnChange => {
                "when the object, or what it refers to, changes; what the store refuses, at the next interval"
            }
        };
        let _ = writeln!(
            page,
            "| `{reason}` | `{}` | {} | {retry} |",
            reason.label(),
            reason.meaning()
        );
    }
    page.push_str(&backend_plugin::reasons());
    page
}

/// A text as one cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_metrics_share_a_name() {
        let ours = observe::TABLE.iter().map(|doc| doc.name);
        let names: Vec<_> = describe().iter().map(|doc| doc.name).chain(ours).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn a_cell_cannot_break_its_table() {
        assert_eq!(cell("a\n| b"), "a \\| b");
    }
}
