//! Why a component cannot serve as a plugin. These texts are read by plugin authors, so each says
//! what to change.

use std::path::PathBuf;

use keyhole_core::CallError;

/// Why a plugin could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine itself could not be set up.
    #[error("the WebAssembly engine could not be started: {0}")]
    Engine(String),
    /// The bytes are no component, or use a feature that the host does not run.
    #[error("not a WebAssembly component that this host runs: {0}")]
    Compile(String),
    /// A precompiled file that this engine cannot use.
    #[error("{path} was not made by this engine on this kind of processor: {why}; compile the component again")]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// What differs.
        why: String,
    },
    /// The component lacks what the contract asks for, or imports what the host does not offer.
    #[error("the component does not fit the contract keyhole:backend@0.1.0: {0}")]
    Contract(String),
    /// The host's own JavaScript component is none that this host can use.
    #[error("the host's JavaScript component cannot be used: {0}")]
    Script(String),
    /// What `describe` returned makes no sense.
    #[error("describe() returned a bad {field}: {why}")]
    Description {
        /// The member of the description, e.g. `backend-types`.
        field: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
    /// Calling `describe` failed.
    #[error("describe() failed: {0}")]
    Describe(#[source] CallError),
    /// The grant itself cannot be used.
    #[error("the plugin's grant cannot be used: {0}")]
    Grant(String),
}
