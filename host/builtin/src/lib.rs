//! The plugins that come with the host, and what each is granted without anybody asking; and the host's
//! own JavaScript.
//!
//! They are plugins like any other: same contract, same sandbox, same limits. What sets them apart is
//! that the host was built with their bytes, so their digest vouches for them, and that they serve
//! without a BackendPlugin object.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )
)]

mod grants;

use std::sync::LazyLock;

use keyhole_core::digest::sha256_hex;
use keyhole_sandbox::Grant;

/// One plugin that is part of the host.
#[derive(Debug)]
pub struct Builtin {
    /// Its name, as it says in its description.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    grant: fn() -> Grant,
}

impl Builtin {
    /// What it may do when no object says otherwise.
    #[must_use]
    pub fn grant(&self) -> Grant {
        (self.grant)()
    }
}

/// All of them, by name.
#[must_use]
pub fn all() -> &'static [Builtin] {
    static ALL: LazyLock<[Builtin; 2]> = LazyLock::new(|| {
        [
            builtin(
                "secrets-manager",
                include_bytes!(concat!(env!("OUT_DIR"), "/secrets-manager.wasm")),
                grants::secrets_manager,
            ),
            builtin(
                "system-manager",
                include_bytes!(concat!(env!("OUT_DIR"), "/system-manager.wasm")),
                grants::system_manager,
            ),
        ]
    });
    &*ALL
}

/// The host's own JavaScript. No plugin: it serves no backend, has no grant and is loaded only when
/// something needs it. `plugins/javascript` is its source.
pub static JAVASCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/javascript.wasm"));

/// All components that the host may ever compile, by name.
pub fn components() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let plugins = all().iter().map(|builtin| (builtin.name, builtin.wasm));
    plugins.chain([("javascript", JAVASCRIPT)])
}

/// The one of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Builtin> {
    all().iter().find(|builtin| builtin.name == name)
}

fn builtin(name: &'static str, wasm: &'static [u8], grant: fn() -> Grant) -> Builtin {
    Builtin {
        name,
        wasm,
        digest: sha256_hex(wasm),
        grant,
    }
}
