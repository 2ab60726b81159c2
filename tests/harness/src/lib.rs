//! Real servers for tests, the demo and the benchmarks: a Kubernetes control plane, the host as a process
//! under the rights that `deploy/` gives it, moto, OpenBao, and a registry with cosign.
//!
//! Everything listens on free loopback ports, writes into its own scratch folder and dies with the process
//! that started it, however that ends. Waiting is always for a condition and always has a deadline.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

mod cluster_setup;
mod control_plane;
mod cosign;
mod emulator;
mod eventually;
mod host;
mod http;
mod json_store;
mod moto;
mod openbao;
mod plugin;
mod ports;
mod process;
mod proxy;
mod registry;
mod script;

pub use keyhole_test_assets::Scratch;

pub use cluster_setup::{Installed, Manifest, apply};
pub use control_plane::{ControlPlane, client};
pub use cosign::{Cosign, CosignKey, SignatureFormat};
pub use emulator::{ParameterStoreEndpoint, SecretsManagerEndpoint};
pub use eventually::{eventually, eventually_blocking};
pub use host::{Host, HostConfig, Metrics, keyhole_binary};
pub use json_store::{Asked, JsonStore};
pub use moto::Moto;
pub use openbao::OpenBao;
pub use plugin::plugin_file;
pub use ports::free as free_port;
pub use process::Process;
pub use proxy::Proxy;
pub use registry::{Registry, RegistryConfig};
pub use script::write_script;
