//! From a plugin's file to a plugin that can serve: read, compile or take from the cache, describe,
//! check. Nothing of this touches the live set, so a plugin that fails on the way changes nothing.

use std::io;
use std::sync::Arc;

use keyhole_sandbox::{Engine, LoadError, Plugin, Ports};

use crate::compile_cache::{CacheError, CompileCache};
use crate::live_plugin::{LivePlugin, Rules};
use crate::schema::SchemaError;
use crate::settings::Defaults;
use crate::source::{PluginFile, PluginSpec};

/// Why a plugin cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// Its file cannot be read.
    #[error("the plugin's file cannot be read: {0}")]
    Source(#[from] io::Error),
    /// It cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CacheError),
    /// It does not fit the contract.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// One of its schemas cannot be used.
    #[error("the plugin's {which} schema {source}")]
    Schema {
        /// `settings` or `options`.
        which: &'static str,
        /// Why.
        source: SchemaError,
    },
}

/// What all plugins of a process are loaded with.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Runs them.
    pub engine: Engine,
    /// Keeps what was compiled.
    pub cache: Arc<CompileCache>,
    /// The sandbox's outside.
    pub ports: Ports,
    /// Settings from the operator's environment.
    pub defaults: Defaults,
}

impl Loader {
    /// Loads a plugin; it is described and instantiated once when this returns.
    ///
    /// # Errors
    ///
    /// When the plugin cannot serve.
    pub async fn load(&self, spec: &PluginSpec) -> Result<LivePlugin, PluginError> {
        let file = PluginFile::new(spec.name.clone(), spec.source.read().await?);
        let component = self.cache.component(&self.engine, &file).await?;
        let rules = Rules {
            defaults: self.defaults.clone(),
            settings: spec.settings.clone(),
            signs_aws: !spec.grant.aws.is_empty(),
            service_accounts: spec.grant.service_accounts,
            shares_batches: spec.shares_batches,
            concurrent_calls: spec.grant.limits.concurrent_calls,
        };
        let plugin = Plugin::load(
            &self.engine,
            component,
            file.id.clone(),
            spec.grant.clone(),
            self.ports.clone(),
        )
        .await?;
        let description = plugin.description().clone();
        LivePlugin::new(file.id, &description, rules, Arc::new(plugin))
    }
}
