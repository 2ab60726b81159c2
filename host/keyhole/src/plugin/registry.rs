//! `keyhole plugin push` and `keyhole plugin verify`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use keyhole_kit::{Guest, Inspection, skeleton};
use keyhole_plugins::cosign::PublicKey;
use keyhole_plugins::oci::{self, Credentials, OciImage, Push, Reference};
use keyhole_sandbox::egress::Proxy;
use serde_json::json;

use super::{block_on, cache, print_json};
use crate::args::{PushArgs, RegistryArgs, VerifyArgs};
use crate::text;

const NAME: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";

/// Publishes a component that a host can load. The reference to pin goes to standard output, a BackendPlugin for
/// review to standard error or into a file.
pub fn push(args: PushArgs) -> anyhow::Result<ExitCode> {
    let PushArgs {
        file,
        reference,
        manifest,
        annotations,
        registry,
        cache: cache_args,
    } = args;
    let (image, credentials) = image(&reference, registry)?;
    let mut annotations = annotations
        .iter()
        .map(|annotation| {
            let (name, value) = annotation
                .split_once('=')
                .with_context(|| format!("--annotation {annotation:?} has no value; write it as NAME=TEXT"))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let cache = cache(&cache_args)?;
    let proxy = proxy();
    block_on(async {
        let guest = Guest::open(&file, &cache).await?;
        let found = Inspection::of(&guest).await;
        let plugin = match (found.plugin, found.problem) {
            (Some(plugin), None) => plugin,
            (_, problem) => bail!(
                "{} is no plugin that a host loads: {}",
                file.display(),
                problem.unwrap_or_else(|| "it does not describe itself".to_owned())
            ),
        };
        annotations
            .entry(NAME.to_owned())
            .or_insert_with(|| plugin.name.clone());
        annotations
            .entry(VERSION.to_owned())
            .or_insert_with(|| plugin.version.clone());
        let digest = oci::push(Push {
            image: &image,
            component: guest.file.component.to_vec(),
            annotations,
            credentials,
            proxy: proxy.as_ref(),
        })
        .await?;
        let pinned = image.reference.pinned(&digest);
        let object = skeleton::backend_plugin(&plugin, &pinned);
        match &manifest {
            Some(path) => fs::write(path, object).with_context(|| format!("cannot write {}", path.display()))?,
            None => text::say_lines(&object),
        }
        text::print(&format!("{pinned}\n"))
    })?
}

/// Verifies a published component.
pub fn verify(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let VerifyArgs {
        reference,
        keys,
        json,
        registry,
    } = args;
    let keys = keys
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            text.parse::<PublicKey>().with_context(|| format!("{}", path.display()))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (image, credentials) = image(&reference, registry)?;
    let proxy = proxy();
    let verified = block_on(oci::verify(&image, credentials, proxy.as_ref(), &keys))??;
    let (component, signed_by) = (verified.component.to_string(), verified.signed_by.unwrap_or_default());
    if json {
        print_json(&json!({ "resolved": verified.resolved, "component": component, "signedBy": signed_by }))?;
        return Ok(ExitCode::SUCCESS);
    }
    text::print(&format!(
        "{}\ncomponent {component}\nsigned by key {signed_by}\n",
        verified.resolved
    ))
}

fn proxy() -> Option<Proxy> {
    Proxy::from_env(|name| std::env::var(name).ok())
}

/// The image with the registry's own certificates, and who asks for it.
fn image(reference: &str, registry: RegistryArgs) -> anyhow::Result<(OciImage, Option<Credentials>)> {
    let RegistryArgs {
        docker_config,
        registry_ca,
        plain_http,
    } = registry;
    let reference: Reference = reference.parse()?;
    let ca_bundle = match registry_ca {
        Some(path) => Some(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let folder = docker_config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let credentials = match folder.map(|folder| folder.join("config.json")) {
        Some(path) => block_on(oci::docker_login(&path, &reference))?.with_context(|| path.display().to_string())?,
        None => None,
    };
    let image = OciImage {
        reference,
        pull_secret: None,
        ca_bundle,
        plain_http,
    };
    Ok((image, credentials))
}
