//! The page about the fields of a BackendPlugin.

use std::fmt::Write as _;

use keyhole_api::reference::backend_plugin_fields;
use keyhole_controller::roster::reason::{REASONS, Retry};

use super::external_secret::fields_of;

/// The page as Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# BackendPlugin\n\nAPI version `kubernetes-client.io/v1alpha1`, kind `BackendPlugin`, short name `bp`, cluster-scoped. Made by\n\
         `cargo xtask generate` from the types; the same texts are in `kubectl explain backendplugin`. Every example below is\n\
         admitted by the API server.\n",
    );
    page.push_str(&fields_of(&backend_plugin_fields(), false));
    page
}

/// The reasons of its `Ready` condition, as a section of the page of reasons.
pub fn reasons() -> String {
    let mut section = String::from(
        "\n## BackendPlugin\n\nThe reasons of a BackendPlugin's `Ready` condition. What serves is in its status; a version that is broken\n\
         never takes the place of one that serves.\n\n| reason | meaning | tried again |\n|---|---|---|\n",
    );
    for row in REASONS {
        let retry = match row.retry {
            Retry::Backoff => "with back-off, from a second up to five minutes",
            Retry::Slowly => "every five minutes, and when the file or ConfigMap changes",
            Retry::OnChange => "when the object, its file or another plugin changes",
        };
        let _ = writeln!(section, "| `{}` | {} | {retry} |", row.reason, row.meaning);
    }
    section
}
