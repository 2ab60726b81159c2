//! Manifests of registries, as far as plugins need them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::source::{Digest, MAX_COMPONENT, SourceError};

/// The layer that is the component.
pub const WASM_MEDIA_TYPE: &str = "application/wasm";
/// The config of an artifact for WebAssembly.
pub const CONFIG_MEDIA_TYPE: &str = "application/vnd.wasm.config.v0+json";
pub(super) const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX_MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// Manifests are below 4 KiB; registries take up to 4 MiB.
pub(super) const MAX_MANIFEST: u64 = 4 << 20;

/// An image manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A part of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What refers to an image: a list of manifests.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Index {
    pub manifests: Vec<Descriptor>,
}

/// The one layer of a plugin.
#[derive(Clone, Debug)]
pub(super) struct WasmLayer {
    pub digest: Digest,
    pub size: u64,
}

impl Manifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The component of a plugin's manifest.
    pub(super) fn wasm_layer(bytes: &[u8], what: &str) -> Result<WasmLayer, SourceError> {
        let no_plugin = |why: &str| SourceError::NotAPlugin {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        let manifest = Self::parse(bytes)
            .map_err(|_| no_plugin("its manifest is none of a single image; name the manifest of the plugin itself"))?;
        if manifest.config.media_type != CONFIG_MEDIA_TYPE {
            return Err(no_plugin(&format!(
                "its config is {:?}, that of WebAssembly is {CONFIG_MEDIA_TYPE}",
                manifest.config.media_type
            )));
        }
        let [layer] = manifest.layers.as_slice() else {
            return Err(no_plugin(&format!(
                "it has {} layers, a plugin is one",
                manifest.layers.len()
            )));
        };
        if layer.media_type != WASM_MEDIA_TYPE {
            return Err(no_plugin(&format!(
                "its layer is {:?}, a plugin is {WASM_MEDIA_TYPE}",
                layer.media_type
            )));
        }
        if layer.size > MAX_COMPONENT {
            return Err(SourceError::TooLarge { what: what.to_owned() });
        }
        let digest = layer
            .digest
            .parse()
            .map_err(|error| no_plugin(&format!("its layer: {error}")))?;
        Ok(WasmLayer {
            digest,
            size: layer.size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn manifest() -> Json {
        let digest = Digest::of(b"x");
        json!({
            "schemaVersion": 2,
            "config": {"mediaType": CONFIG_MEDIA_TYPE, "digest": digest.as_str(), "size": 2},
            "layers": [{"mediaType": WASM_MEDIA_TYPE, "digest": digest.as_str(), "size": 9}],
        })
    }

    fn layer_of(manifest: &Json) -> Result<WasmLayer, SourceError> {
        Manifest::wasm_layer(manifest.to_string().as_bytes(), "x")
    }

    #[test]
    fn a_plugin_is_one_layer_of_webassembly_with_its_config() {
        assert_eq!(layer_of(&manifest()).unwrap().size, 9);
        type Spoil = (&'static str, fn(&mut Json));
        let spoil: [Spoil; 6] = [
            ("config", |it| {
                it["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json")
            }),
            ("no layer", |it| it["layers"] = json!([])),
            ("two layers", |it| {
                let layer = it["layers"][0].clone();
                it["layers"].as_array_mut().unwrap().push(layer);
            }),
            ("tar", |it| {
                it["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip")
            }),
            ("digest", |it| it["layers"][0]["digest"] = json!("sha512:00")),
            ("index", |it| *it = json!({"schemaVersion": 2, "manifests": []})),
        ];
        for (name, spoil) in spoil {
            let mut spoilt = manifest();
            spoil(&mut spoilt);
            assert_eq!(layer_of(&spoilt).unwrap_err().reason(), "NotAPlugin", "{name}");
        }
    }

    #[test]
    fn what_says_it_is_too_large_is_not_even_fetched() {
        let mut large = manifest();
        large["layers"][0]["size"] = json!(MAX_COMPONENT + 1);
        assert_eq!(layer_of(&large).unwrap_err().reason(), "TooLarge");
    }
}
