//! Flags about plugins.

use std::path::PathBuf;

/// Where an image keeps what `keyhole precompile` made.
pub const PRECOMPILED: &str = "/usr/share/keyhole/plugins";

/// Flags about plugins.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Plugins")]
pub struct PluginArgs {
    /// Folder with plugins that were compiled in advance; never written to
    #[arg(long, env = "KEYHOLE_PRECOMPILED_DIR", value_name = "DIR", default_value = PRECOMPILED)]
    pub precompiled_dir: PathBuf,
    /// Folder for what is compiled at run time [default: keyhole in the user's cache folder]
    #[arg(long, env = "KEYHOLE_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Calls of plugins that may run at once, over all plugins
    #[arg(long, env = "KEYHOLE_SANDBOX_SLOTS", value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub sandbox_slots: u32,
}

impl PluginArgs {
    /// The folder that compiled plugins are written to; `None` without a home.
    pub fn writable_cache(&self, env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = self
            .cache_dir
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
            })?;
        Some(root.join("plugins"))
    }
}
