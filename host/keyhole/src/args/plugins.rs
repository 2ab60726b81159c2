//! Flags about plugins.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use keyhole_plugins::{CompileCache, Compiler, Policy};

/// Where an image keeps what `keyhole precompile` made.
pub const PRECOMPILED: &str = "/usr/share/keyhole/plugins";

/// Where compiled plugins are kept.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Plugins")]
pub struct CacheArgs {
    /// Folder with plugins that were compiled in advance; never written to
    #[arg(long, env = "KEYHOLE_PRECOMPILED_DIR", value_name = "DIR", default_value = PRECOMPILED)]
    pub precompiled_dir: PathBuf,
    /// Folder for what is compiled at run time [default: keyhole in the user's cache folder]
    #[arg(long, env = "KEYHOLE_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

/// Flags about plugins.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Plugins")]
pub struct PluginArgs {
    #[command(flatten)]
    pub cache: CacheArgs,
    /// Folder that BackendPlugins with spec.source.file take their files from
    #[arg(long, env = "KEYHOLE_PLUGIN_DIR", value_name = "DIR")]
    pub plugin_dir: Option<PathBuf>,
    /// Calls of plugins that may run at once, over all plugins
    #[arg(long, env = "KEYHOLE_SANDBOX_SLOTS", value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub sandbox_slots: u32,
    /// Public key in PEM, as `cosign generate-key-pair` writes it. With one or more, every plugin that is not built in must be
    /// signed with one of them; a BackendPlugin's own keys can only narrow that. The variable separates files with commas
    #[arg(
        long = "plugin-key",
        env = "KEYHOLE_PLUGIN_KEYS",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub plugin_keys: Vec<PathBuf>,
    /// Refuse plugins without a signature that was verified, built-in ones aside
    #[arg(long, env = "KEYHOLE_SIGNED_PLUGINS_ONLY", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub signed_plugins_only: bool,
    /// Take references to a registry that name a tag without a digest. Whoever may move the tag then decides what runs
    #[arg(long, env = "KEYHOLE_ALLOW_PLUGIN_TAGS", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub allow_plugin_tags: bool,
}

impl PluginArgs {
    /// What the operator demands of plugins.
    ///
    /// # Errors
    ///
    /// When a key cannot be read: to go on without it would be another policy.
    pub fn policy(&self) -> anyhow::Result<Policy> {
        let key = |path: &PathBuf| {
            let named = || format!("--plugin-key {}", path.display());
            let text = std::fs::read_to_string(path).with_context(named)?;
            text.parse().with_context(named)
        };
        Ok(Policy {
            tags_allowed: self.allow_plugin_tags,
            signed_only: self.signed_plugins_only,
            keys: self.plugin_keys.iter().map(key).collect::<anyhow::Result<_>>()?,
        })
    }
}

impl CacheArgs {
    /// The cache that is made of these.
    ///
    /// # Errors
    ///
    /// When this program does not find itself, which is what compiles.
    pub fn compile_cache(&self, env: impl Fn(&str) -> Option<String>) -> anyhow::Result<CompileCache> {
        Ok(CompileCache {
            read_only: Some(self.precompiled_dir.clone()).filter(|folder| folder.is_dir()),
            writable: self.writable_cache(env),
            compiler: Compiler::this_program()?,
        })
    }

    /// The folder that compiled plugins are written to; `None` without a home.
    pub fn writable_cache(&self, env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
        Some(self.cache_root(env)?.join("plugins"))
    }

    /// The folder for what registries gave; `None` without a home.
    pub fn source_cache(&self, env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
        Some(self.cache_root(env)?.join("sources"))
    }

    fn cache_root(&self, env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.cache_dir
            .clone()
            .or_else(|| {
                set("XDG_CACHE_HOME")
                    .filter(|path| path.is_absolute())
                    .map(|cache| cache.join("keyhole"))
            })
            .or_else(|| {
                set("HOME")
                    .filter(|path| path.is_absolute())
                    .map(|home| home.join(".cache/keyhole"))
            })
    }
}
