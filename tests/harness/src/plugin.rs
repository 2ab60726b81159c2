//! Plugins of this project that are not part of the host, built for the test that installs them.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins");

/// The file of a plugin by its cargo package, built first where it is missing. It shares the folder with the
/// plugins that are part of the host, in the target folder of the running test or tool.
pub fn plugin_file(package: &str) -> anyhow::Result<PathBuf> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let me = env::current_exe()?;
    // Cargo marks it. A test lies two folders below, a tool one.
    let is_target = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    let target = me
        .ancestors()
        .find(is_target)
        .context("no target folder above this program")?;
    keyhole_guests::build(Path::new(PLUGINS), package, &target.join("guests"))
}
