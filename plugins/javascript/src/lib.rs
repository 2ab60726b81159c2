//! JavaScript for the host, as a component: an engine in a sandbox of its own.
//!
//! No backend, but a part of the host that must not run inside it: a regular expression of JavaScript
//! can take for ever, and the host can end an instance at any instruction. Nothing is kept between
//! calls; the host makes a fresh instance for each.

#![cfg(target_family = "wasm")]

mod expressions;

mod bindings {
    //! What `wit-bindgen` makes of `wit/script/script.wit`.
    wit_bindgen::generate!({ path: "../../wit/script", world: "script" });
}

struct Script;

impl bindings::exports::keyhole::script::expressions::Guest for Script {
    fn matches(expression: String, text: String, anchored: bool) -> Result<bool, String> {
        expressions::matches(&expression, &text, anchored)
    }
}

bindings::export!(Script with_types_in bindings);
