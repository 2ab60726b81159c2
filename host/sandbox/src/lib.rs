//! The sandbox that plugins run in: fresh instance per call, limits on everything, no credentials
//! inside, and no network except through [`egress`].
//!
//! An [`Engine`] is made once. A [`Component`] is compiled or loaded, and with a [`Grant`] becomes a
//! [`Plugin`], whose `fetch` is one call into one fresh instance. This crate knows neither Kubernetes
//! nor where credentials come from; both are behind [`Ports`].

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

mod answer;
mod api_server;
mod bindings;
mod call;
mod component;
mod cpu;
mod credential_error;
mod credentials;
mod description;
pub mod egress;
mod engine;
mod gauges;
mod grant;
mod handled;
mod imports;
mod load_error;
mod memory;
mod output;
mod plugin;
mod ports;
mod run;
mod script;
mod sessions;
mod state;
mod verdict;

pub use api_server::ApiServer;
pub use call::{Call, CallStats, Exchanges, Export, PlannedRequest, Problem};
pub use component::Component;
pub use credential_error::CredentialError;
pub use credentials::SERVICE_ACCOUNT_TOKEN;
pub use description::{BackendType, CredentialWant, DESCRIPTION_LIMIT, Description};
pub use egress::EndpointOverrides;
pub use engine::{Engine, EngineConfig, Pooling};
pub use grant::{AwsGrant, Credential, Grant, HeaderGrant, PrivateAddresses};
pub use load_error::LoadError;
pub use plugin::Plugin;
pub use ports::{AwsSessions, CallObserver, Credentials, NoCredentials, Ports};
pub use script::{Script, ScriptLimits};
