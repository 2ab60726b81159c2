//! BackendPlugins out of a file, installed for one `render`. What a cluster would hold is not there: entries of
//! ConfigMaps and credentials out of Secrets.

use std::path::Path;

use anyhow::{Context as _, bail};
use keyhole_api::BackendPlugin;
use keyhole_plugins::{PluginSpec, Precedence, Surroundings, plugin_spec};
use serde_json::Value as Json;

use super::read::documents_in;
use crate::host::Host;

/// Loads every BackendPlugin in `file`. File sources are beside it, unless the host has a plugin folder.
///
/// # Errors
///
/// When one of them cannot serve.
pub async fn install(file: &Path, host: &Host) -> anyhow::Result<()> {
    let beside = file.parent().map(Path::to_owned).unwrap_or_default();
    let around = Surroundings {
        plugin_dir: host.surroundings.plugin_dir.clone().or(Some(beside)),
        ..host.surroundings.clone()
    };
    let plugins = found(documents_in(file)?);
    if plugins.is_empty() {
        bail!("no BackendPlugin of kubernetes-client.io in {}", file.display());
    }
    // The order of the file stands for their age.
    for (age, plugin) in (0..).zip(plugins) {
        let name = plugin.metadata.name.as_deref().unwrap_or_default();
        let is_built_in = around.builtins.iter().any(|builtin| builtin.name == name);
        let cannot = || format!("BackendPlugin {name} in {}", file.display());
        let spec = plugin_spec(name, &plugin.spec, &around).with_context(cannot)?;
        let spec = PluginSpec {
            precedence: if is_built_in {
                Precedence::BuiltIn
            } else {
                Precedence::Created(age)
            },
            ..spec
        };
        let loaded = host.loader.load(&spec).await.with_context(cannot)?;
        for conflict in host.plugins.install(loaded) {
            tracing::warn!(plugin = name, %conflict, "a backend type is not served by this plugin");
        }
    }
    Ok(())
}

fn found(documents: Vec<Json>) -> Vec<BackendPlugin> {
    let mut found = Vec::new();
    for document in documents {
        let text = |name: &str| document.get(name).and_then(Json::as_str).unwrap_or_default();
        let is_ours = text("apiVersion").starts_with("kubernetes-client.io/");
        match (text("kind"), document.get("items").and_then(Json::as_array)) {
            ("BackendPlugin", _) if is_ours => found.extend(serde_json::from_value::<BackendPlugin>(document).ok()),
            (kind, Some(items)) if kind.ends_with("List") => found.extend(self::found(items.clone())),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn backend_plugins_are_found_among_others_and_in_lists() {
        let plugin = |name: &str| {
            json!({
                "apiVersion": "kubernetes-client.io/v1alpha1",
                "kind": "BackendPlugin",
                "metadata": {"name": name},
                "spec": {"source": {"builtin": "x"}},
            })
        };
        let documents = vec![
            json!(null),
            plugin("a"),
            json!({"kind": "List", "items": [plugin("b"), {"kind": "Secret"}]}),
            json!({"apiVersion": "example.com/v1", "kind": "BackendPlugin"}),
        ];
        let names: Vec<_> = found(documents)
            .into_iter()
            .filter_map(|plugin| plugin.metadata.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }
}
