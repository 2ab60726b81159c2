//! From a BackendPlugin to what is loaded: every field becomes a type that cannot be wrong.
//!
//! The schema in the cluster refuses most mistakes, but it may be older than this binary, and files reach
//! the command line without it. So nothing is taken on trust here. All mistakes are collected, each with
//! its field and a remedy, because whoever mends them one at a time would wait for the operator in
//! between. Nothing is fetched: whether a file is there, or a schema takes the settings, shows at loading.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use keyhole_api::{BackendPluginSpec, ConfigMapSource, NamespaceSelector, OciSource, PluginSource, Verify};
use keyhole_sandbox::Grant;

use crate::live_set::Precedence;
use crate::oci::OciImage;
use crate::source::{Demands, PluginSpec, Source};

mod grant;
#[cfg(test)]
mod tests;

/// A plugin that is part of the program, as an object can name it.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
    /// What it may do when no object says otherwise.
    pub grant: Grant,
}

/// What an object may refer to.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The plugins that are part of the program.
    pub builtins: Vec<BuiltIn>,
    /// The folder that file sources are in, if there is one.
    pub plugin_dir: Option<PathBuf>,
}

/// A mistake in a BackendPlugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}; {remedy}")]
pub struct Mistake {
    /// Where, e.g. `spec.grant.hosts[1]`.
    pub field: String,
    /// What.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Everything that is wrong with a BackendPlugin. At least one mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPlugin(pub Vec<Mistake>);

/// The entry of a ConfigMap where none is named.
const ENTRY: &str = "plugin.wasm";
/// Mistakes that are shown.
const SHOWN: usize = 5;

impl std::error::Error for InvalidPlugin {}

impl fmt::Display for InvalidPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.0.iter().take(SHOWN).enumerate() {
            if position > 0 {
                f.write_str(". ")?;
            }
            mistake.fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

/// Collects mistakes.
#[derive(Debug, Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Mistake {
            field: field.into(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// The value, or nothing and one mistake more.
    fn take<T>(&mut self, field: impl Into<String>, result: Result<T, impl fmt::Display>, remedy: &str) -> Option<T> {
        result
            .map_err(|error| {
                // Errors of parsers may say themselves what to write.
                let text = error.to_string();
                match text.split_once("; ") {
                    Some((message, own)) => self.add(field, message, own),
                    None => self.add(field, text, remedy),
                }
            })
            .ok()
    }
}

/// The plugin called `name` as `object` describes it.
///
/// # Errors
///
/// Every mistake of the object.
pub fn plugin_spec(name: &str, object: &BackendPluginSpec, around: &Surroundings) -> Result<PluginSpec, InvalidPlugin> {
    if let Some(why) = &object.malformed {
        return Err(InvalidPlugin(vec![Mistake {
            field: "spec".to_owned(),
            message: format!("it cannot be read: {why}"),
            remedy: "write it as `kubectl explain backendplugin.spec` says".to_owned(),
        }]));
    }
    let mut mistakes = Mistakes::default();
    let builtin = around
        .builtins
        .iter()
        .find(|builtin| Some(builtin.name) == object.source.builtin.as_deref());
    let source = source(name, &object.source, around, builtin, &mut mistakes);
    let grant = match (&object.grant, builtin) {
        (Some(grant), _) => grant::grant(grant, &mut mistakes),
        (None, Some(builtin)) => builtin.grant.clone(),
        (None, None) => Grant::default(),
    };
    let demands = object.verify.as_ref().map(|verify| demands(verify, &mut mistakes));
    let namespaces = object.namespaces.as_ref().and_then(|selector| {
        mistakes.take(
            "spec.namespaces",
            NamespaceSelector::try_from(selector),
            "write it as a label selector",
        )
    });
    for (position, backend_type) in object.backend_types.iter().enumerate() {
        if backend_type.is_empty() {
            let field = format!("spec.backendTypes[{position}]");
            mistakes.add(field, "it is empty", "name a backend type, or remove the entry");
        }
    }
    match source {
        Some(source) if mistakes.0.is_empty() => Ok(PluginSpec {
            name: name.into(),
            source,
            demands: demands.unwrap_or_default(),
            grant,
            settings: object.settings.clone().unwrap_or_default(),
            // What is built in is trusted to keep tenants apart.
            shares_batches: object.share_batches_across_namespaces || builtin.is_some(),
            backend_types: object.backend_types.iter().map(|name| Arc::from(&**name)).collect(),
            namespaces: namespaces.filter(|selector| !selector.selects_all()).map(Arc::new),
            precedence: Precedence::default(),
        }),
        _ => Err(InvalidPlugin(mistakes.0)),
    }
}

fn source(
    name: &str,
    source: &PluginSource,
    around: &Surroundings,
    builtin: Option<&BuiltIn>,
    mistakes: &mut Mistakes,
) -> Option<Source> {
    let PluginSource {
        builtin: of_builtin,
        oci,
        config_map,
        file,
    } = source;
    let given: Vec<&str> = [
        ("builtin", of_builtin.is_some()),
        ("oci", oci.is_some()),
        ("configMap", config_map.is_some()),
        ("file", file.is_some()),
    ]
    .into_iter()
    .filter_map(|(kind, given)| given.then_some(kind))
    .collect();
    let known = || around.builtins.iter().map(|builtin| builtin.name).collect::<Vec<_>>();
    match &given[..] {
        [_] => {}
        [] => {
            mistakes.add(
                "spec.source",
                "there is none",
                "set one of builtin, oci, configMap and file",
            );
            return None;
        }
        more => {
            let message = format!("there is more than one: {}", more.join(", "));
            mistakes.add("spec.source", message, "keep one of them");
            return None;
        }
    }
    if known().contains(&name) && of_builtin.as_deref() != Some(name) {
        mistakes.add(
            "spec.source",
            format!("{name:?} is the name of a built-in plugin, and this is another source"),
            format!("set builtin: {name}, or give the object another name"),
        );
        return None;
    }
    match source {
        PluginSource {
            builtin: Some(wanted), ..
        } => {
            if builtin.is_none() {
                let message = format!("there is no built-in plugin {wanted:?}");
                mistakes.add("spec.source.builtin", message, format!("known: {}", known().join(", ")));
            }
            builtin.map(|builtin| Source::BuiltIn(builtin.component))
        }
        PluginSource { file: Some(file), .. } => {
            in_folder(&file.path, around.plugin_dir.as_deref(), mistakes).map(Source::File)
        }
        PluginSource {
            config_map: Some(entry),
            ..
        } => config_map_entry(entry, mistakes),
        PluginSource { oci: Some(oci), .. } => image(oci, mistakes),
        _ => None,
    }
}

fn config_map_entry(entry: &ConfigMapSource, mistakes: &mut Mistakes) -> Option<Source> {
    let ConfigMapSource { name, key } = entry;
    if name.is_empty() {
        let remedy = "name a ConfigMap of the operator's namespace";
        mistakes.add("spec.source.configMap.name", "it is missing", remedy);
        return None;
    }
    Some(Source::ConfigMap {
        name: name.as_str().into(),
        key: key.as_deref().filter(|key| !key.is_empty()).unwrap_or(ENTRY).into(),
    })
}

fn image(oci: &OciSource, mistakes: &mut Mistakes) -> Option<Source> {
    let OciSource {
        image,
        pull_secret,
        ca_bundle,
        plain_http,
    } = oci;
    let reference = mistakes.take(
        "spec.source.oci.image",
        image.parse(),
        "write it like ghcr.io/acme/store:1.2@sha256:...",
    );
    let ca_bundle = authorities("spec.source.oci.caBundle", ca_bundle.as_deref(), mistakes);
    Some(Source::Oci(Box::new(OciImage {
        reference: reference?,
        pull_secret: pull_secret.as_deref().filter(|name| !name.is_empty()).map(Into::into),
        ca_bundle: Some(ca_bundle).filter(|bundle| !bundle.is_empty()),
        plain_http: *plain_http,
    })))
}

fn demands(verify: &Verify, mistakes: &mut Mistakes) -> Demands {
    let Verify { digest, cosign_keys } = verify;
    let digest = digest.as_deref().and_then(|digest| {
        mistakes.take(
            "spec.verify.digest",
            digest.parse(),
            "write sha256: and 64 hexadecimal digits, in lower case",
        )
    });
    let keys = cosign_keys.iter().enumerate().filter_map(|(position, key)| {
        mistakes.take(
            format!("spec.verify.cosignKeys[{position}]"),
            key.parse(),
            "write a public key as `cosign generate-key-pair` writes it",
        )
    });
    let keys = keys.collect();
    Demands { digest, keys }
}

/// Certificates in PEM.
fn authorities(field: &str, bundle: Option<&str>, mistakes: &mut Mistakes) -> Vec<u8> {
    let bundle = bundle.unwrap_or_default();
    if !bundle.is_empty() && !bundle.contains("-----BEGIN CERTIFICATE-----") {
        let remedy = "write certificates in PEM, not in base64 once more";
        mistakes.add(field, "it holds no certificate", remedy);
    }
    bundle.as_bytes().to_vec()
}

/// A file below the folder. Links are followed: a volume of Kubernetes is made of them.
fn in_folder(path: &str, folder: Option<&Path>, mistakes: &mut Mistakes) -> Option<PathBuf> {
    let field = "spec.source.file.path";
    let relative = Path::new(path);
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.is_empty() || !relative.components().all(is_below) {
        let message = format!("{path:?} is not below the plugin folder");
        mistakes.add(field, message, "write a path without .. and without a leading /");
        return None;
    }
    let Some(folder) = folder else {
        mistakes.add(
            "spec.source.file",
            "the operator has no plugin folder",
            "start it with --plugin-dir (KEYHOLE_PLUGIN_DIR)",
        );
        return None;
    };
    Some(folder.join(relative))
}
