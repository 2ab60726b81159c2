//! The page about the fields of an ExternalSecret.

use std::fmt::Write as _;

use keyhole_api::reference::{Field, fields};

use super::cell;

/// The page as Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# ExternalSecret\n\nAPI version `kubernetes-client.io/v1`, kind `ExternalSecret`, short name `es`. Made by `cargo xtask generate`\n\
         from the types; the same texts are in `kubectl explain externalsecret`. Every example below is admitted by the API\n\
         server, completed where it needs it by `backendType: secretsManager` and a `dataFrom`.\n",
    );
    let fields = fields();
    for (root, title) in [("spec", "Spec"), ("status", "Status")] {
        let below = || fields.iter().filter(move |field| field.path.starts_with(root));
        let _ = write!(
            page,
            "\n## {title}\n\n| field | type | backends | meaning |\n|---|---|---|---|\n"
        );
        for field in below() {
            row(&mut page, field);
        }
        for field in below() {
            section(&mut page, field);
        }
    }
    page
}

fn row(page: &mut String, field: &Field) {
    let Field {
        path, kind, meaning, ..
    } = field;
    let _ = writeln!(
        page,
        "| [`{path}`](#{}) | {} | {} | {} |",
        anchor(path),
        cell(kind),
        backends(field),
        cell(meaning)
    );
}

fn section(page: &mut String, field: &Field) {
    let Field {
        path,
        kind,
        default,
        meaning,
        is_served,
        example,
        ..
    } = field;
    let _ = write!(page, "\n### `{path}`\n\n{meaning}\n\nType: {kind}. ");
    if path.starts_with("spec") {
        let _ = write!(page, "Default: {default}. Backends: {}.", backends(field));
    } else {
        let _ = write!(page, "Presence: {default}.");
    }
    if !is_served {
        page.push_str(" **Not served by this version**: the object says so and nothing is written.");
    }
    let _ = write!(page, "\n\n```yaml\n{example}```\n");
}

fn backends(field: &Field) -> String {
    match &field.backends[..] {
        [] => "all".to_owned(),
        some => some.join(", "),
    }
}

/// The anchor that GitHub gives to a heading with this text.
fn anchor(path: &str) -> String {
    let kept = path.chars().filter(|character| character.is_ascii_alphanumeric());
    kept.collect::<String>().to_ascii_lowercase()
}
