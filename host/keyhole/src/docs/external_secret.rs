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
    page.push_str(&fields_of(&fields(), true));
    page
}

/// Table and sections of all fields, with the backends that look at them if any field is for some only.
pub(super) fn fields_of(fields: &[Field], with_backends: bool) -> String {
    let mut page = String::new();
    for (root, title) in [("spec", "Spec"), ("status", "Status")] {
        let below = || fields.iter().filter(move |field| field.path.starts_with(root));
        let (column, line) = if with_backends {
            (" backends |", "---|")
        } else {
            ("", "")
        };
        let _ = write!(
            page,
            "\n## {title}\n\n| field | type |{column} meaning |\n|---|---|{line}---|\n"
        );
        for field in below() {
            row(&mut page, field, with_backends);
        }
        for field in below() {
            section(&mut page, field, with_backends);
        }
    }
    page
}

fn row(page: &mut String, field: &Field, with_backends: bool) {
    let Field {
        path, kind, meaning, ..
    } = field;
    let backends = if with_backends {
        format!(" {} |", backends(field))
    } else {
        String::new()
    };
    let (anchor, kind, meaning) = (anchor(path), cell(kind), cell(meaning));
    let _ = writeln!(page, "| [`{path}`](#{anchor}) | {kind} |{backends} {meaning} |");
}

fn section(page: &mut String, field: &Field, with_backends: bool) {
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
        let _ = write!(page, "Default: {default}.");
        if with_backends {
            let _ = write!(page, " Backends: {}.", backends(field));
        }
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
