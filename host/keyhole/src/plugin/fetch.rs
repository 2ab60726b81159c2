//! `keyhole plugin run`: one fetch under the grants of a BackendPlugin, against a real store or a recorded one.

mod printed;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use keyhole_api::BackendPlugin;
use keyhole_core::SecretBytes;
use keyhole_identity::{Identities, IdentityConfig, profile_region};
use keyhole_kit::case::{self, CASE_FILE, Recorded};
use keyhole_kit::fetch::{self, Fetched, Wanted};
use keyhole_kit::outside::{self, Stats};
use keyhole_kit::recording::{Asking, Recorder};
use keyhole_kit::replay::Stage;
use keyhole_plugins::from_object::{Surroundings, plugin_spec};
use keyhole_plugins::{Defaults, Loader, PluginSpec, Sources};
use keyhole_sandbox::egress::{Network, Tap};
use keyhole_sandbox::{Credential, Engine, EngineConfig, Ports};
use serde_json::json;

use super::given::{self, Given};
use super::{block_on, cache, exit, settings};
use crate::args::{AwsArgs, FetchArgs, LogFormat};
use crate::render::read;
use crate::{logs, text};

/// Fetches and prints. Fails when a request does.
pub fn run(args: FetchArgs) -> anyhow::Result<ExitCode> {
    logs::start_for_command(args.log_level, LogFormat::Text)?;
    block_on(fetch_and_print(args))?
}

async fn fetch_and_print(args: FetchArgs) -> anyhow::Result<ExitCode> {
    let FetchArgs {
        file,
        backend_plugin,
        keys,
        path,
        recursive,
        options,
        settings,
        namespace,
        secrets,
        tokens,
        show_values,
        json,
        record,
        replay,
        aws,
        cache: cache_args,
        log_level: _,
    } = args;
    let wanted = Wanted {
        config: settings::object(&settings)?,
        keys,
        path,
        recursive,
        options: settings::options(&options)?,
        namespace,
    };
    let mut spec = spec(&file, &backend_plugin)?;
    let mut given = Given::read(&secrets, &tokens)?;
    let stats = Arc::new(Stats::default());
    let recorder = record.is_some().then(|| Arc::new(Recorder::default()));
    let mut defaults = Defaults::default();
    // Lives until the call is over.
    let _stage;
    let ports = match &replay {
        Some(folder) => {
            let stage = replayed(folder, &mut spec, &mut given).await?;
            let ports = Ports {
                credentials: Arc::new(given),
                ..outside::ports(stage.network(), Arc::clone(&stats) as _)
            };
            _stage = stage;
            ports
        }
        None => {
            given.check(&spec.grant)?;
            let (mut ports, region) = real(&aws).await?;
            defaults.operator = region
                .map(|region| ("region".to_owned(), json!(region)))
                .into_iter()
                .collect();
            if let Some(recorder) = &recorder {
                ports.network = ports.network.with_tap(Arc::clone(recorder) as Arc<dyn Tap>);
            }
            Ports {
                credentials: Arc::new(Given::read(&secrets, &tokens)?),
                observer: Some(Arc::clone(&stats) as _),
                ..ports
            }
        }
    };
    let handed = handed(&spec, ports.credentials.as_ref()).await;
    let loader = Loader {
        sources: Sources::default(),
        engine: Engine::new(&EngineConfig::default())?,
        cache: Arc::new(cache(&cache_args)?),
        ports,
        defaults,
    };
    let fetched = fetch::fetch(&loader, &spec, &wanted).await?;
    printed::print(&fetched, &stats, show_values, json)?;
    if let (Some(recorder), Some(folder)) = (recorder, record) {
        write(&recorder, &folder, &fetched, handed)?;
    }
    let failed = |outcome: &keyhole_core::Outcome| matches!(outcome, keyhole_core::Outcome::Failed(_));
    Ok(exit(!fetched.outcomes.iter().any(failed)))
}

/// The BackendPlugin with the file at hand as its source.
fn spec(file: &Path, yaml: &Path) -> anyhow::Result<PluginSpec> {
    let objects: Vec<_> = read::documents_in(yaml)?
        .into_iter()
        .filter(|document| document.get("kind").is_some_and(|kind| kind == "BackendPlugin"))
        .collect();
    let [object] = objects.as_slice() else {
        bail!(
            "{} holds {} BackendPlugins; one is needed",
            yaml.display(),
            objects.len()
        );
    };
    let mut object: BackendPlugin = serde_json::from_value(object.clone())
        .with_context(|| format!("{}: the BackendPlugin cannot be read", yaml.display()))?;
    let name = object.metadata.name.take().unwrap_or_else(|| "plugin".to_owned());
    let file = file
        .canonicalize()
        .with_context(|| format!("cannot read {}", file.display()))?;
    let (folder, path) = (file.parent().map(Path::to_owned), file.file_name().unwrap_or_default());
    object.spec.source = keyhole_api::PluginSource {
        file: Some(keyhole_api::FileSource {
            path: path.to_string_lossy().into_owned(),
        }),
        ..keyhole_api::PluginSource::default()
    };
    object.spec.verify = None;
    let around = Surroundings {
        plugin_dir: folder,
        ..Surroundings::default()
    };
    plugin_spec(&name, &object.spec, &around).with_context(|| format!("{}: BackendPlugin {name}", yaml.display()))
}

/// The operator's own outside, without a cluster.
async fn real(aws: &AwsArgs) -> anyhow::Result<(Ports, Option<String>)> {
    let env = |name: &str| std::env::var(name).ok();
    let endpoints = aws.endpoints(env)?;
    let proxy = aws.proxy(env);
    let region = match aws.region(env) {
        Some(region) => Some(region),
        None => profile_region().await,
    };
    let identities = Identities::new(IdentityConfig {
        region: region.clone(),
        intermediate_role: aws.aws_intermediate_role_arn.clone(),
        sts_endpoint_type: aws.aws_sts_endpoint_type.into(),
        endpoints: endpoints.clone(),
        proxy: proxy.clone(),
        ..IdentityConfig::default()
    });
    let ports = Ports {
        sessions: Arc::new(identities),
        endpoints,
        ..outside::ports(Network::through(proxy.as_ref()), Arc::new(Stats::default()))
    };
    Ok((ports, region))
}

/// A stage that answers from `folder`, admitted by the grant. What the plugin was handed when it was recorded
/// is in the case; where there is none, any text will do.
async fn replayed(folder: &Path, spec: &mut PluginSpec, given: &mut Given) -> anyhow::Result<Stage> {
    let exchanges = case::exchanges(folder)?;
    if exchanges.is_empty() {
        bail!("{} holds no exchanges; `--record {0}` writes some", folder.display());
    }
    let credentials = match folder.join(CASE_FILE).is_file() {
        true => Recorded::load(folder)?.case.credentials,
        false => BTreeMap::new(),
    };
    for (name, credential) in exposed(spec) {
        if let Some(text) = credentials.get(&name) {
            given.insert(credential, SecretBytes::from(text.clone()));
        }
    }
    for credential in given::named(&spec.grant) {
        if given.get(&credential).is_none() {
            given.insert(credential, SecretBytes::from("replayed".to_owned()));
        }
    }
    let stage = Stage::start().await?;
    spec.grant = stage.admit(std::mem::take(&mut spec.grant));
    stage.play(exchanges);
    Ok(stage)
}

/// What the plugin may see, by the name that it asks for.
fn exposed(spec: &PluginSpec) -> Vec<(String, Credential)> {
    let token = spec.grant.token.clone().map(|audience| {
        (
            keyhole_sandbox::SERVICE_ACCOUNT_TOKEN.to_owned(),
            Credential::Token { audience },
        )
    });
    spec.grant.exposed.clone().into_iter().chain(token).collect()
}

/// The same with their values, for the recording.
async fn handed(spec: &PluginSpec, credentials: &dyn keyhole_sandbox::Credentials) -> BTreeMap<String, SecretBytes> {
    let mut handed = BTreeMap::new();
    for (name, credential) in exposed(spec) {
        if let Ok(value) = credentials
            .credential(&credential, &keyhole_core::Identity::default())
            .await
        {
            handed.insert(name, value);
        }
    }
    handed
}

fn write(
    recorder: &Recorder,
    folder: &Path,
    fetched: &Fetched,
    credentials: BTreeMap<String, SecretBytes>,
) -> anyhow::Result<()> {
    let files = recorder.write(
        folder,
        Asking {
            settings: &fetched.settings,
            requests: fetched.asked.clone(),
            outcomes: &fetched.outcomes,
            credentials,
        },
    )?;
    for file in files {
        text::say(&format!("wrote {}", file.display()));
    }
    text::say(
        "read them before you commit them: secrets that the plugin did not return, and that travelled in no header of credentials, are not known",
    );
    Ok(())
}
