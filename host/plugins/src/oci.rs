//! Plugins from a registry.
//!
//! A registry is trusted with nothing but being there. What is asked for is named by digest, and the digests
//! of the manifest and of the component are computed here; a signature is checked before the component is
//! even fetched. Every answer is read up to a limit and within a time, because a hostile one could otherwise
//! fill the memory of the whole operator: that is why the protocol, which is small, is spoken here and not by
//! a client library that reads manifests and tokens to their end.

mod answer;
mod credentials;
mod image;
mod login;
mod manifest;
mod pull;
mod push;
mod reference;
mod registry;
mod store;

pub use credentials::{Credentials, InvalidDockerConfig};
pub use image::OciImage;
pub use login::{LoginError, docker_login};
pub use manifest::{CONFIG_MEDIA_TYPE, WASM_MEDIA_TYPE};
pub(crate) use pull::obtain;
pub use pull::{Verified, verify};
pub use push::{Push, push};
pub use reference::{InvalidReference, Reference};
pub use store::MOST_BYTES as MOST_SOURCE_BYTES;
