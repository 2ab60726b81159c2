//! Which variables a guest's build may see.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Prefixes of variables that an outer cargo, its user's flags or a build script's surroundings set.
const FOREIGN: &[&str] = &["CARGO", "RUST", "DEP_"];

/// What a build script gets besides, see "Environment variables Cargo sets for build scripts" in the
/// cargo book. `LD_LIBRARY_PATH` points into the outer target folder.
const BUILD_SCRIPT: &[&str] = &[
    "DEBUG",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "HOST",
    "LD_LIBRARY_PATH",
    "MAKEFLAGS",
    "MFLAGS",
    "NUM_JOBS",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "TARGET",
];

/// Settings of the machine rather than of a build: where tools and registries are, how to reach them.
const KEPT: &[&str] = &["CARGO_HOME", "CARGO_BUILD_JOBS"];
const KEPT_PREFIXES: &[&str] = &["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "RUSTUP_"];

/// The variables of `all` that a guest's build may see.
pub fn scrubbed(all: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    all.filter(|(name, _)| is_kept(name))
}

fn is_kept(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    KEPT.contains(&name) || starts(KEPT_PREFIXES) || !(starts(FOREIGN) || BUILD_SCRIPT.contains(&name))
}

/// The cargo that runs us, or else the one in `PATH`.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Flags in cargo's encoded form. Being set, they also win over any `rustflags` of the user's
/// configuration (`target-cpu=native` means nothing to WebAssembly). They keep the folders of the
/// machine that built the guest out of its panic messages, and so out of its digest.
pub fn rustflags(workspace_dir: &Path) -> OsString {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = OsString::new();
    for (folder, name) in [(Some(workspace_dir.to_owned()), "/guest"), (cargo_home, "/cargo")] {
        let Some(folder) = folder else { continue };
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(folder);
        flags.push("=");
        flags.push(name);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_an_outer_build_do_not_reach_a_guest() {
        for name in [
            "CARGO",
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_FEATURE_X",
            "CARGO_INCREMENTAL",
            "CARGO_MANIFEST_DIR",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_WASM32_WASIP2_LINKER",
            "DEP_RING_INCLUDE",
            "OUT_DIR",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTFLAGS",
            "TARGET",
        ] {
            assert!(!is_kept(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn settings_of_the_machine_reach_a_guest() {
        for name in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "CARGO_HTTP_CAINFO",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_MIRROR_INDEX",
            "CARGO_REGISTRY_DEFAULT",
            "HTTPS_PROXY",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "SSL_CERT_FILE",
        ] {
            assert!(is_kept(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn every_flag_names_a_folder_and_its_stand_in() {
        let flags = rustflags(Path::new("/src/keyhole/plugins"));
        let flags: Vec<_> = flags.to_str().unwrap().split('\u{1f}').collect();
        assert_eq!(flags[0], "--remap-path-prefix=/src/keyhole/plugins=/guest");
        assert!(flags[1].ends_with("=/cargo"), "{flags:?}");
    }
}
