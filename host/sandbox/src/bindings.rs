//! The contract as Rust types, one module per frozen version of the WIT package.
//!
//! Component types are structural: a record that gains a field is another type. So a later contract
//! is a second module beside this one, never a change to it.

/// `keyhole:backend@0.1.0`, frozen.
#[allow(
    missing_docs,
    clippy::all,
    reason = "generated; the documentation is in wit/backend.wit"
)]
pub mod since_v0_1_0 {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// `keyhole:script`, which host and component are built with together.
#[allow(
    missing_docs,
    clippy::all,
    reason = "generated; the documentation is in wit/script/script.wit"
)]
pub mod script {
    wasmtime::component::bindgen!({
        path: "../../wit/script",
        world: "script",
        exports: { default: async },
    });
}
