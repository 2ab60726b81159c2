//! Plugins of this project that are not part of the host, built for the test that installs them.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins");

/// The file of a plugin by its cargo package, built first where it is missing. It shares the folder with the
/// plugins that are part of the host, beside the profile's folder of the running test.
pub fn plugin_file(package: &str) -> anyhow::Result<PathBuf> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let me = env::current_exe()?;
    // TARGET/PROFILE/deps/TEST
    let target = me.ancestors().nth(3).context("no target folder")?;
    keyhole_guests::build(Path::new(PLUGINS), package, &target.join("guests"))
}
