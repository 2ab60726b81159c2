//! `cargo xtask plugins`: the plugins of this project that are not part of the operator, as files.
//!
//! Each has a ready BackendPlugin in `plugins/catalog/`. The digest that is printed is what `spec.verify.digest`
//! of that object says, so that a file that was changed on its way is refused.

use std::fs;

use anyhow::Context as _;
use sha2::{Digest, Sha256};

use crate::cargo::{binaries, root};
use crate::tools::{self, Needs};

/// Names of the files and the cargo packages that they are built from.
const PLUGINS: [(&str, &str); 2] = [("http", "keyhole-http"), ("vault", "keyhole-vault")];

/// Builds all of them into `target/plugins` and prints path, size and digest of each.
pub fn run() -> anyhow::Result<()> {
    tools::check(Needs::default())?;
    let binaries = binaries()?;
    let target = binaries.parent().context("no target folder")?;
    let folder = target.join("plugins");
    fs::create_dir_all(&folder)?;
    for (name, package) in PLUGINS {
        let built = keyhole_guests::build(&root().join("plugins"), package, &target.join("guests"))?;
        let component = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
        let file = folder.join(format!("{name}.wasm"));
        // Under its final name only when it is whole: an operator may be watching the folder.
        let partial = folder.join(format!(".{name}.wasm"));
        fs::write(&partial, &component)?;
        fs::rename(&partial, &file)?;
        let size = component.len().div_ceil(1024);
        println!("{} {size} KiB {}", file.display(), digest(&component));
    }
    Ok(())
}

/// As a BackendPlugin writes it.
fn digest(component: &[u8]) -> String {
    let hex: String = Sha256::digest(component)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_a_backend_plugin_wants_it() {
        assert_eq!(
            digest(b""),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn every_plugin_has_a_ready_object_in_the_catalogue() {
        for (name, package) in PLUGINS {
            let object = root().join("plugins/catalog").join(format!("{name}.yaml"));
            let text = fs::read_to_string(object).unwrap();
            assert!(text.contains(&format!("path: {name}.wasm")), "{package}");
        }
    }
}
