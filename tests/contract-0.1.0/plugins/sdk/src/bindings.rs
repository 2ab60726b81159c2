//! What `wit-bindgen` makes of `wit/backend.wit`. The rest of this crate is a Rust face for it; look
//! in here only when that face lacks something.
#![expect(missing_docs, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "__export_component",
    default_bindings_module: "keyhole_sdk::bindings",
});
