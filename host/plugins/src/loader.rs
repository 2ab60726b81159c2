//! From a plugin's source to a plugin that can serve: obtain and verify, compile or take from the cache,
//! describe, check. Nothing of this touches the live set, so a plugin that fails on the way changes nothing.
//!
//! The steps can be taken one at a time: what was compiled once can be put under another grant when its source
//! does not answer any more.

use std::sync::Arc;

use keyhole_core::PluginId;
use keyhole_sandbox::{Component, Engine, LoadError, Plugin, Ports};

use crate::compile_cache::{CacheError, CompileCache};
use crate::from_object::InvalidPlugin;
use crate::live_plugin::{LivePlugin, Rules};
use crate::schema::SchemaError;
use crate::settings::Defaults;
use crate::source::{Obtained, PluginFile, PluginSpec, SourceError, Sources};

/// Why a plugin cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// Its file is not there, or not what is demanded.
    #[error(transparent)]
    Source(#[from] SourceError),
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
    /// Its object asks for what the plugin does not have.
    #[error(transparent)]
    Invalid(#[from] InvalidPlugin),
}

/// What a plugin runs: its file, once that met every demand and was compiled. Clones share the machine code with
/// each other and with the plugins that are made of it.
#[derive(Clone, Debug)]
pub struct PluginCode {
    /// Name and digest.
    pub id: PluginId,
    /// The code.
    pub component: Component,
}

/// What all plugins of a process are loaded with.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Where files come from.
    pub sources: Sources,
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
        let obtained = self.sources.obtain(&spec.source, &spec.demands).await?;
        self.load_obtained(spec, obtained).await
    }

    /// The second half of [`Loader::load`], for who wants to know of the first half what was obtained.
    ///
    /// # Errors
    ///
    /// When the plugin cannot serve.
    pub async fn load_obtained(&self, spec: &PluginSpec, obtained: Obtained) -> Result<LivePlugin, PluginError> {
        let code = self.compile(&spec.name, obtained).await?;
        self.put_under(spec, &code).await
    }

    /// Compiles what was obtained for the plugin of this name, or takes it from the cache.
    ///
    /// # Errors
    ///
    /// When it cannot be compiled.
    pub async fn compile(&self, name: &Arc<str>, obtained: Obtained) -> Result<PluginCode, PluginError> {
        let file = PluginFile {
            id: PluginId {
                name: Arc::clone(name),
                digest: obtained.digest,
            },
            component: obtained.component,
        };
        let component = self.cache.component(&self.engine, &file).await?;
        Ok(PluginCode { id: file.id, component })
    }

    /// Makes a plugin of code that met the demands of `spec`, under its grant and rules; it is described and
    /// instantiated once when this returns. Nothing is asked of the source.
    ///
    /// # Errors
    ///
    /// When the plugin cannot serve.
    pub async fn put_under(&self, spec: &PluginSpec, code: &PluginCode) -> Result<LivePlugin, PluginError> {
        let PluginCode { id, component } = code.clone();
        let rules = Rules {
            defaults: self.defaults.clone(),
            settings: spec.settings.clone(),
            signs_aws: !spec.grant.aws.is_empty(),
            service_accounts: spec.grant.service_accounts,
            shares_batches: spec.shares_batches,
            concurrent_calls: spec.grant.limits.concurrent_calls,
            backend_types: spec.backend_types.clone(),
            namespaces: spec.namespaces.clone(),
            precedence: spec.precedence,
        };
        let exported = component.exported();
        let contract = exported
            .iter()
            .find_map(|name| name.strip_prefix("keyhole:backend/backend@"));
        let contract = contract.map(str::to_owned);
        let plugin = Plugin::load(
            &self.engine,
            component,
            id.clone(),
            spec.grant.clone(),
            self.ports.clone(),
        )
        .await?;
        let description = plugin.description().clone();
        let plugin = LivePlugin::new(id, &description, rules, Arc::new(plugin))?;
        Ok(plugin.built_against(contract))
    }
}
