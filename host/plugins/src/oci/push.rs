//! Publishing a component, in the shape that this host and other hosts of WebAssembly take: one layer
//! `application/wasm` with the config of WebAssembly's working group for it.
//!
//! The same component, annotations and time make the same digest, so a second push changes nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Method, StatusCode};
use keyhole_sandbox::egress::Proxy;
use serde::Serialize;
use url::Url;
use wasmparser::{Parser, Payload};

use crate::oci::manifest::{CONFIG_MEDIA_TYPE, Descriptor, MANIFEST_MEDIA_TYPE, Manifest, WASM_MEDIA_TYPE};
use crate::oci::registry::{Access, Ask, Registry};
use crate::oci::{Credentials, OciImage};
use crate::source::{Digest, MAX_COMPONENT, SourceError, check_magic};

/// What says when an artifact was made.
const CREATED: &str = "org.opencontainers.image.created";
/// For artifacts that do not say it.
const NO_TIME: &str = "1970-01-01T00:00:00Z";
/// Registries answer an upload with a few words at most.
const MAX_ANSWER: u64 = 64 << 10;

/// What to publish.
#[derive(Debug)]
pub struct Push<'a> {
    /// Where to, with a tag.
    pub image: &'a OciImage,
    /// The component.
    pub component: Vec<u8>,
    /// Annotations of the manifest; `org.opencontainers.image.created` (RFC 3339) is also the config's.
    pub annotations: BTreeMap<String, String>,
    /// Who pushes.
    pub credentials: Option<Credentials>,
    /// On the way to the registry.
    pub proxy: Option<&'a Proxy>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<&'a str>,
    component: ComponentNames,
}

/// What a component imports and exports.
#[derive(Default, Serialize)]
struct ComponentNames {
    exports: Vec<String>,
    imports: Vec<String>,
}

/// Publishes a component. Returns the digest of its manifest: what others pin.
///
/// # Errors
///
/// When it is no component, or the registry does not take it.
pub async fn push(push: Push<'_>) -> Result<Digest, SourceError> {
    let Push {
        image,
        component,
        annotations,
        credentials,
        proxy,
    } = push;
    let what = image.reference.to_string();
    let tag = image.reference.tag().ok_or_else(|| SourceError::Field {
        field: "the reference",
        why: "names no tag to push to".to_owned(),
    })?;
    if component.len() as u64 > MAX_COMPONENT {
        return Err(SourceError::TooLarge { what });
    }
    check_magic(&component, &what)?;
    let names = ComponentNames::of(&component).map_err(|why| SourceError::NotAPlugin { what, why })?;
    let layer = Digest::of(&component);
    let config = Config {
        created: annotations.get(CREATED).map_or(NO_TIME, String::as_str),
        architecture: "wasm",
        os: "wasip2",
        layer_digests: vec![layer.as_str()],
        component: names,
    };
    let config = Bytes::from(json(&config)?);
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST_MEDIA_TYPE.to_owned()),
        artifact_type: None,
        config: descriptor(CONFIG_MEDIA_TYPE, &config, &Digest::of(&config)),
        layers: vec![descriptor(WASM_MEDIA_TYPE, &component, &layer)],
        annotations,
    };
    let manifest = Bytes::from(json(&manifest)?);
    let registry = Registry::new(image, credentials, proxy, Access::Push)?;
    upload(&registry, config).await?;
    upload(&registry, component.into()).await?;
    let ask = Ask {
        method: Method::PUT,
        url: registry.url(&format!("manifests/{tag}"))?,
        accept: None,
        content: Some((MANIFEST_MEDIA_TYPE, manifest.clone())),
        most: MAX_ANSWER,
        what: "the manifest",
    };
    let answer = registry.ask(&ask).await?;
    if !answer.status.is_success() {
        return Err(registry.protocol(&format!("{} to the manifest", answer.status)));
    }
    Ok(Digest::of(&manifest))
}

/// Uploads a blob in one piece, unless it is there.
async fn upload(registry: &Registry, blob: Bytes) -> Result<(), SourceError> {
    let digest = Digest::of(&blob);
    let ask = |method: Method, url: Url, content: Option<Bytes>| Ask {
        method,
        url,
        accept: None,
        content: content.map(|content| ("application/octet-stream", content)),
        most: MAX_ANSWER,
        what: "an upload",
    };
    let at = registry.url(&format!("blobs/{digest}"))?;
    if registry.ask(&ask(Method::HEAD, at, None)).await?.status == StatusCode::OK {
        return Ok(());
    }
    let begin = ask(Method::POST, registry.url("blobs/uploads/")?, Some(Bytes::new()));
    let began = registry.ask(&begin).await?;
    let location = began.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let location = match (began.status, location) {
        (StatusCode::ACCEPTED, Some(location)) => location,
        (status, _) => return Err(registry.protocol(&format!("{status} to the beginning of an upload"))),
    };
    // Relative or not, and with what the registry wants to hear again.
    let mut to = begin
        .url
        .join(location)
        .map_err(|error| registry.protocol(&format!("an upload at no address: {error}")))?;
    to.query_pairs_mut().append_pair("digest", digest.as_str());
    let done = registry.ask(&ask(Method::PUT, to, Some(blob))).await?;
    if done.status != StatusCode::CREATED {
        return Err(registry.protocol(&format!("{} to an upload", done.status)));
    }
    Ok(())
}

impl ComponentNames {
    /// The names of its world.
    fn of(component: &[u8]) -> Result<Self, String> {
        if !Parser::is_component(component) {
            return Err("it is a core module, a plugin is a component".to_owned());
        }
        let mut names = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(|error| error.to_string())? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        names
                            .imports
                            .push(import.map_err(|error| error.to_string())?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        names
                            .exports
                            .push(export.map_err(|error| error.to_string())?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

fn descriptor(media_type: &str, content: &[u8], digest: &Digest) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: content.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, SourceError> {
    serde_json::to_vec(value).map_err(|error| SourceError::Field {
        field: "the manifest",
        why: format!("cannot be written: {error}"),
    })
}
