//! The part of the host that fetches: identities, sandbox, plugins. `run` and `render` share it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use keyhole_identity::{Accounts, ClusterCredentials, Identities, IdentityConfig, profile_region};
use keyhole_plugins::{
    BuiltIn, ClusterFiles, Defaults, LazyScript, LiveSet, Loader, PluginSpec, Source, Sources, Surroundings,
};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{ApiServer, CallObserver, Credentials, Engine, EngineConfig, NoCredentials, Ports, ScriptLimits};
use serde_json::json;

use crate::args::{AwsArgs, PluginArgs};

/// All plugins that come with the host must serve within this.
const LOADING: Duration = Duration::from_secs(300);

/// What is running.
pub struct Host {
    /// The plugins that serve.
    pub plugins: LiveSet,
    /// The region of objects that name none.
    pub region: Option<String>,
    /// Judges expressions that need JavaScript. Nothing of it is loaded before the first of them.
    pub script: LazyScript,
    /// Loads further plugins.
    pub loader: Loader,
    /// What BackendPlugins may refer to.
    pub surroundings: Surroundings,
}

/// What comes from the cluster that the host runs in.
pub struct InCluster {
    /// Files of plugins, and pull secrets for them.
    pub files: Arc<dyn ClusterFiles>,
    /// What the grants of plugins name.
    pub credentials: ClusterCredentials,
}

/// The engine that plugins run in.
pub fn engine(args: &PluginArgs) -> anyhow::Result<Engine> {
    Ok(Engine::new(&EngineConfig {
        slots: args.sandbox_slots,
        ..EngineConfig::default()
    })?)
}

impl Host {
    /// Loads every built-in plugin.
    ///
    /// # Errors
    ///
    /// When one of them cannot serve, or flags contradict each other.
    pub async fn start(
        engine: Engine,
        aws: &AwsArgs,
        plugins: &PluginArgs,
        api_server: ApiServer,
        observer: Option<Arc<dyn CallObserver>>,
        cluster: Option<InCluster>,
    ) -> anyhow::Result<Self> {
        let (files, credentials) = cluster.map(|cluster| (cluster.files, cluster.credentials)).unzip();
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
            accounts: credentials
                .clone()
                .map(|credentials| Arc::new(credentials) as Arc<dyn Accounts>),
            ..IdentityConfig::default()
        });
        let defaults = defaults(region.as_deref(), endpoints.localstack());
        let cache = Arc::new(plugins.cache.compile_cache(env)?);
        let script = LazyScript::new(
            engine.clone(),
            Arc::clone(&cache),
            keyhole_builtin::JAVASCRIPT,
            ScriptLimits::default(),
        );
        let sources = Sources {
            policy: plugins.policy()?,
            cache: plugins.cache.source_cache(env),
            proxy: proxy.clone(),
            cluster: files,
        };
        let loader = Loader {
            sources,
            engine,
            cache,
            ports: Ports {
                sessions: Arc::new(identities),
                credentials: match credentials {
                    Some(credentials) => Arc::new(credentials) as Arc<dyn Credentials>,
                    None => Arc::new(NoCredentials),
                },
                endpoints,
                network: Network::through(proxy.as_ref()),
                api_server,
                observer,
            },
            defaults,
        };
        let live = LiveSet::default();
        tokio::time::timeout(LOADING, install_builtins(&loader, &live))
            .await
            .with_context(|| format!("the built-in plugins were not ready within {} s", LOADING.as_secs()))??;
        Ok(Self {
            plugins: live,
            region,
            script,
            loader,
            surroundings: Surroundings {
                builtins: builtins(),
                plugin_dir: plugins.plugin_dir.clone(),
            },
        })
    }
}

/// What objects get from the operator's environment. On localstack, KES ignores the region of an object.
fn defaults(region: Option<&str>, localstack: bool) -> Defaults {
    let operator = region
        .map(|region| ("region".to_owned(), json!(region)))
        .into_iter()
        .collect();
    let ignored = localstack
        .then(|| "region".to_owned())
        .into_iter()
        .collect::<BTreeSet<_>>();
    Defaults { operator, ignored }
}

fn builtins() -> Vec<BuiltIn> {
    let all = keyhole_builtin::all().iter();
    all.map(|builtin| BuiltIn {
        name: builtin.name,
        component: builtin.wasm,
        grant: builtin.grant(),
    })
    .collect()
}

async fn install_builtins(loader: &Loader, live: &LiveSet) -> anyhow::Result<()> {
    for builtin in keyhole_builtin::all() {
        let spec = PluginSpec {
            grant: builtin.grant(),
            shares_batches: true,
            ..PluginSpec::new(builtin.name, Source::BuiltIn(builtin.wasm))
        };
        let plugin = loader
            .load(&spec)
            .await
            .with_context(|| format!("plugin {} cannot serve", builtin.name))?;
        let (id, version) = (plugin.id().clone(), plugin.version().to_owned());
        for conflict in live.install(plugin) {
            tracing::warn!(plugin = %id, %conflict, "a backend type is not served by this plugin");
        }
        tracing::info!(plugin = %id, version, digest = %id.digest, "plugin serves");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_localstack_the_region_of_an_object_has_no_effect() {
        assert!(defaults(Some("eu-west-1"), false).ignored.is_empty());
        let localstack = defaults(Some("eu-west-1"), true);
        assert!(localstack.ignored.contains("region"));
        assert_eq!(localstack.operator["region"], "eu-west-1");
        assert!(defaults(None, false).operator.is_empty());
    }
}
