//! `keyhole render`: what the operator would write, without a cluster.
//!
//! The same plan, the same plugins in the same sandbox, the same shaping; only watching and writing are
//! missing. So it answers "what would this object give?" in a pipeline, before anything is applied.

mod plugins;
pub(crate) mod read;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyhole_controller::plan::Defaults;
use keyhole_controller::planner::PlannerConfig;
use keyhole_controller::render::{Rendered, render};
use keyhole_core::{Failure, SecretBytes};
use keyhole_sandbox::ApiServer;
use serde::Serialize;

use crate::args::RenderArgs;
use crate::host::{self, Host};
use crate::{logs, text};

/// Fetches and prints.
pub fn run(args: RenderArgs) -> anyhow::Result<ExitCode> {
    logs::start_for_command(args.log_level, args.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(fetch_and_print(args));
    runtime.shutdown_background();
    outcome
}

async fn fetch_and_print(args: RenderArgs) -> anyhow::Result<ExitCode> {
    let RenderArgs {
        file,
        redact,
        namespace,
        namespace_session_tag,
        plugin_objects,
        values,
        aws,
        plugins,
        log_level: _,
        log_format: _,
    } = args;
    let found = read::read(&file, &namespace)?;
    if found.objects.is_empty() {
        bail!(
            "no ExternalSecret of kubernetes-client.io in {} ({} other objects)",
            file.display(),
            found.others
        );
    }
    let host = Host::start(
        host::engine(&plugins)?,
        &aws,
        &plugins,
        ApiServer::default(),
        None,
        None,
    )
    .await?;
    if let Some(file) = plugin_objects {
        plugins::install(&file, &host).await?;
    }
    let defaults = Defaults {
        tag_sessions_with_namespace: namespace_session_tag,
        leniency: values.into(),
        ..Defaults::default()
    };
    let config = PlannerConfig {
        slots: usize::try_from(plugins.sandbox_slots)?,
        ..PlannerConfig::default()
    };
    let rendered = render(&found.objects, &host.plugins, &defaults, config, None).await;

    let mut failed = false;
    for Rendered {
        key,
        secret_type,
        result,
    } in rendered
    {
        match result {
            Ok(data) => {
                let manifest = Manifest::new(&key.namespace, &key.name, &secret_type, &data, redact);
                let yaml = serde_saphyr::to_string(&manifest).with_context(|| format!("{key} cannot be printed"))?;
                text::print(&format!("---\n{yaml}"))?;
            }
            Err(failures) => {
                failed = true;
                text::say(&format!("{key}: {}", line(&failures)));
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The first failure and how many more, as the `Ready` condition tells it.
fn line(failures: &[Failure]) -> String {
    match failures {
        [] => "failed".to_owned(),
        [first, more @ ..] => format!("{}: {}", first.reason, first.condition_message(more.len())),
    }
}

/// A Secret in the order in which people read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    r#type: &'a str,
    data: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    namespace: &'a str,
}

impl<'a> Manifest<'a> {
    fn new(
        namespace: &'a str,
        name: &'a str,
        secret_type: &'a str,
        data: &'a BTreeMap<String, SecretBytes>,
        redact: bool,
    ) -> Self {
        let shown = |value: &SecretBytes| match redact {
            true if value.len() == 1 => "1 byte".to_owned(),
            true => format!("{} bytes", value.len()),
            false => STANDARD.encode(value.expose()),
        };
        Self {
            api_version: "v1",
            kind: "Secret",
            metadata: Metadata { name, namespace },
            r#type: secret_type,
            data: data.iter().map(|(key, value)| (key.as_str(), shown(value))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::Reason;

    fn yaml(redact: bool) -> String {
        let data = BTreeMap::from([
            ("password".to_owned(), SecretBytes::from("hunter2".to_owned())),
            ("x".to_owned(), SecretBytes::from(vec![0xff])),
        ]);
        serde_saphyr::to_string(&Manifest::new("team", "db", "Opaque", &data, redact)).unwrap()
    }

    #[test]
    fn a_secret_can_be_applied_as_it_is_printed() {
        let expected = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: team\ntype: Opaque\n\
                        data:\n  password: aHVudGVyMg==\n  x: /w==\n";
        assert_eq!(yaml(false), expected);
        let read: k8s_openapi::api::core::v1::Secret = serde_saphyr::from_str(&yaml(false)).unwrap();
        assert_eq!(read.data.unwrap()["password"].0, b"hunter2");
    }

    #[test]
    fn a_redacted_secret_tells_sizes_only() {
        assert!(
            yaml(true).ends_with("data:\n  password: 7 bytes\n  x: 1 byte\n"),
            "{}",
            yaml(true)
        );
    }

    #[test]
    fn a_failure_is_told_with_its_reason_and_how_many_more() {
        let one = || Failure::new(Reason::NotFound, "no secret \"a\"").at("data[0]");
        assert_eq!(
            line(&[one(), one(), one()]),
            "NotFound: data[0]: no secret \"a\" (and 2 more)"
        );
    }
}
